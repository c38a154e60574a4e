/** The results of the queries, the same in each language. */
export interface Report {
  /** By name. */
  readonly regions: readonly Region[];
  /** The order with the most events; the first by name if there are several. */
  readonly longest: Longest;
  /** The checkout with the most orders (the first by name if there are several), and its orders in the order of their events. */
  readonly largest: { readonly checkout: string; readonly orders: readonly OrderSize[] };
  /** What had happened up to the last event of the longest order. */
  readonly moment: Moment;
}

export interface Region {
  readonly name: string;
  readonly orders: number;
  readonly events: number;
  readonly paidCents: number;
  readonly refundedCents: number;
  readonly cancelled: number;
}

export interface Longest {
  readonly stream: string;
  readonly version: number;
  readonly history: readonly {
    readonly version: number;
    readonly occurredAt: string;
    readonly type: string;
  }[];
}

export interface OrderSize {
  readonly stream: string;
  readonly events: number;
}

export interface Moment {
  readonly placed: number;
  readonly paid: number;
  readonly shipped: number;
  readonly cancelled: number;
}

/** The report as all programs print it. */
export function render({ regions, longest, largest, moment }: Report): string {
  const { placed, paid, shipped, cancelled } = moment;
  return [
    'region    orders   events          paid      refunded  cancelled',
    ...regions.map(
      (region) =>
        region.name.padEnd(8) +
        region.orders.toString().padStart(8) +
        region.events.toString().padStart(9) +
        money(region.paidCents).padStart(14) +
        money(region.refundedCents).padStart(14) +
        region.cancelled.toString().padStart(11),
    ),
    '',
    `${longest.stream} has the longest history, version ${longest.version}:`,
    ...longest.history.map(
      ({ version, occurredAt, type }) => `${version.toString().padStart(4)}  ${occurredAt}  ${type}`,
    ),
    '',
    `when that was stored: ${placed} placed, ${paid} paid, ${shipped} shipped, ${cancelled} cancelled`,
    '',
    `${largest.checkout} has the most orders:`,
    ...largest.orders.map(({ stream, events }) => `  ${stream}, ${events} events`),
    '',
  ].join('\n');
}

function money(cents: number): string {
  return `${Math.floor(cents / 100)}.${(cents % 100).toString().padStart(2, '0')}`;
}
