import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  connect,
  DeadlineExceededError,
  OutcomeUnknownError,
  OverloadedError,
  StoreFullError,
  UnauthenticatedError,
  UnavailableError,
  VersionConflictError,
  type AppendSession,
} from '../../src/client/client';
import { newEvents } from './attempts';
import type { Attempt, Outcome } from './history';
import type { RpcClient } from './rpc-client';
import type { WritersOptions } from './writers';

/** Appends that are sent without waiting for answers. */
const burst = 4;
const burstsPerSession = 50;
const pauseMs = 20;

/** Appends to a stream in sessions, with one gateway after the other. */
export async function writeInSessions(
  clients: readonly RpcClient[],
  stream: string,
  options: WritersOptions,
  attempts: Attempt[],
  signal: AbortSignal,
): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    const { address, token } = clients[turn % clients.length] as RpcClient;
    using sluice = connect(address, {
      ...(token !== undefined && { token }),
      channelOptions: { 'grpc.max_reconnect_backoff_ms': 500 },
    });
    const session = sluice.appendSession();
    await writeInSession(session, stream, options, attempts, signal);
    // If it has ended in another way, its appends have failed with that.
    await session.close().catch(() => undefined);
  }
}

/** Appends in bursts, every second one with the expected version, until one fails without reporting the version. */
async function writeInSession(
  session: AppendSession,
  stream: string,
  options: WritersOptions,
  attempts: Attempt[],
  signal: AbortSignal,
): Promise<void> {
  let known: bigint | undefined;
  for (let i = 0; i < burstsPerSession && !signal.aborted; i++) {
    const done = await writeBurst(session, stream, i % 2 === 0 ? undefined : known, options);
    attempts.push(...done);
    const versions = done.map(({ outcome }) => versionAfter(outcome));
    known = versions.at(-1);
    await sleep(options.restMs ?? pauseMs);
    if (versions.includes(undefined)) return;
  }
}

/** undefined: the error does not report it. */
function versionAfter(outcome: Outcome): bigint | undefined {
  if (outcome.kind === 'stored') return outcome.version;
  return outcome.kind === 'refused' ? outcome.actualVersion : undefined;
}

async function writeBurst(
  session: AppendSession,
  stream: string,
  expected: bigint | undefined,
  { counts, payloadBytes }: WritersOptions,
): Promise<Attempt[]> {
  let expectedVersion = expected;
  const attempts: Promise<Attempt>[] = [];
  for (let i = 0; i < burst; i++) {
    const events = newEvents(counts[i % counts.length] as number, payloadBytes);
    const conditions = expectedVersion === undefined ? {} : { expectedVersion };
    const startedAt = performance.now();
    const append = { eventIds: events.map(({ id }) => id), expectedVersion, startedAt };
    attempts.push(
      session
        .append(
          stream,
          events.map(({ id, type, payload }) => ({ id, type, payload: payload.value })),
          conditions,
        )
        .then(
          ({ firstVersion, version, position }): Outcome => ({
            kind: 'stored',
            firstVersion,
            version,
            position,
          }),
          outcomeOf,
        )
        .then((outcome) => ({ ...append, endedAt: performance.now(), outcome })),
    );
    if (expectedVersion !== undefined) expectedVersion += BigInt(events.length);
  }
  return Promise.all(attempts);
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof VersionConflictError) return { kind: 'refused', actualVersion: error.actual };
  if (error instanceof OutcomeUnknownError) return { kind: 'unknown' };
  const isRefusal =
    error instanceof UnavailableError ||
    error instanceof OverloadedError ||
    error instanceof StoreFullError ||
    error instanceof DeadlineExceededError ||
    // The token has expired, or is no longer in the auth file.
    error instanceof UnauthenticatedError;
  if (isRefusal) return { kind: 'refused', actualVersion: undefined };
  throw error;
}
