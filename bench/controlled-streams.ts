import { connect, type SluiceClient } from '../src/client/client';
import { newEvents } from './events';
import { prefill, type PlannedCommit } from './prefill';
import { inWords, type Run } from './run';
import { durability, startBenchGateway, startBenchNats, type BenchGateway } from './servers';
import { median } from './statistics';
import { renderRows } from './table';
import { toNewEvents } from './typescript-peer';

const title = 'streams with controls';
const streamCount = 10_000;
const commitsEach = 20;
/** Every tenth stream has a control. */
const controlledEach = 10;
const readers = 16;
const appenders = 32;

const rows = {
  all: 'ReadAll of the whole store, each event',
  catchUp: 'Subscribe from the beginning, each event',
  stream: 'ReadStream of 20 events, each read',
  append: 'Append of 1 event, each append',
} as const;

type Row = keyof typeof rows;

/** The CPU time of the gateways, in microseconds, for what the row counts: each time with controls and without. */
type Pairs = Readonly<Record<Row, number[][]>>;

interface Side {
  readonly gateway: BenchGateway;
  readonly client: SluiceClient;
}

/**
 * What controls cost the readers and writers of a store, as a part of RESULTS.md: a store in which every tenth stream has a retention that
 * hides nothing, so that both sides return the same events, beside one without controls. `facts`: how it was measured.
 */
export async function controlsCost(run: Run, facts: string): Promise<string | undefined> {
  const { settings, peaks, progress } = run;
  if (!settings.only.test(title)) return undefined;
  const streams = Math.max(controlledEach, Math.round(streamCount * settings.sizes.callsShare));
  progress(`${title}: starting servers and filling stores`);
  await using controlledNats = await startBenchNats('interval');
  await using plainNats = await startBenchNats('interval');
  for (const nats of [controlledNats, plainNats]) {
    const creating = await startBenchGateway({ name: `${title}: creating`, nats, peaks });
    await creating[Symbol.asyncDispose]();
    await prefill(nats.url, plan(streams));
  }
  await using controlled = await startBenchGateway({ name: title, nats: controlledNats, peaks });
  await using plain = await startBenchGateway({ name: `${title}: none`, nats: plainNats, peaks });
  const sides: readonly Side[] = [controlled, plain].map((gateway) => ({
    gateway,
    client: connect(gateway.address),
  }));
  for (const { gateway } of sides) await gateway.caughtUp();
  await control((sides[0] as Side).client, streams);
  const pairs = await pairsOf(run, sides, streams);
  for (const { client } of sides) client.close();
  return [`# What ${title} cost`, facts, render(pairs, streams)].join('\n\n');
}

async function pairsOf(
  { settings, progress, signal }: Run,
  sides: readonly Side[],
  streams: number,
): Promise<Pairs> {
  const pairs: Pairs = { all: [], catchUp: [], stream: [], append: [] };
  for (let round = 0; round <= settings.rounds; round++) {
    progress(`${title}: round ${round} of ${settings.rounds}`);
    for (const row of Object.keys(rows) as Row[])
      for (let time = 0; time < loads[row].times; time++) {
        const costs = [NaN, NaN];
        for (const side of time % 2 === 0 ? [0, 1] : [1, 0]) {
          signal.throwIfAborted();
          costs[side] = await costOf(sides[side] as Side, streams, loads[row].load);
        }
        if (round > 0) pairs[row].push(costs);
      }
  }
  return pairs;
}

/** The streams take turns, so that the commits of a stream lie apart. */
function* plan(streams: number): Generator<PlannedCommit> {
  for (let commit = 0; commit < commitsEach; commit++)
    for (let stream = 0; stream < streams; stream++) yield { stream: nameOf(stream), events: 1 };
}

function nameOf(stream: number): string {
  return `order.${String(stream).padStart(8, '0')}`;
}

async function control({ streams }: SluiceClient, count: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, stream) => stream).filter(
    (stream) => stream % controlledEach === 0,
  );
  await inTurns(readers, numbers.length, (turn) =>
    streams.setRetention(nameOf(numbers[turn] as number), { maxCount: 1_000_000, maxAgeMs: 3_600_000_000 }),
  );
}

/** What a row does: it resolves with the number of what it counts. */
type Load = (client: SluiceClient, streams: number) => Promise<number>;

const loads: Readonly<Record<Row, { readonly load: Load; readonly times: number }>> = {
  // The two sides take turns within a second, so that what else the machine does meets both.
  all: { load: (client) => countOf(client.readAll()), times: 8 },
  catchUp: {
    load: (client, streams) => countOf(client.subscribe({ after: 0n }), streams * commitsEach),
    times: 8,
  },
  stream: {
    load: (client, streams) =>
      inTurns(readers, streams, (turn) =>
        countOf(client.readStream(nameOf(turn), { maxCount: commitsEach })),
      ),
    times: 2,
  },
  append: {
    load: (client, streams) =>
      inTurns(appenders, streams, (turn) => client.append(nameOf(turn), toNewEvents(newEvents(1)))),
    times: 2,
  },
};

/** Reads to the end, so that no read is cancelled, or up to a number of events. */
async function countOf(all: AsyncIterable<object>, countMax = Infinity): Promise<number> {
  const events = all[Symbol.asyncIterator]();
  let count = 0;
  while (count < countMax && (await events.next()).done !== true) count++;
  await events.return?.();
  return count;
}

/** The CPU time of the gateway, in microseconds, for one of what is counted. */
async function costOf({ gateway, client }: Side, streams: number, load: Load): Promise<number> {
  const beganMs = gateway.cpuMs();
  const count = await load(client, streams);
  await gateway.caughtUp();
  return ((gateway.cpuMs() - beganMs) * 1_000) / count;
}

/** Callers that share turns; each makes its next call after the answer to the last one. Resolves with the number of turns. */
async function inTurns(
  callers: number,
  turns: number,
  call: (turn: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let turn = next++; turn < turns; turn = next++) await call(turn);
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return turns;
}

function render(pairs: Pairs, streams: number): string {
  const about =
    `Durability: ${durability.interval}. CPU time of the gateway in microseconds, for ${inWords(streams)} streams with ` +
    `${commitsEach} commits of 1 event, and what the rounds append: every tenth stream has a retention that hides nothing, beside a ` +
    `store without controls. ${readers} callers read, ${appenders} append. Medians, and the middle half of the ratios.`;
  const figures = (Object.keys(rows) as Row[]).map((row) => {
    const medians = [0, 1].map((side) => median(pairs[row].map((costs) => costs[side] as number)).toFixed(2));
    const ratios = pairs[row].map(([controlled = NaN, plain = NaN]) => controlled / plain);
    const sorted = ratios.toSorted((a, b) => a - b);
    const quarter = Math.floor(sorted.length / 4);
    const middle = [sorted[quarter], sorted.at(-1 - quarter)].map((ratio = NaN) => ratio.toFixed(3));
    return [
      rows[row],
      ...medians,
      `${median(ratios).toFixed(3)} (${middle.join('-')}, ${sorted.length} times)`,
    ];
  });
  return [about, renderRows([['what', '10 % with controls', 'none', 'ratio'], ...figures])].join('\n\n');
}
