import { median } from './statistics';
import { renderRows } from './table';

/** Figures of one piece of work. */
export interface PeerRow {
  readonly what: string;
  /** Less is better, except for calls per second. */
  readonly unit: 'ms' | 'p50 ms' | '/s' | 'CPU µs';
  /** The figures of all rounds, for each peer; undefined: the peer has no such call. */
  readonly figures: readonly (readonly number[] | undefined)[];
}

export interface PeerTable {
  /** Sluice is the first. */
  readonly peers: readonly { readonly label: string; readonly about: string }[];
  readonly rows: readonly PeerRow[];
}

export const peersLegend =
  'Figures are medians over the rounds. times: how many times faster Sluice is than the other store, or how many times less ' +
  'it needs, by the figures of each round; in brackets the lowest and the highest of the rounds. -: there is no such call.';

export function renderPeers({ peers, rows }: PeerTable): string {
  const [, ...others] = peers;
  const header = ['what', 'unit', 'Sluice', ...others.flatMap(({ label }) => [label, 'times'])];
  return renderRows([header, ...rows.map(toCells)]);
}

function toCells({ what, unit, figures }: PeerRow): string[] {
  const [own = [], ...others] = figures;
  const cells = others.flatMap((theirs) =>
    theirs === undefined
      ? ['-', '-']
      : [digits(median(theirs)), times(unit === '/s' ? [own, theirs] : [theirs, own])],
  );
  return [what, unit, digits(median(own)), ...cells];
}

function times([first, second]: readonly [readonly number[], readonly number[]]): string {
  const ratios = first.map((value, i) => value / (second[i] ?? NaN));
  const [low, middle, high] = [Math.min(...ratios), median(ratios), Math.max(...ratios)].map(twoDigits);
  return `${middle} (${low}-${high})`;
}

function twoDigits(value: number): string {
  return Number(value.toPrecision(2)).toString();
}

function digits(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en');
}
