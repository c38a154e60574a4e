import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Limits } from '../limits';
import { StoreUnavailableError } from '../store/errors';
import type { OrderPlace } from '../store/append-order';
import type { CallContext } from '../store/event-store';
import type { StreamName } from '../store/values';
import type { StreamApi } from './api';
import type { StoredPart } from './commit-codec';
import type { Durability } from './group-sync';
import type { LargeHeads } from './large-heads';
import type { RequestOptions } from './link';
import type { MessageSize } from './message-size';
import type { LogHealth } from './log-health';
import type { NatsPool } from './pool';
import type { Space } from './space';

/** A JetStream stream and how to reach it. */
export interface LogContext {
  readonly pool: NatsPool;
  readonly log: StreamApi;
  readonly limits: Limits;
}

/** What every operation on an open store needs. */
export interface StoreContext extends LogContext {
  readonly prefix: string;
  readonly durability: Durability;
  readonly messageSize: MessageSize;
  readonly space: Space;
  /** The last message of a stream, as the leader knows it, for readers: those who ask at the same time share the answer. */
  readonly lastPartOf: (stream: StreamName, call: CallContext) => Promise<StoredPart | undefined>;
  readonly largeHeads: LargeHeads;
  readonly logger: Logger;
  readonly health: LogHealth;
}

/** All that is in a log or an index: the server looks for no subject then, which costs it half of what a search does. */
export const everything = '>';

export function subjectOf(context: StoreContext, stream: StreamName): string {
  return `${context.prefix}.${stream}`;
}

/** The name of the stream that a subject of the log stands for, or whatever stands there in its place. */
export function nameOf({ prefix }: StoreContext, subject: string): string {
  return subject.slice(prefix.length + 1);
}

/** Options for one question to NATS on behalf of a call: no longer than the call has left. */
export function within(call: CallContext, timeoutMs: number): RequestOptions {
  return { timeoutMs: Math.max(1, Math.min(timeoutMs, call.deadlineMs - Date.now())), signal: call.signal };
}

/** Never aborted. */
export const unattended: AbortSignal = new AbortController().signal;
setMaxListeners(0, unattended);

/** For what is asked on behalf of nobody in particular: only the time-out of each question bounds it. */
export const endless: CallContext = { signal: unattended, deadlineMs: Infinity };

/** The call with another deadline. Its signal is not asked for here, since it is made when it first is. */
export function withDeadline(call: CallContext, deadlineMs: number): CallContext {
  return new BoundedCall(call, deadlineMs);
}

class BoundedCall implements CallContext {
  constructor(
    private readonly call: CallContext,
    readonly deadlineMs: number,
  ) {}

  get signal(): AbortSignal {
    return this.call.signal;
  }

  get connection(): string | undefined {
    return this.call.connection;
  }

  get place(): OrderPlace | undefined {
    return this.call.place;
  }
}

/** Waits, but no longer than somebody wants to know. Throws the reason of the call's signal. */
export async function pause(ms: number, { signal }: CallContext): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}

const lagRetryFirstMs = 2;
const lagRetryMaxMs = 100;

/**
 * Asks again while the answer is undefined: what the leader is known to have, a replica may not have yet. Throws
 * StoreUnavailableError after `readProgressTimeoutMs` and at the deadline of the call.
 */
export async function patiently<T>(
  { limits }: LogContext,
  what: string,
  call: CallContext,
  ask: (options: RequestOptions) => Promise<T | undefined>,
): Promise<T> {
  const giveUpMs = Math.min(call.deadlineMs, Date.now() + limits.readProgressTimeoutMs);
  for (let waitMs = lagRetryFirstMs; ; waitMs = Math.min(waitMs * 2, lagRetryMaxMs)) {
    const answer = await ask(within(call, limits.readProgressTimeoutMs));
    if (answer !== undefined) return answer;
    if (Date.now() >= giveUpMs)
      throw new StoreUnavailableError(`no replica gave the messages of ${what} in time`);
    await pause(waitMs, call);
  }
}
