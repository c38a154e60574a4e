import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import {
  CancelledError,
  DeadlineExceededError,
  InternalError,
  InvalidRequestError,
  OverloadedError,
  QuotaExceededError,
  UnavailableError,
} from './errors';
import { TokenFunctionError } from './token';

/** When a call without an end of its own is made again, and after what pause. */

/** After this number of heartbeats without any message, a connection counts as silent. */
export const missedMax = 3;

const pauseFirstMs = 100;
const pauseMaxMs = 5_000;
/** The gateway does not know the call. */
const unimplemented: number = status.UNIMPLEMENTED;
/** A proxy has had enough for now. */
const exhausted: number = status.RESOURCE_EXHAUSTED;

/** Grows with the number of failures in a row. Throws the reason of the signal when that aborts. */
export async function pauseAfter(failures: number, signal: AbortSignal): Promise<void> {
  const pauseMs = Math.min(pauseMaxMs, pauseFirstMs * 2 ** Math.min(failures, 10));
  await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}

/** Whether another call may succeed: the gateway is unavailable, stops, or has ended a slow call; or there is no token. */
export function isTransient(error: unknown): error is Error {
  return (
    error instanceof UnavailableError ||
    error instanceof OverloadedError ||
    error instanceof QuotaExceededError ||
    error instanceof TokenFunctionError ||
    error instanceof CancelledError ||
    // Such a call has no deadline of its own: it is one of a proxy.
    error instanceof DeadlineExceededError ||
    (error instanceof InvalidRequestError && error.status === exhausted) ||
    (error instanceof InternalError && error.status !== unimplemented)
  );
}
