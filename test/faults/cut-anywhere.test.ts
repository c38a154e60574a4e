import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppendResponse } from '../../generated/sluice/v1/event_store_service';
import { serves } from '../acceptance/environment';
import { attempt, newEvents, type Append } from '../support/attempts';
import { startCuttingRelay, type Cut, type CuttingRelay, type Side } from '../support/cutting-relay';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { historyFaults, type Attempt } from '../support/history';
import { startNats, until, type TestNats } from '../support/nats-server';
import type { RpcClient } from '../support/rpc-client';
import { RpcFailure } from '../support/rpc-failure';
import { randomFrom } from '../support/random';

/**
 * The connection to the store breaks after any byte of an append and its answer, or the server halts or ends: every commit is
 * accounted for. An acknowledged commit is stored once, where the answer says. A refused commit is never stored. A commit with an
 * unknown outcome is stored or not, a retry with its commit id shows which; the outcome is only unknown if the server was away
 * until the deadline of the append.
 */

/** About how many cuts are made in all; more cuts lie closer together. */
const cuts = Number(process.env['TEST_CUTS'] ?? 200);
const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 1_000_000);

/** The appends of one round, each on its own stream. Appends of several messages have three. */
const shapes = [
  { name: 'one-expected', count: 2, payloadBytes: 16, expects: true },
  { name: 'one-any', count: 2, payloadBytes: 16, expects: false },
  { name: 'several-expected', count: 5, payloadBytes: 700, expects: true },
  { name: 'several-any', count: 5, payloadBytes: 700, expects: false },
] as const;
const maxPayloadBytes = 2_560;
/** A batch without its sender stays open for a while, and a server accepts 50 of them. */
const jetStreamConfig =
  'limits { batch { max_inflight_per_stream: 5000, max_inflight_total: 9000, timeout: "1s" } }';
const lanes = 8;
/** Enough for a retry on a busy machine, whose commit id is looked up first. */
const shortTime = '--append-timeout-ms=1000';

/** One gateway that reaches the store through a relay, and the streams that only it writes to. */
interface Lane extends AsyncDisposable {
  readonly relay: CuttingRelay;
  readonly gateway: TestGateway;
  readonly streams: readonly LaneStream[];
}

interface LaneStream {
  readonly name: string;
  readonly shape: (typeof shapes)[number];
  version: bigint;
  readonly attempts: Attempt[];
}

let nats: TestNats;
/** Reaches NATS directly. */
let witness: TestGateway;
const faults: string[] = [];
const counts = { stored: 0, refused: 0, unknownStored: 0, unknownFree: 0 };
/** The rounds that have begun and the appends that were accounted for; what happens to them alternates with these. */
let rounds = 0;
let turns = 0;

beforeAll(async () => {
  nats = await startNats({ maxPayloadBytes, jetStreamConfig });
  witness = await startTestGateway([nats.url]);
});
afterAll(async () => {
  await witness[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

async function startLane(args: readonly string[]): Promise<Lane> {
  const relay = await startCuttingRelay(nats.port, '"sluice-append-0"', 8);
  const gateway = await startTestGateway(
    relay.addresses.map((address) => `nats://${address}`),
    args,
  );
  // Until it has read the log, it refuses commit ids that may be old.
  await until(async () => (await gateway.client.serverInfo()).replica?.filled === true, 30_000);
  const id = randomUUID();
  return {
    relay,
    gateway,
    streams: shapes.map((shape) => ({ name: `cut.${id}.${shape.name}`, shape, version: 0n, attempts: [] })),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await relay[Symbol.asyncDispose]();
    },
  };
}

/** The appends of one round, and what their callers got. */
interface Round {
  readonly appends: readonly Append[];
  readonly attempts: readonly Attempt[];
}

/** Appends to all streams of a lane at once; every second append with a certain outcome has no commit id. */
async function appendToAll({ gateway, streams }: Lane, mayBeUnknown: boolean): Promise<Round> {
  rounds++;
  const appends = streams.map(({ name, shape, version }, i): Append => ({
    stream: name,
    events: newEvents(shape.count, shape.payloadBytes),
    expectedVersion: shape.expects ? version : undefined,
    ...(mayBeUnknown || (rounds + i) % 2 === 0 ? { commitId: randomUUID() } : {}),
  }));
  return { appends, attempts: await Promise.all(appends.map((append) => attempt(gateway.client, append))) };
}

/** Accounts for every commit of a round, once the store can be reached again. */
async function accountFor(lane: Lane, { appends, attempts }: Round, mayBeUnknown: boolean): Promise<void> {
  lane.relay.cutWithin([]);
  lane.relay.heal();
  await serves(lane.gateway.client);
  await Promise.all(
    lane.streams.map((stream, i) =>
      account(lane, stream, appends[i] as Append, attempts[i] as Attempt, mayBeUnknown),
    ),
  );
}

/** A round within which the conversation is cut, and cut again on the way back. */
async function cutRound(lane: Lane, cuttings: readonly Cut[], mayBeUnknown: boolean): Promise<void> {
  lane.relay.cutWithin(cuttings);
  await accountFor(lane, await appendToAll(lane, mayBeUnknown), mayBeUnknown);
}

/** Compares what the caller of the append got with what the store has, and repeats the append or gives it up. */
async function account(
  { gateway }: Lane,
  stream: LaneStream,
  append: Append,
  first: Attempt,
  mayBeUnknown: boolean,
): Promise<void> {
  const { name, version, shape, attempts } = stream;
  const { outcome } = first;
  const turn = turns++;
  const fault = (what: string): void => void faults.push(`${name} after ${version.toString()}: ${what}`);
  const now = (await witness.client.getVersion({ stream: name })).version;
  const last = version + BigInt(shape.count);
  const isStored = now === last;
  if (!isStored && now !== version) fault(`is at ${now.toString()}`);
  if (outcome.kind === 'unknown') {
    if (!mayBeUnknown) fault('its outcome is unknown though the server was there');
    counts[isStored ? 'unknownStored' : 'unknownFree']++;
  } else {
    counts[outcome.kind]++;
    if (isStored !== (outcome.kind === 'stored'))
      fault(`is ${outcome.kind}, and stored: ${String(isStored)}`);
  }
  if (outcome.kind === 'refused' && outcome.actualVersion !== undefined) fault('is in conflict with nobody');
  const isDone =
    append.commitId === undefined ||
    (outcome.kind === 'stored' && turn % 4 !== 0) ||
    (outcome.kind === 'refused' && turn % 2 === 0);
  // A refused append may be stored when it is sent again.
  if (outcome.kind !== 'refused' || isDone) attempts.push(first);
  if (isDone) {
    stream.version = now;
    return;
  }
  const { client } = turn % 3 === 0 ? witness : gateway;
  const { answer, wasUnknown } = await repeated(client, append, mayBeUnknown);
  // An append with an unknown outcome may have been stored by the retry.
  if (answer.replayed !== isStored && !wasUnknown)
    fault(`replayed is ${String(answer.replayed)}, stored: ${String(isStored)}`);
  if (answer.firstVersion !== version + 1n || answer.version !== last) fault('a retry tells another version');
  const { eventIds, expectedVersion, endedAt } = first;
  const { firstVersion, position } = answer;
  attempts.push({
    ...{ eventIds, expectedVersion, startedAt: endedAt, endedAt: performance.now() },
    outcome: { kind: 'stored', firstVersion, version: answer.version, position },
  });
  stream.version = last;
}

/**
 * Repeats an append, which must get its first result, or the error that the store cannot be reached; or, if its deadline is
 * near, again that the outcome is unknown.
 */
async function repeated(
  client: RpcClient,
  append: Append,
  mayBeUnknown: boolean,
): Promise<{ answer: AppendResponse; wasUnknown: boolean }> {
  const reasons = ['STORE_UNAVAILABLE', ...(mayBeUnknown ? ['OUTCOME_UNKNOWN', 'DEADLINE_EXCEEDED'] : [])];
  let answer: AppendResponse | undefined;
  let wasUnknown = false;
  await until(async () => {
    answer = await client.append({ ...append, events: [...append.events] }).catch((error: unknown) => {
      if (!(error instanceof RpcFailure && reasons.includes(error.reason ?? ''))) throw error;
      wasUnknown ||= error.reason === 'OUTCOME_UNKNOWN';
      return undefined;
    });
    return answer !== undefined;
  });
  return { answer: answer as AppendResponse, wasUnknown };
}

/** The bytes that each side sends in a round without cuts. */
async function conversation(lane: Lane): Promise<Readonly<Record<Side, number>>> {
  await accountFor(lane, await appendToAll(lane, false), false);
  lane.relay.cutWithin([]);
  const round = await appendToAll(lane, false);
  const said = { ...lane.relay.said };
  await accountFor(lane, round, false);
  return said;
}

/** Cuts everywhere in what both sides send, from before the first byte to after the last. */
function spread(said: Readonly<Record<Side, number>>, count: number, staysAway: boolean): Cut[] {
  const spacing = (said.client + said.server) / count;
  return (['client', 'server'] as const).flatMap((side) =>
    Array.from({ length: Math.ceil(said[side] / spacing) }, (_, i) => ({
      side,
      bytes: Math.floor(i * spacing),
      staysAway,
    })),
  );
}

/** Distributes cuts over some lanes, and resolves with the faults in the end. */
async function cutAll(
  args: readonly string[],
  cuttingsFor: (said: Readonly<Record<Side, number>>) => (readonly Cut[])[],
  mayBeUnknown: boolean,
): Promise<string[]> {
  return withLanes(args, async (all) => {
    const todo = cuttingsFor(await conversation(all[0] as Lane));
    await Promise.all(
      all.map(async (lane) => {
        for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
          await cutRound(lane, next, mayBeUnknown);
        }
      }),
    );
  });
}

/** Starts the lanes, lets something happen to them, and resolves with the faults of the store in the end. */
async function withLanes(
  args: readonly string[],
  happen: (all: readonly Lane[]) => Promise<void>,
): Promise<string[]> {
  const all = await Promise.all(Array.from({ length: lanes }, () => startLane(args)));
  try {
    await happen(all);
    for (const { name, attempts } of all.flatMap(({ streams }) => streams)) {
      const { events } = await witness.client.readStream({ stream: name });
      faults.push(...historyFaults(attempts, events).map((fault) => `${name}: ${fault}`));
    }
  } finally {
    for (const lane of all) await lane[Symbol.asyncDispose]();
  }
  return faults.splice(0).map((fault) => `seed ${seed}: ${fault}`);
}

test('the connection is lost after any byte, and comes back at once', async () => {
  expect(await cutAll([], (said) => spread(said, cuts, false).map((cut) => [cut]), false)).toEqual([]);
  expect(counts.stored).toBeGreaterThan(2 * cuts);
}, 600_000);

test('the connection is lost again on the way back', async () => {
  const random = randomFrom(seed);
  const anywhere = (said: Readonly<Record<Side, number>>): Cut => {
    const side = random() < 0.5 ? 'client' : 'server';
    return { side, bytes: Math.floor(random() * said[side]), staysAway: false };
  };
  const cuttings = Array.from({ length: cuts / 8 });
  const found = await cutAll(
    [],
    (said) => cuttings.map(() => [anywhere(said), anywhere(said), anywhere(said)]),
    false,
  );
  expect(found).toEqual([]);
}, 600_000);

test('the connection is lost after any byte, for longer than an append may take', async () => {
  const found = await cutAll([shortTime], (said) => spread(said, cuts / 4, true).map((cut) => [cut]), true);
  expect(found).toEqual([]);
  // Both outcomes have occurred, or this would prove nothing.
  expect(counts.unknownStored).toBeGreaterThan(0);
  expect(counts.unknownFree).toBeGreaterThan(0);
}, 600_000);

/** Lets something happen to the server in the middle of the appends of all lanes, again and again. */
async function strikeAll(
  args: readonly string[],
  strikes: number,
  strike: () => Promise<void>,
  mayBeUnknown: boolean,
): Promise<string[]> {
  const random = randomFrom(seed);
  return withLanes(args, async (all) => {
    for (let i = 0; i < strikes; i++) {
      const appending = all.map((lane) => appendToAll(lane, mayBeUnknown));
      // The appends of all lanes take some 20 ms.
      await sleep(random() * 20);
      await strike();
      const rounds = await Promise.all(appending);
      await serves(witness.client);
      await Promise.all(all.map((lane, n) => accountFor(lane, rounds[n] as Round, mayBeUnknown)));
    }
  });
}

async function pauseFor(ms: number): Promise<void> {
  nats.pause();
  await sleep(ms);
  nats.resume();
}

test('the server halts, and continues', async () => {
  expect(await strikeAll([], 10, () => pauseFor(100), false)).toEqual([]);
  // Longer than an attempt waits for its answer.
  expect(await strikeAll([], 1, () => pauseFor(2_500), false)).toEqual([]);
}, 120_000);

test('the server halts for longer than an append may take', async () => {
  expect(await strikeAll([shortTime], 8, () => pauseFor(1_500), true)).toEqual([]);
}, 120_000);

test('the server is killed, and started again', async () => {
  const killed = async (): Promise<void> => {
    await nats.kill();
    await nats.start();
  };
  expect(await strikeAll([], 8, killed, false)).toEqual([]);
}, 120_000);
