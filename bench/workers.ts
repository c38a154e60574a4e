import type { Clients } from './clients';
import { hasGo, startGoClients } from './go-clients';
import type { Operation } from './job';
import { roundsOf } from './rounds';
import { calls, type Run } from './run';
import { startBenchGateway, type BenchGateway } from './servers';
import type { Sizes } from './settings';
import { median, type Slot } from './statistics';
import { renderRows } from './table';

const title = 'workers';
/** More than workers, so that each has some of the connections. */
const channels = 8;
const versionStreams = 64;

interface Side {
  readonly gateway: BenchGateway;
  readonly clients: Clients;
}

interface Row {
  readonly what: string;
  readonly callers: number;
  readonly callsEach: number;
  readonly operation: Operation;
}

interface Figures extends Slot {
  /** Of the gateway, its workers and its nats-server, for a call, in microseconds. */
  readonly cpuUs: number;
}

/** What workers gain and cost, as a part of RESULTS.md: two workers beside one process. `facts`: how it was measured. */
export async function workersGain(run: Run, facts: string): Promise<string | undefined> {
  const { settings, peaks, progress } = run;
  if (!settings.only.test(title) || !(await hasGo(title, progress))) return undefined;
  progress(`${title}: starting servers`);
  await using one = await startBenchGateway({ name: `${title}: one process`, peaks });
  await using two = await startBenchGateway({ name: `${title}: two`, peaks, args: ['--workers=2'] });
  await using toOne = await startGoClients(channels, one.address);
  await using toTwo = await startGoClients(channels, two.address);
  const sides: readonly Side[] = [
    { gateway: one, clients: toOne },
    { gateway: two, clients: toTwo },
  ];
  for (const side of sides) await figuresOf(side, prefilled, 0);
  const rows: string[][] = [];
  for (const row of rowsOf(settings.sizes)) {
    progress(`${title}: ${row.what}, callers: ${row.callers}`);
    rows.push(render(row, await measure(sides, row, run)));
  }
  const about =
    'Durability: every append is on disk before it is acknowledged, by the embedded nats-server that each gateway runs. One: one ' +
    `process. Two: \`--workers 2\`, which are three processes. The load is that of bench/go, over ${channels} channels. CPU: the ` +
    'time of all processes of the gateway and of its nats-server for each call, in microseconds. The load, its gateway and its ' +
    'nats-server share the processors of this machine: where all of them are busy, more processes cannot do more.';
  const head = ['what', 'callers', 'one calls/s', 'two calls/s', 'ratio', 'one CPU', 'two CPU', 'ratio'];
  return [`# What ${title} gain and cost`, facts, about, renderRows([head, ...rows])].join('\n\n');
}

/** The figures of both sides in each round that counts. */
async function measure(
  sides: readonly Side[],
  row: Row,
  { settings, signal }: Run,
): Promise<readonly (readonly Figures[])[]> {
  const figures: Figures[][] = sides.map(() => []);
  for (const { index, counts } of roundsOf(settings)) {
    for (const side of index % 2 === 0 ? sides : sides.toReversed()) {
      signal.throwIfAborted();
      const found = await figuresOf(side, row, index * row.callsEach);
      if (counts) figures[sides.indexOf(side)]?.push(found);
    }
  }
  return figures;
}

async function figuresOf({ gateway, clients }: Side, row: Row, firstCall: number): Promise<Figures> {
  const { callers, callsEach, operation } = row;
  const beganMs = gateway.familyCpuMs();
  const slot = await clients.run({ peer: 'generated', operation, callers, callsEach, firstCall });
  await gateway.caughtUp();
  const cpuUs = (1_000 * (gateway.familyCpuMs() - beganMs)) / (callers * callsEach);
  return { ...slot, cpuUs };
}

function render({ what, callers }: Row, [one = [], two = []]: readonly (readonly Figures[])[]): string[] {
  const pair = (of: (figures: Figures) => number): string[] => {
    const [first, second] = [median(one.map(of)), median(two.map(of))];
    const ratios = two.map((figures, round) => of(figures) / of(one[round] as Figures));
    const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2));
    const words = [first, second].map((value) => Math.round(value).toLocaleString('en'));
    return [...words, `${median(ratios).toFixed(2)} (${low ?? ''}-${high ?? ''})`];
  };
  return [what, callers.toString(), ...pair((all) => all.callsPerSecond), ...pair((all) => all.cpuUs)];
}

function append(streams: string): Extract<Operation, { readonly kind: 'append' }> {
  return { kind: 'append', streams, events: 1, callsPerStream: Number.MAX_SAFE_INTEGER, version: 0 };
}

/** One commit for each stream whose version is requested. */
const prefilled: Row = {
  what: 'prefill',
  callers: 1,
  callsEach: versionStreams,
  operation: { ...append('version'), callsPerStream: 1 },
};

function rowsOf(sizes: Sizes): Row[] {
  const appends = (callers: number, full: number): Row => ({
    what: 'append of 1 event',
    callers,
    callsEach: calls(full, sizes),
    operation: append(`workers-${callers}`),
  });
  const versions = (callers: number, full: number): Row => ({
    what: 'GetVersion',
    callers,
    callsEach: calls(full, sizes),
    operation: { kind: 'version', streams: { prefix: 'version', count: versionStreams }, version: 1 },
  });
  return [appends(1, 1_000), appends(64, 150), appends(256, 60), versions(1, 2_000), versions(64, 300)];
}
