import { setTimeout as sleep } from 'node:timers/promises';
import type { CallOptions } from './calls';
import type { Channel } from './channel';
import {
  ConditionContendedError,
  OutcomeUnknownError,
  OverloadedError,
  QuotaExceededError,
  SluiceError,
  UnavailableError,
  type SluiceErrorCode,
} from './errors';
import { streamErrorCodes } from './stream-error-codes';

const doubtPauseMs = 100;
/** Pauses grow to this, so that several attempts fit into a deadline. */
const pauseMsMax = 3_000;

/** These errors show that no attempt has stored the commit, and none will. */
const definite: readonly SluiceErrorCode[] = [
  'VERSION_CONFLICT',
  'APPEND_CONDITION_FAILED',
  'COMMIT_ID_REUSE',
  'INVALID_REQUEST',
  ...streamErrorCodes,
];

/**
 * Sends an append, always with the same commit id, until its outcome is known: it sends the append again after an error that
 * may pass, and after a lost response. All attempts share one deadline. Fails with the last error; but once an attempt has been
 * in doubt, only with that doubt or with an error that ends it.
 */
export async function untilDecided<Result>(
  { appendAttemptsMax, deadlineMs: defaultMs }: Channel,
  { signal, deadlineMs = defaultMs }: CallOptions,
  send: (options: CallOptions) => Promise<Result>,
): Promise<Result> {
  const endMs = Date.now() + deadlineMs;
  let doubt: OutcomeUnknownError | undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      return await send({ signal, deadlineMs: attempt === 1 ? deadlineMs : endMs - Date.now() });
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof OutcomeUnknownError) doubt = error;
      const pauseMs = pauseAfter(error, attempt);
      const isLast = attempt >= appendAttemptsMax || Date.now() + (pauseMs ?? Infinity) >= endMs;
      if (pauseMs === undefined || isLast) throw doubt === undefined || isDefinite(error) ? error : doubt;
      await sleep(pauseMs, undefined, { ...(signal && { signal }) }).catch(() => {
        signal?.throwIfAborted();
      });
    }
  }
}

/** undefined: another attempt is pointless. */
function pauseAfter(error: unknown, attempt: number): number | undefined {
  const mayPass =
    error instanceof UnavailableError ||
    error instanceof OverloadedError ||
    error instanceof ConditionContendedError;
  if (mayPass) return growing(error.retryDelayMs, attempt) * (0.5 + Math.random());
  // Before its delay has passed, a quota refuses for certain.
  if (error instanceof QuotaExceededError)
    return growing(error.retryDelayMs, attempt) * (1 + Math.random() / 2);
  return error instanceof OutcomeUnknownError ? doubtPauseMs * attempt : undefined;
}

/** At least the delay that the gateway has asked for. */
function growing(delayMs: number, attempt: number): number {
  return Math.max(delayMs, Math.min(delayMs * attempt, pauseMsMax));
}

function isDefinite(error: unknown): boolean {
  return error instanceof SluiceError && definite.includes(error.code);
}
