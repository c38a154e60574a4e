import { randomOf, uuidOf } from '../seeded';

/** An event of the shop. */
export interface ShopEvent {
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, string | number>>;
  readonly correlationId: string;
  readonly causationId: string;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Events to append to a stream. */
export interface ShopAppend {
  readonly stream: string;
  /** The version of the first event. */
  readonly firstVersion: number;
  readonly events: readonly ShopEvent[];
}

/** A commit on one stream, or a transaction over several. */
export interface ShopCommit {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly appends: readonly ShopAppend[];
}

const hourMs = 3_600_000;
const beginMs = Date.UTC(2026, 0, 1);
/** How long new orders arrive. */
const openMs = 90 * 24 * hourMs;
/** Later events have not happened yet. */
const endMs = beginMs + openMs + 24 * hourMs;
const firstOrder = 100_001;

const regions = ['eu', 'eu', 'eu', 'eu', 'us', 'us', 'us', 'apac', 'apac', 'latam'];
const customers = 6_000;
const articles = [
  { sku: 'cup', priceCents: 1_250 },
  { sku: 'plate', priceCents: 1_899 },
  { sku: 'kettle', priceCents: 5_490 },
  { sku: 'spoon', priceCents: 349 },
  { sku: 'teapot', priceCents: 4_200 },
  { sku: 'tray', priceCents: 2_750 },
  { sku: 'linen', priceCents: 3_999 },
  { sku: 'candle', priceCents: 899 },
];

/**
 * Three months of a shop, in chronological order. Each order is a stream `order.<region>.<number>`; a checkout of a customer
 * places one to four orders. The same numbers give the same shop.
 */
export function shopOf({ orders, seed }: { readonly orders: number; readonly seed: number }): ShopCommit[] {
  const commits: ShopCommit[] = [];
  for (let placed = 0, checkout = 1; placed < orders; checkout++) {
    const name = `checkout-${checkout}`;
    const draw = drawOf(`${seed}/${name}`);
    const size = Math.min(draw.pick([1, 1, 1, 1, 1, 1, 2, 2, 3, 4]), orders - placed);
    const at = beginMs + Math.floor(((placed + draw.below(1_000) / 1_000) / orders) * openMs);
    const customer = `customer-${1 + Math.min(draw.below(customers), draw.below(customers))}`;
    const isGift = draw.chance(15);
    const lives = Array.from({ length: size }, (_, i) => {
      const stream = `order.${draw.pick(regions)}.${firstOrder + placed + i}`;
      const about = { seed, stream, checkout: name, tags: isGift ? ['gift'] : [] };
      return record(about, at + i * 1_000, lifeOf(draw, customer));
    });
    commits.push(...(isGift && size > 1 ? inOneTransaction(lives) : lives.flat()));
    placed += size;
  }
  // The sort is stable, so the commits of an order keep their order.
  return commits.filter(({ at }) => at < endMs).sort((a, b) => a.at - b.at);
}

/** Merges the first commits of some orders into one transaction; their other commits stay as they are. */
function inOneTransaction(lives: readonly ShopCommit[][]): ShopCommit[] {
  const firsts = lives.flatMap((life) => life.slice(0, 1));
  const at = Math.max(...firsts.map((commit) => commit.at));
  return [
    { at, appends: firsts.flatMap(({ appends }) => appends) },
    ...lives.flatMap((life) => life.slice(1)),
  ];
}

interface Draw {
  below(bound: number): number;
  pick<T>(list: readonly T[]): T;
  chance(percent: number): boolean;
}

function drawOf(seed: string): Draw {
  const random = randomOf(seed);
  const below = (bound: number): number => Math.floor(random() * bound);
  return {
    below,
    pick: <T>(list: readonly T[]) => list[below(list.length)] as T,
    chance: (percent) => below(100) < percent,
  };
}

type Fact = readonly [type: string, data: ShopEvent['data']];

/** What happens to an order at one time. */
interface Stage {
  /** After the previous stage. */
  readonly hours: number;
  readonly service: string;
  readonly facts: readonly Fact[];
}

function* lifeOf(draw: Draw, customer: string): Iterable<Stage> {
  const bought: { sku: string; priceCents: number; quantity: number }[] = [];
  const add = (atMost: number): Fact[] =>
    Array.from({ length: 1 + draw.below(atMost) }, () => {
      const item = { ...draw.pick(articles), quantity: 1 + draw.below(3) };
      bought.push(item);
      return ['ItemAdded', item];
    });
  const total = (): number =>
    bought.reduce((sum, { priceCents, quantity }) => sum + priceCents * quantity, 0);
  const later = (atMost: number): number => (1 + draw.below(atMost * 100)) / 100;

  yield { hours: 0, service: 'shop', facts: [['OrderPlaced', { customer }], ...add(5)] };
  if (draw.chance(25)) yield { hours: later(1), service: 'shop', facts: add(2) };
  if (draw.chance(8)) {
    yield { hours: later(4), service: 'shop', facts: [['OrderCancelled', { reason: 'changed my mind' }]] };
    return;
  }
  if (draw.chance(6)) {
    yield { hours: later(1), service: 'payments', facts: [['PaymentDeclined', { reason: 'card expired' }]] };
  }
  if (draw.chance(4)) return;
  const paid = { by: draw.pick(['card', 'card', 'transfer', 'wallet']), amountCents: total() };
  yield { hours: later(2), service: 'payments', facts: [['OrderPaid', paid]] };
  if (draw.chance(3)) {
    const refunded: Fact = ['PaymentRefunded', { amountCents: total() }];
    yield { hours: later(8), service: 'shop', facts: [['OrderCancelled', { reason: 'sold out' }], refunded] };
    return;
  }
  const parcel = `P-${draw.below(1e9).toString().padStart(9, '0')}`;
  yield {
    hours: later(30),
    service: 'warehouse',
    facts: [
      ['OrderPacked', { parcel, shelf: 1 + draw.below(400) }],
      ['OrderShipped', { parcel, carrier: draw.pick(['bicycle', 'van', 'train']) }],
    ],
  };
  const scans = Array.from({ length: 1 + draw.below(4) }, (): Fact => {
    return ['ParcelScanned', { parcel, depot: draw.pick(['north', 'east', 'south', 'west']) }];
  });
  yield { hours: later(90), service: 'carrier', facts: [...scans, ['OrderDelivered', { parcel }]] };
  if (!draw.chance(7)) return;
  const { sku, priceCents } = draw.pick(bought);
  const returned: Fact = ['ItemReturned', { sku, quantity: 1 }];
  const facts: Fact[] = [returned, ['PaymentRefunded', { amountCents: priceCents }]];
  yield { hours: later(200), service: 'warehouse', facts };
}

interface About {
  readonly seed: number;
  readonly stream: string;
  readonly checkout: string;
  readonly tags: readonly string[];
}

/** The commits of an order. The cause of the first event of each is the event before it; the first event is the cause of the others. */
function record(
  { seed, stream, checkout, tags }: About,
  placedMs: number,
  life: Iterable<Stage>,
): ShopCommit[] {
  const commits: ShopCommit[] = [];
  let [at, version, last] = [placedMs, 0, ''];
  for (const { hours, service, facts } of life) {
    at += Math.round(hours * hourMs);
    const firstVersion = version + 1;
    let first = '';
    const events = facts.map(([type, data]): ShopEvent => {
      const id = uuidOf(`${seed}/${stream}/${++version}`);
      const causationId = first || last || id;
      first ||= id;
      last = id;
      const metadata = { 'occurred-at': new Date(at).toISOString(), service };
      return { id, type, data, correlationId: checkout, causationId, tags, metadata };
    });
    commits.push({ at, appends: [{ stream, firstVersion, events }] });
  }
  return commits;
}
