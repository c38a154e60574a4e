import { jsonEvent, type NewEvent, type SluiceClient } from 'sluice-eventstore';
import { randomOf, uuidOf } from '../seeded';
import { streamOf, type ItemAdded, type OrderPlaced } from './order-events';

/** How many orders are written at the same time. */
const writers = 32;

/** What was written. */
export interface Generated {
  readonly events: number;
}

/**
 * Writes orders that a seed determines. The same seed gives the same orders with the same commit ids, so an interrupted run can
 * be repeated and stores nothing twice. Fails like `client.append`. When the signal aborts, it completes the orders that it has
 * begun and fails with the signal's reason.
 */
export async function generate(
  client: SluiceClient,
  { orders, seed, signal }: { orders: number; seed: number; signal: AbortSignal },
): Promise<Generated> {
  let next = 1;
  let events = 0;
  const write = async (): Promise<void> => {
    while (next <= orders && !signal.aborted) {
      const id = `${seed}-${next++}`;
      let version = 0;
      for (const commit of orderOf(id)) {
        const commitId = uuidOf(`${id}/${version}`);
        await client.append(streamOf(id), commit, { expectedVersion: version, commitId });
        version += commit.length;
      }
      events += version;
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  signal.throwIfAborted();
  return { events };
}

const customers = ['Ada', 'Grace', 'Edsger', 'Barbara', 'Donald', 'Radia'];
const articles = [
  { sku: 'cup', priceCents: 1_250 },
  { sku: 'plate', priceCents: 1_899 },
  { sku: 'kettle', priceCents: 5_490 },
  { sku: 'spoon', priceCents: 349 },
];

/** The commits of one order. */
function* orderOf(id: string): Iterable<NewEvent[]> {
  const random = randomOf(id);
  const below = (bound: number): number => Math.floor(random() * bound);
  const items = (atMost: number): NewEvent[] =>
    Array.from({ length: 1 + below(atMost) }, () => {
      const article = articles[below(articles.length)] as (typeof articles)[number];
      return jsonEvent('ItemAdded', { ...article, quantity: 1 + below(3) } satisfies ItemAdded);
    });
  const customer = customers[below(customers.length)] as string;

  yield [jsonEvent('OrderPlaced', { customer } satisfies OrderPlaced), ...items(4)];
  if (below(4) === 0) yield items(2);
  if (below(10) === 0) {
    yield [jsonEvent('OrderCancelled', { reason: 'changed my mind' })];
    return;
  }
  if (below(10) === 0) return;
  yield [jsonEvent('OrderPaid', { by: 'card' })];
  if (below(4) > 0) yield [jsonEvent('OrderShipped', { carrier: 'bicycle' })];
}
