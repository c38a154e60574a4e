import type { MeasuredRow } from './measure';
import type { Table } from './run';
import type { MemoryPeak } from './servers';
import { median, type Slot } from './statistics';

/** The meaning of the columns of all tables. */
export const legend =
  'Each caller makes its next call after the response to the last one. p50 and p99: milliseconds for one call; figures are ' +
  'medians over the rounds. ratio: how many times longer a call takes on the first side than on the second, by the calls/s of ' +
  'each round; in brackets the lowest and the highest of the rounds.';

/** Markdown that is also readable in a terminal. */
export function renderTable({ title, about, labels, rows }: Table, number: number): string {
  const [first, second] = labels;
  const header = [
    'what',
    'callers',
    ...['p50 ms', 'p99 ms', 'calls/s', 'events/s'].map((column) => `${first} ${column}`),
    ...['p50 ms', 'calls/s', 'events/s'].map((column) => `${second} ${column}`),
    'ratio',
  ];
  return [`## Table ${number}: ${title}`, about, renderRows([header, ...rows.map(toCells)])].join('\n\n');
}

function toCells({ row, slots }: MeasuredRow): string[] {
  const [first, second] = slots;
  const of = (slots: readonly Slot[], figure: keyof Slot): number =>
    median(slots.map((slot) => slot[figure]));
  const rates = (slots: readonly Slot[]): string[] => {
    const rate = of(slots, 'callsPerSecond');
    return [whole(rate), row.events === 0 ? '-' : whole(rate * row.events)];
  };
  return [
    row.what,
    row.callers.toString(),
    millis(of(first, 'medianMs')),
    millis(of(first, 'p99Ms')),
    ...rates(first),
    millis(of(second, 'medianMs')),
    ...rates(second),
    ratio(first, second),
  ];
}

function ratio(first: readonly Slot[], second: readonly Slot[]): string {
  const ratios = first.map(({ callsPerSecond }, i) => (second[i]?.callsPerSecond ?? NaN) / callsPerSecond);
  const [low, middle, high] = [Math.min(...ratios), median(ratios), Math.max(...ratios)].map((n) =>
    n.toFixed(2),
  );
  return `${middle} (${low}-${high})`;
}

/** Three digits, the precision of the histogram. */
function millis(value: number): string {
  return Number(value.toPrecision(3)).toString();
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

export function renderMemory(peaks: readonly MemoryPeak[]): string {
  const cells = peaks.map(({ gateway, residentBytesMax: bytes }) => [
    gateway,
    bytes === undefined ? 'not known on this system' : (bytes / (1 << 20)).toFixed(0),
  ]);
  return ['## Memory of the gateways', renderRows([['gateway of', 'resident MiB, maximum'], ...cells])].join(
    '\n\n',
  );
}

/** The first row is the header. All columns but the first are aligned to the right. */
export function renderRows(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const [header = '', ...body] = rows.map((row) =>
    line(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))),
  );
  const rule = line(widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)));
  return [header, rule, ...body].join('\n');
}
