import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import type { Limits } from '../../limits';
import type { OrderSlot } from '../../store/append-order';
import type { Durability } from '../../store/durability';
import type { CallContext } from '../../store/event-store';
import type { StreamName } from '../../store/values';
import type { StreamApi } from '../nats/api';
import type { RequestOptions } from '../nats/request-options';
import type { MessageSize } from '../nats/message-size';
import type { LogHealth } from './log-health';
import type { NatsPool } from '../nats/pool';
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
  readonly logger: Logger;
  readonly health: LogHealth;
}

export function subjectOf(context: Pick<StoreContext, 'prefix'>, stream: StreamName): string {
  return `${context.prefix}.${stream}`;
}

/** The name of the stream that a subject of the log stands for, or whatever stands there in its place. */
export function nameOf({ prefix }: Pick<StoreContext, 'prefix'>, subject: string): string {
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

  get orderSlot(): OrderSlot | undefined {
    return this.call.orderSlot;
  }
}
