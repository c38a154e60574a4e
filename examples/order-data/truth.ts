import type { Report } from './report';
import type { ShopCommit, ShopEvent } from './shop';

/** The report on a shop, computed from the generated data and not from a store. */
export function truthOf(commits: readonly ShopCommit[]): Report {
  const orders = new Map<string, ShopEvent[]>();
  for (const { appends } of commits) {
    for (const { stream, events } of appends) {
      const known = orders.get(stream);
      if (known === undefined) orders.set(stream, [...events]);
      else known.push(...events);
    }
  }
  const longest = mostOf(orders);
  const checkouts = new Map<string, string[]>();
  for (const [stream, [placed]] of orders) {
    const checkout = placed?.correlationId ?? '';
    checkouts.set(checkout, [...(checkouts.get(checkout) ?? []), stream]);
  }
  const largest = mostOf(checkouts);
  return {
    regions: regionsOf(orders),
    longest: {
      stream: longest.name,
      version: longest.items.length,
      history: longest.items.map(({ type, metadata }, index) => {
        return { version: index + 1, occurredAt: metadata['occurred-at'] ?? '', type };
      }),
    },
    largest: {
      checkout: largest.name,
      orders: largest.items.map((stream) => ({ stream, events: orders.get(stream)?.length ?? 0 })),
    },
    moment: momentOf(commits, longest.items.at(-1)),
  };
}

/** The longest list; the first by name if there are several. */
function mostOf<T>(lists: ReadonlyMap<string, readonly T[]>): { name: string; items: readonly T[] } {
  const names = [...lists.keys()].sort();
  const [first] = names.sort((a, b) => (lists.get(b)?.length ?? 0) - (lists.get(a)?.length ?? 0));
  return { name: first ?? '', items: lists.get(first ?? '') ?? [] };
}

function regionsOf(orders: ReadonlyMap<string, readonly ShopEvent[]>): Report['regions'] {
  const names = new Set([...orders.keys()].map((stream) => stream.split('.')[1] ?? ''));
  return [...names].sort().map((name) => {
    const own = [...orders].filter(([stream]) => stream.startsWith(`order.${name}.`));
    const events = own.flatMap(([, list]) => list);
    return {
      name,
      orders: own.length,
      events: events.length,
      paidCents: centsOf(events, 'OrderPaid'),
      refundedCents: centsOf(events, 'PaymentRefunded'),
      cancelled: countOf(events, 'OrderCancelled'),
    };
  });
}

function momentOf(commits: readonly ShopCommit[], last: ShopEvent | undefined): Report['moment'] {
  const eventsOf = ({ appends }: ShopCommit): ShopEvent[] => appends.flatMap(({ events }) => events);
  const end = commits.findIndex((commit) => eventsOf(commit).some(({ id }) => id === last?.id));
  const events = commits.slice(0, end + 1).flatMap(eventsOf);
  return {
    placed: countOf(events, 'OrderPlaced'),
    paid: countOf(events, 'OrderPaid'),
    shipped: countOf(events, 'OrderShipped'),
    cancelled: countOf(events, 'OrderCancelled'),
  };
}

function countOf(events: readonly ShopEvent[], wanted: string): number {
  return events.filter(({ type }) => type === wanted).length;
}

function centsOf(events: readonly ShopEvent[], wanted: string): number {
  return events
    .filter(({ type }) => type === wanted)
    .reduce((sum, { data }) => sum + Number(data['amountCents']), 0);
}
