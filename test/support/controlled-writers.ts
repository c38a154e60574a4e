import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { attempt, newEvents, refusals } from './attempts';
import {
  controlledFaults,
  type ControlAttempt,
  type ControlledHistory,
  type ControlledLook,
  type ControlOutcome,
} from './control-history';
import type { Attempt } from './history';
import { readLog } from './logged-streams';
import { until } from './nats-server';
import type { RpcClient } from './rpc-client';
import { RpcFailure } from './rpc-failure';
import type { StreamHistory, Writers } from './writers';

/** Appends, controls and reads of streams that end with a tombstone, after which new ones follow. */

const writersPerStream = 3;
/** Controls of a stream before its tombstone. */
const controlsPerStream = 8;
const restMs = 20;
/** How long the callers go on after a tombstone. */
const afterMs = 300;
const deadlineMs = 5_000;
/** How often a tombstone is tried: for a minute and more. */
const tombstonesMax = 1_000;

type Observed = {
  readonly [Key in 'appends' | 'tombstoned' | 'controls' | 'looks']: ControlledHistory[Key][number][];
};

/** Starts them on this number of streams at a time, over all clients. */
export function startControlledWriters(
  clients: readonly RpcClient[],
  urls: readonly string[],
  together: number,
): Writers {
  const stop = new AbortController();
  const all = new Map<string, Observed>();
  let failure: unknown;
  const lives = Array.from({ length: together }, async (_, place) => {
    while (!stop.signal.aborted) {
      const stream = `controlled.${place}.${randomUUID()}`;
      const observed: Observed = { appends: [], tombstoned: [], controls: [], looks: [] };
      all.set(stream, observed);
      await live(clients, stream, observed, stop.signal);
    }
  });
  const ended = Promise.all(lives);
  ended.catch((error: unknown) => (failure = error));
  const count: Writers['count'] = (kind) =>
    [...all.values()].reduce(
      (sum, { appends }) => sum + appends.filter(({ outcome }) => outcome.kind === kind).length,
      0,
    );
  return {
    count,
    get looks() {
      return [...all.values()].reduce((sum, { looks }) => sum + looks.length, 0);
    },
    get histories() {
      const toHistory = ({ appends }: Observed): StreamHistory => ({ attempts: appends, looks: [] });
      return new Map([...all].map(([stream, observed]) => [stream, toHistory(observed)]));
    },
    async more(appends) {
      const enough = count('stored') + appends;
      await until(() => {
        if (failure !== undefined) throw failure as Error;
        return count('stored') >= enough;
      }, 60_000);
    },
    async faults() {
      stop.abort();
      await ended;
      const log = await readLog(urls);
      const ends = [...all.values()].filter(({ tombstoned }) => tombstoned.length > 0);
      const tooFew = ends.length === 0 ? ['no stream was seen to be tombstoned'] : [];
      const faults = [...all].flatMap(([stream, observed]) => {
        const { events = [], logged = [] } = log.get(stream) ?? {};
        return controlledFaults({ ...observed, events, logged }).map((fault) => `${stream}: ${fault}`);
      });
      return [...tooFew, ...faults];
    },
  };
}

/** A stream from its first event to its tombstone. */
async function live(
  clients: readonly RpcClient[],
  stream: string,
  observed: Observed,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const ends = over.signal;
  const callers = [
    ...Array.from({ length: writersPerStream }, (_, number) =>
      write(clients, stream, observed, { number, ends }),
    ),
    ...clients.map((client) => keepLooking(client, stream, observed.looks, ends)),
  ];
  try {
    await control(clients, stream, observed, signal);
    await sleep(afterMs);
  } finally {
    over.abort();
    await Promise.all(callers);
  }
}

interface Writing {
  readonly number: number;
  readonly ends: AbortSignal;
}

async function write(
  clients: readonly RpcClient[],
  stream: string,
  { appends, tombstoned }: Observed,
  { number, ends }: Writing,
): Promise<void> {
  let known: bigint | undefined;
  for (let turn = number; !ends.aborted; turn++) {
    const client = clients[turn % clients.length] as RpcClient;
    const expectedVersion = turn % 2 === 0 ? undefined : known;
    const append = { stream, events: newEvents(1 + (turn % 3)), expectedVersion };
    const startedAt = performance.now();
    let done: Attempt | undefined;
    try {
      done = await attempt(client, append, { deadline: Date.now() + deadlineMs });
    } catch (error) {
      if (!(error instanceof RpcFailure) || error.reason !== 'STREAM_TOMBSTONED') throw error;
      const eventIds = append.events.map(({ id }) => id);
      tombstoned.push({ eventIds, startedAt, endedAt: performance.now() });
    }
    if (done !== undefined) {
      appends.push(done);
      const { outcome } = done;
      if (outcome.kind === 'stored') known = outcome.version;
      else if (outcome.kind === 'refused') known = outcome.actualVersion ?? known;
    }
    await sleep(restMs);
  }
}

/** Truncates and deletes in turns, and tombstones the stream in the end, also when all streams are to end. */
async function control(
  clients: readonly RpcClient[],
  stream: string,
  { controls, looks }: Observed,
  signal: AbortSignal,
): Promise<void> {
  for (let turn = 0; turn < controlsPerStream && !signal.aborted; turn++) {
    await sleep(restMs * (1 + (turn % 4)));
    const client = clients[turn % clients.length] as RpcClient;
    const seen = (await look(client, stream, looks, true)) ?? 0n;
    if (seen === 0n) continue;
    const kind = turn % 6 === 5 ? 'delete' : 'truncate';
    // Every third one expects what was seen, and may lose against an append.
    const expectedVersion = turn % 3 === 0 ? seen : undefined;
    controls.push(
      await attemptControl(client, { kind, stream, before: seen, expectedVersion, commitId: randomUUID() }),
    );
  }
  for (let turn = 0; turn < tombstonesMax; turn++) {
    const client = clients[turn % clients.length] as RpcClient;
    const request = { kind: 'tombstone', stream, before: 0n, commitId: randomUUID() } as const;
    const last = await attemptControl(client, request);
    controls.push(last);
    if (last.outcome.kind === 'holds') return;
    await sleep(3 * restMs);
  }
  throw new Error(`${stream} could not be tombstoned`);
}

interface ControlRequest {
  readonly kind: ControlAttempt['kind'];
  readonly stream: string;
  /** Of a truncate. */
  readonly before: bigint;
  readonly expectedVersion?: bigint | undefined;
  readonly commitId: string;
}

async function attemptControl(
  { streams }: RpcClient,
  { kind, before: beforeVersion, ...request }: ControlRequest,
): Promise<ControlAttempt> {
  const startedAt = performance.now();
  const options = { deadline: Date.now() + deadlineMs };
  const call =
    kind === 'truncate'
      ? streams.truncate({ ...request, beforeVersion }, options)
      : streams[kind](request, options);
  const outcome = await call.then(({ stream, changed, replayed }): ControlOutcome => {
    const { version = 0n, firstVersion = 0n } = stream ?? {};
    // Of a replay, the stream may have gone on since.
    if (replayed) return { kind: 'unknown' };
    return { kind: 'holds', changed, version, firstVersion };
  }, outcomeOf);
  return { kind, commitId: request.commitId, startedAt, endedAt: performance.now(), outcome };
}

/** Reasons that mean that nothing was stored. */
const controlRefusals = [...refusals, 'STREAM_NOT_FOUND', 'STREAM_TOMBSTONED', 'VERSION_BEYOND_END'];

function outcomeOf(error: unknown): ControlOutcome {
  if (!(error instanceof RpcFailure)) throw error;
  const { reason } = error;
  const conflict = error.detail('sluice.v1.VersionConflict');
  if (conflict !== undefined)
    return { kind: 'refused', reason: 'VERSION_CONFLICT', actualVersion: conflict.actualVersion };
  if (reason === undefined || reason === 'OUTCOME_UNKNOWN') return { kind: 'unknown' };
  if (controlRefusals.includes(reason)) return { kind: 'refused', reason, actualVersion: undefined };
  throw error;
}

async function keepLooking(
  client: RpcClient,
  stream: string,
  looks: ControlledLook[],
  ends: AbortSignal,
): Promise<void> {
  for (let turn = 0; !ends.aborted; turn++) {
    await look(client, stream, looks, turn % 2 === 0);
    await sleep(restMs);
  }
}

/** Looks the stream up, or reads all of it; resolves with its version. A failed lookup says nothing. */
async function look(
  client: RpcClient,
  stream: string,
  looks: ControlledLook[],
  reads: boolean,
): Promise<bigint | undefined> {
  const startedAt = performance.now();
  const options = { deadline: Date.now() + deadlineMs };
  try {
    const { head, eventIds } = reads
      ? await client
          .readStream({ stream }, options)
          .then(({ header, events }) => ({ head: header, eventIds: events.map(({ id }) => id) }))
      : { head: await client.getVersion({ stream }, options), eventIds: undefined };
    const { version, firstVersion } = head;
    looks.push({ startedAt, endedAt: performance.now(), version, firstVersion, eventIds });
    return version;
  } catch (error) {
    if (!(error instanceof RpcFailure)) throw error;
    // Without a reason the error does not come from the gateway.
    if (error.reason !== undefined && !refusals.includes(error.reason)) throw error;
    return undefined;
  }
}
