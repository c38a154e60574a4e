import { measure, type MeasuredRow, type Plan, type Row } from './measure';
import type { MemoryPeak } from './servers';
import type { Settings, Sizes } from './settings';

/** What the tables of one run share. */
export interface Run {
  readonly settings: Settings;
  /** The memory of all gateways that have stopped. */
  readonly peaks: MemoryPeak[];
  /** Reports the progress. */
  readonly progress: (line: string) => void;
  /** Aborted when the run must stop. */
  readonly signal: AbortSignal;
}

/** A table and its figures. */
export interface Table {
  readonly title: string;
  /** The durability mode in words, and other facts that a reader needs. */
  readonly about: string;
  readonly labels: readonly [string, string];
  readonly rows: readonly MeasuredRow[];
}

export interface TableSpec {
  readonly title: string;
  readonly about: string;
  readonly rows: readonly Row[];
}

/** Measures the selected rows of a table; undefined if no row is selected. `open` starts the servers that they need. */
export async function runTable(
  run: Run,
  { title, about, rows }: TableSpec,
  open: (use: (plan: Plan) => Promise<Table>) => Promise<Table>,
): Promise<Table | undefined> {
  const { settings } = run;
  const chosen = rows.filter(({ what, callers }) => settings.only.test(`${title}: ${what}, ${callers}`));
  if (chosen.length === 0) return undefined;
  run.progress(`${title}: starting servers and filling stores`);
  return open(async (plan) => {
    const measured: MeasuredRow[] = [];
    for (const row of chosen) {
      run.progress(`${title}: ${row.what}, callers: ${row.callers}`);
      measured.push(await measure(plan, row, settings, run.signal));
    }
    const [{ label: first }, { label: second }] = plan.sides;
    return { title, about, labels: [first, second], rows: measured };
  });
}

/** The number of calls: all in a full run, fewer in a quick one. */
export function calls(full: number, { callsShare }: Sizes): number {
  return Math.max(1, Math.round(full * callsShare));
}

export function inWords(count: number): string {
  return count.toLocaleString('en');
}

/** "1 event", "10,000 events". */
export function plural(count: number, noun: string): string {
  return `${inWords(count)} ${noun}${count === 1 ? '' : 's'}`;
}
