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
  type Versions,
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

/**
 * Truncates, erases and deletes in turns, and tombstones the stream in the end, also when all streams are to end. What the tombstone hides
 * is erased then.
 */
async function control(
  clients: readonly RpcClient[],
  stream: string,
  { controls, looks }: Observed,
  signal: AbortSignal,
): Promise<void> {
  for (let turn = 0; turn < controlsPerStream && !signal.aborted; turn++) {
    await sleep(restMs * (1 + (turn % 4)));
    const client = clients[turn % clients.length] as RpcClient;
    const seen = await look(client, stream, looks, true);
    if (seen === undefined || seen.version === 0n) continue;
    const { version, lastCommit: range } = seen;
    const kind = kinds[turn % kinds.length] as ControlAttempt['kind'];
    if (kind === 'erase' && range === undefined) continue;
    // Every fourth one expects what was seen, and may lose against an append.
    const expectedVersion = turn % 4 === 0 ? version : undefined;
    const request = { kind, stream, before: version, range, expectedVersion, commitId: randomUUID() };
    controls.push(await attemptControl(client, request));
  }
  for (let turn = 0; turn < tombstonesMax; turn++) {
    const client = clients[turn % clients.length] as RpcClient;
    const request = { kind: 'tombstone', stream, before: 0n, commitId: randomUUID() } as const;
    const last = await attemptControl(client, request);
    controls.push(last);
    if (last.outcome.kind === 'holds') {
      const { version } = last.outcome;
      const erasure = { kind: 'erase', stream, before: 0n, range: { from: 1n, to: version } } as const;
      controls.push(await attemptControl(client, { ...erasure, commitId: randomUUID() }));
      return;
    }
    await sleep(3 * restMs);
  }
  throw new Error(`${stream} could not be tombstoned`);
}

/** What is done before the tombstone, in turns. */
const kinds = ['erase', 'truncate', 'erase', 'truncate', 'erase', 'delete', 'truncate', 'erase'] as const;

interface ControlRequest {
  readonly kind: ControlAttempt['kind'];
  readonly stream: string;
  /** Of an erasure. */
  readonly range?: Versions | undefined;
  /** Of a truncate. */
  readonly before: bigint;
  readonly expectedVersion?: bigint | undefined;
  readonly commitId: string;
}

async function attemptControl(
  { streams }: RpcClient,
  { kind, before: beforeVersion, range, ...request }: ControlRequest,
): Promise<ControlAttempt> {
  const startedAt = performance.now();
  const options = { deadline: Date.now() + deadlineMs };
  const erasure = {
    fromVersion: range?.from ?? 0n,
    toVersion: range?.to ?? 0n,
    reason: 'the history checker asks for it',
  };
  const call = {
    truncate: () => streams.truncate({ ...request, beforeVersion }, options),
    erase: () => streams.erase({ ...request, ...erasure }, options),
    delete: () => streams.delete(request, options),
    tombstone: () => streams.tombstone(request, options),
  }[kind]();
  const outcome = await call.then(({ stream, changed, replayed }): ControlOutcome => {
    const { version = 0n, firstVersion = 0n } = stream ?? {};
    // Of a replay, the stream may have gone on since.
    if (replayed) return { kind: 'unknown' };
    return { kind: 'holds', changed, version, firstVersion };
  }, outcomeOf);
  const erased = kind === 'erase' ? range : undefined;
  return { kind, commitId: request.commitId, startedAt, endedAt: performance.now(), range: erased, outcome };
}

/** Reasons that mean that nothing was stored. */
const controlRefusals = [
  ...refusals,
  'STREAM_NOT_FOUND',
  'STREAM_TOMBSTONED',
  'VERSION_BEYOND_END',
  'ERASE_SPLITS_COMMIT',
];

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

interface Seen {
  readonly version: bigint;
  /** undefined: no event was read. */
  readonly lastCommit: Versions | undefined;
}

/** Looks the stream up, or reads all of it. A failed lookup says nothing. */
async function look(
  client: RpcClient,
  stream: string,
  looks: ControlledLook[],
  reads: boolean,
): Promise<Seen | undefined> {
  const startedAt = performance.now();
  const options = { deadline: Date.now() + deadlineMs };
  try {
    const { header: head, events } = reads
      ? await client.readStream({ stream }, options)
      : { header: await client.getVersion({ stream }, options), events: undefined };
    const { version, firstVersion } = head;
    const eventIds = events?.map(({ id }) => id);
    const erased = events?.filter((event) => event.erased).map((event) => event.version);
    looks.push({ startedAt, endedAt: performance.now(), version, firstVersion, eventIds, erased });
    const last = events?.at(-1);
    const ofLast = events?.filter(({ position }) => position === last?.position) ?? [];
    const [first] = ofLast;
    return { version, lastCommit: first && { from: first.version, to: last?.version ?? first.version } };
  } catch (error) {
    if (!(error instanceof RpcFailure)) throw error;
    // Without a reason the error does not come from the gateway.
    if (error.reason !== undefined && !refusals.includes(error.reason)) throw error;
    return undefined;
  }
}
