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

/** The CPU time of the gateway, in microseconds, for what the row counts. */
type Cost = Readonly<Record<keyof typeof rows, number>>;

interface Side {
  readonly gateway: BenchGateway;
  readonly client: SluiceClient;
}

/**
 * What controls cost the readers and writers of a store, as a part of RESULTS.md: a store in which every tenth stream has a retention that
 * hides nothing, so that both sides return the same events, beside one without controls. `facts`: how it was measured.
 */
export async function controlsCost(run: Run, facts: string): Promise<string | undefined> {
  const { settings, peaks, progress, signal } = run;
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
  const costs = sides.map((): Cost[] => []);
  for (let round = 0; round <= settings.rounds; round++) {
    progress(`${title}: round ${round} of ${settings.rounds}`);
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      signal.throwIfAborted();
      const cost = await costOf(side, streams);
      if (round > 0) costs[sides.indexOf(side)]?.push(cost);
    }
  }
  for (const { client } of sides) client.close();
  return [`# What ${title} cost`, facts, render(costs, streams)].join('\n\n');
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

async function costOf({ gateway, client }: Side, streams: number): Promise<Cost> {
  const events = streams * commitsEach;
  const all = await cpuOf(gateway, events, () => take(client.readAll(), events));
  const catchUp = await cpuOf(gateway, events, () => take(client.subscribe({ after: 0n }), events, true));
  const stream = await cpuOf(gateway, streams, () =>
    inTurns(readers, streams, (turn) =>
      take(client.readStream(nameOf(turn), { maxCount: commitsEach }), commitsEach),
    ),
  );
  const append = await cpuOf(gateway, streams, () =>
    inTurns(appenders, streams, (turn) => client.append(nameOf(turn), toNewEvents(newEvents(1)))),
  );
  return { all, catchUp, stream, append };
}

/** Reads at least this many events: all of a read, so that none is cancelled, and as many of a subscription. */
async function take(all: AsyncIterable<object>, countMin: number, isEndless = false): Promise<void> {
  const events = all[Symbol.asyncIterator]();
  let count = 0;
  while (!(isEndless && count === countMin) && (await events.next()).done !== true) count++;
  await events.return?.();
  if (count < countMin) throw new Error(`there were only ${count} events`);
}

async function cpuOf(gateway: BenchGateway, count: number, load: () => Promise<void>): Promise<number> {
  const beganMs = gateway.cpuMs();
  await load();
  await gateway.caughtUp();
  return ((gateway.cpuMs() - beganMs) * 1_000) / count;
}

/** Callers that share turns; each makes its next call after the answer to the last one. */
async function inTurns(
  callers: number,
  turns: number,
  call: (turn: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let turn = next++; turn < turns; turn = next++) await call(turn);
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

function render([controlled = [], plain = []]: readonly (readonly Cost[])[], streams: number): string {
  const about =
    `Durability: ${durability.interval}. CPU time of the gateway in microseconds, for ${inWords(streams)} streams with ` +
    `${commitsEach} commits of 1 event, and what the rounds append: every tenth stream has a retention that hides nothing, beside a ` +
    `store without controls. ${readers} callers read, ${appenders} append.`;
  const figures = (Object.keys(rows) as (keyof Cost)[]).map((row) => {
    const [ours, others] = [controlled, plain].map((costs) => costs.map((cost) => cost[row]));
    const ratios = (ours ?? []).map((cost, round) => cost / (others?.[round] ?? NaN));
    const range = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2)).join('-');
    const medians = [ours, others].map((costs = []) => median(costs).toFixed(2));
    return [rows[row], ...medians, `${median(ratios).toFixed(3)} (${range})`];
  });
  return [about, renderRows([['what', '10 % with controls', 'none', 'ratio'], ...figures])].join('\n\n');
}
