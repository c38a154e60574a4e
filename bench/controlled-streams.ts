import { connect, type SluiceClient } from '../src/client/client';
import { newEvents } from './events';
import type { TestNats } from '../test/support/nats-server';
import { hidingLoop, type LoopCost } from './hiding-loop';
import { prefill, type PlannedCommit } from './prefill';
import { estimate, ratioOf, renderEstimate, type Estimate, type Pair } from './ratio';
import { roundsOf } from './rounds';
import { calls, inWords, type Run } from './run';
import { samplerPath, sampledShare } from './sampled-share';
import { durability, startBenchGateway, startBenchNats, type BenchGateway } from './servers';
import { median } from './statistics';
import { renderRows } from './table';
import { toNewEvents } from './typescript-peer';

const title = 'streams with controls';
const streamCount = 500;
const commitsEach = 20;
/** Every tenth stream has a control. */
const controlledEach = 10;
const readers = 16;
const appenders = 32;
const readsPerPiece = 25;
const appendsPerPiece = 64;

const rows = {
  all: 'ReadAll of 20 commits of each stream, each event',
  catchUp: 'Subscribe from behind, as much, each event',
  stream: 'ReadStream of 20 events, each read',
  append: 'Append of 1 event, each append',
} as const;

type Row = keyof typeof rows;

/** Pieces of each row in a round. They take less than a tenth of a second: how fast the machine is changes from one second to the next. */
const piecesEach: Readonly<Record<Row, number>> = { all: 10, catchUp: 10, stream: 30, append: 30 };

/** Which of the two stores have controls, one phase after the other. */
const phases = ['none', 'first', 'both'] as const;

type Phase = (typeof phases)[number];

/** What the pieces cost, in microseconds of CPU time of the gateway for one of what is counted. */
type Costs = Readonly<Record<Phase, Record<Row, Pair[]>>>;

/** The files whose functions run for the sake of controls only, or do next to nothing in a store without controls. */
const controlFiles =
  /[/](?:hiding|shared-hiding|stream-lifecycle|first-versions|stream-rules-index|stream-rules)[.]js$/;
/** How much CPU time of a gateway is sampled for each row. */
const sampledMs = 4_000;
/** What hides nothing. */
const retention = { maxCount: 1_000_000, maxAgeMs: 3_600_000_000 };

type Shares = Readonly<Record<Row, Estimate>>;

interface Side {
  readonly gateway: BenchGateway;
  readonly client: SluiceClient;
}

type Sides = readonly [Side, Side];

/**
 * What controls cost the readers and writers of a store, as a part of RESULTS.md: two stores with the same streams get controls one
 * after the other. Every tenth stream has a retention that hides nothing, so that all reads return the same events. `facts`: how it was
 * measured.
 */
export async function controlsCost(run: Run, facts: string): Promise<string | undefined> {
  const { settings, peaks, progress } = run;
  if (!settings.only.test(title)) return undefined;
  const streams = Math.max(controlledEach, calls(streamCount, settings.sizes));
  progress(`${title}: starting servers and filling stores`);
  await using firstNats = await startBenchNats('interval');
  await using secondNats = await startBenchNats('interval');
  for (const nats of [firstNats, secondNats]) {
    const creating = await startBenchGateway({ name: `${title}: creating`, nats, peaks });
    await creating[Symbol.asyncDispose]();
    await prefill(nats.url, plan(streams));
  }
  const costs = await pairedCosts(run, [firstNats, secondNats], streams);
  const shares = await sampledShares(run, firstNats, streams);
  progress(`${title}: the loop of reads`);
  const loop = hidingLoop(
    { streams, commitsEach, controlledEach, retention, nameOf },
    calls(300, settings.sizes),
  );
  const parts = [render(costs, shares, streams), renderLoop(loop, costs)];
  return [`# What ${title} cost`, facts, ...parts].join('\n\n');
}

async function pairedCosts(
  run: Run,
  servers: readonly [TestNats, TestNats],
  streams: number,
): Promise<Costs> {
  const { peaks } = run;
  await using first = await startBenchGateway({ name: title, nats: servers[0], peaks });
  await using second = await startBenchGateway({ name: `${title}: second`, nats: servers[1], peaks });
  using firstClient = connect(first.address);
  using secondClient = connect(second.address);
  await Promise.all([first.caughtUp(), second.caughtUp()]);
  const sides: Sides = [
    { gateway: first, client: firstClient },
    { gateway: second, client: secondClient },
  ];
  return await costsOf(run, sides, streams);
}

/** The shares of another gateway of the first store: it has samples of each function, which costs time. */
async function sampledShares(run: Run, nats: TestNats, streams: number): Promise<Shares> {
  const { peaks } = run;
  const sampled = { name: `${title}: sampled`, nats, peaks, preload: samplerPath };
  await using gateway = await startBenchGateway(sampled);
  using client = connect(gateway.address);
  await gateway.caughtUp();
  return await sharesOf(run, { gateway, client }, streams);
}

/** The streams take turns, so that the commits of a stream lie apart. */
function* plan(streams: number): Generator<PlannedCommit> {
  for (let commit = 0; commit < commitsEach; commit++)
    for (let stream = 0; stream < streams; stream++) yield { stream: nameOf(stream), events: 1 };
}

function nameOf(stream: number): string {
  return `order.${String(stream).padStart(8, '0')}`;
}

async function costsOf(run: Run, sides: Sides, streams: number): Promise<Costs> {
  const none = { all: [], catchUp: [], stream: [], append: [] };
  const costs: Costs = { none: { ...none }, first: { ...none }, both: { ...none } };
  for (const phase of phases) {
    run.progress(`${title}: controls: ${phase}`);
    if (phase === 'first') await control(sides[0], streams);
    if (phase === 'both') await control(sides[1], streams);
    const loads = loadsOf(streams, await positionsOf(sides, streams * commitsEach));
    // The appends come last: they move the end, from which the positions are counted.
    for (const row of Object.keys(rows) as Row[])
      costs[phase][row] = await measure(run, sides, loads[row], calls(piecesEach[row], run.settings.sizes));
  }
  return costs;
}

async function control({ client, gateway }: Side, streams: number): Promise<void> {
  await inTurns(readers, Math.floor(streams / controlledEach), (turn) =>
    client.streams.setRetention(nameOf(turn * controlledEach), retention),
  );
  await gateway.caughtUp();
}

/** For each side, the position that this number of events follow. */
async function positionsOf(
  sides: readonly Side[],
  maxCount: number,
): Promise<ReadonlyMap<SluiceClient, bigint>> {
  const positions = new Map<SluiceClient, bigint>();
  for (const { client } of sides)
    for await (const { position } of client.readAll({ direction: 'backward', maxCount }))
      positions.set(client, position - 1n);
  return positions;
}

/** What a row does in one piece: it resolves with the number of what it counts. */
type Load = (client: SluiceClient, piece: number) => Promise<number>;

function loadsOf(streams: number, positions: ReadonlyMap<SluiceClient, bigint>): Record<Row, Load> {
  const events = streams * commitsEach;
  return {
    // Bounded by a position, since a count would have every event looked at for itself.
    all: (client) => countOf(client.readAll({ toPosition: events })),
    // To the end of the store: a gateway that is left earlier has read on, one time more than the other.
    catchUp: (client) => countOf(client.subscribe({ after: positions.get(client) ?? 0n }), events),
    stream: (client, piece) =>
      inTurns(readers, readsPerPiece, (turn) => {
        const stream = nameOf((piece * readsPerPiece + turn) % streams);
        return countOf(client.readStream(stream, { maxCount: commitsEach }));
      }),
    append: (client, piece) =>
      inTurns(appenders, appendsPerPiece, (turn) =>
        client.append(nameOf((piece * appendsPerPiece + turn) % streams), toNewEvents(newEvents(1))),
      ),
  };
}

/**
 * Measures a row in small pieces, in which the sides take turns, so that what else the machine does meets both. Each round has a few of
 * them. Rounds to warm up come first: a gateway whose store has its first controls runs code that it has not run before.
 */
async function measure(
  { settings, signal }: Run,
  sides: Sides,
  load: Load,
  piecesEach: number,
): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const { index, counts } of roundsOf(settings))
    for (let piece = index * piecesEach; piece < (index + 1) * piecesEach; piece++) {
      signal.throwIfAborted();
      const firstGoesFirst = piece % 2 === 0;
      const [one, other] = firstGoesFirst ? sides : ([sides[1], sides[0]] as const);
      const [earlier, later] = [await costOf(one, piece, load), await costOf(other, piece, load)];
      if (counts) pairs.push(firstGoesFirst ? [earlier, later] : [later, earlier]);
    }
  return pairs;
}

/** How much of the time of a gateway is spent on controls. */
async function sharesOf({ settings, progress }: Run, side: Side, streams: number): Promise<Shares> {
  const { gateway, client } = side;
  const loads = loadsOf(streams, await positionsOf([side], streams * commitsEach));
  const shareOf = async (row: Row): Promise<Estimate> => {
    progress(`${title}: samples of ${rows[row]}`);
    for (let piece = 0; piece < calls(piecesEach[row], settings.sizes); piece++)
      await loads[row](client, piece);
    return sampledShare(gateway.pid, controlFiles, async () => {
      const endMs = gateway.cpuMs() + sampledMs * settings.sizes.callsShare;
      for (let piece = 0; piece === 0 || gateway.cpuMs() < endMs; piece++) await loads[row](client, piece);
    });
  };
  const all = await shareOf('all');
  const catchUp = await shareOf('catchUp');
  const stream = await shareOf('stream');
  return { all, catchUp, stream, append: await shareOf('append') };
}

/** The CPU time of the gateway, in microseconds, for one of what is counted. */
async function costOf({ gateway, client }: Side, piece: number, load: Load): Promise<number> {
  const beganMs = gateway.cpuMs();
  const count = await load(client, piece);
  await gateway.caughtUp();
  return ((gateway.cpuMs() - beganMs) * 1_000) / count;
}

/** Reads to the end, so that no read is cancelled, or up to a number of events. */
async function countOf(all: AsyncIterable<object>, countMax = Infinity): Promise<number> {
  const events = all[Symbol.asyncIterator]();
  let count = 0;
  while (count < countMax && (await events.next()).done !== true) count++;
  await events.return?.();
  return count;
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

function render(costs: Costs, shares: Shares, streams: number): string {
  const about =
    `Durability: ${durability.interval}. CPU time of the gateway in microseconds, for two stores of ${inWords(streams)} streams with ` +
    `${commitsEach} commits of 1 event, and what is appended: every tenth stream gets a retention that hides nothing, first in one store, ` +
    `then in the other. ${readers} callers read, ${appenders} append. ratio: what the first store costs beside the second one while only the first ` +
    'one has controls, divided by the geometric mean of what it costs beside it before and after, when both are alike. resolution: what ' +
    'it costs beside it after, divided by before: 1, if the method were exact. share: how much of the time of its main thread ' +
    'another gateway of the first store spends in the functions for controls and in what they call, by samples: it does not depend on how ' +
    'fast the machine is. Samples of what the compiler puts into other functions may be missing there, so below the table is the loop of ' +
    'reads over all streams alone. In brackets: the interval with 95 % confidence.';
  const figures = (Object.keys(rows) as Row[]).map((row) => {
    const [none, first, both] = phases.map((phase) => costs[phase][row]) as [Pair[], Pair[], Pair[]];
    const meanOf = (side: 0 | 1): string =>
      (first.reduce((sum, pair) => sum + pair[side], 0) / first.length).toFixed(2);
    const effect = estimate([none, first, both], (samples) => {
      const [before = NaN, during = NaN, after = NaN] = samples.map(ratioOf);
      return during / Math.sqrt(before * after);
    });
    const nothing = estimate([none, both], (samples) => {
      const [before = NaN, after = NaN] = samples.map(ratioOf);
      return after / before;
    });
    const share = renderEstimate(shares[row]);
    return [rows[row], meanOf(0), meanOf(1), share, renderEstimate(effect), renderEstimate(nothing)];
  });
  return [
    about,
    renderRows([['what', '10 % with controls', 'none', 'share', 'ratio', 'resolution'], ...figures]),
  ].join('\n\n');
}

function renderLoop({ without, added }: LoopCost, { none }: Costs): string {
  const share = added / (1_000 * median(none.all.flat()));
  return (
    `The loop of reads over all streams alone, in one process, with and without controls in turns: ${without.toFixed(0)} ns for a ` +
    `commit without them, and ${added.toFixed(0)} ns more with them. That is ${(100 * share).toFixed(1)} % of what the ` +
    'gateways take for an event of ReadAll while none has controls.'
  );
}
