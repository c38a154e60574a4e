import { setTimeout as sleep } from 'node:timers/promises';
import type { CallOptions } from './calls';
import type { Channel } from './channel';
import {
  CommitIdReuseError,
  InvalidRequestError,
  OutcomeUnknownError,
  OverloadedError,
  UnavailableError,
  VersionConflictError,
} from './errors';

const doubtPauseMs = 100;

/**
 * Sends an append until it is decided, with its one commit id: again after errors that say that nothing was stored for
 * now, and after those that leave it in doubt. All attempts share one deadline. Fails with the last error; but what was in
 * doubt once stays so, unless an error tells what became of the commit.
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
      if (pauseMs === undefined || isLast) throw doubt === undefined || tellsOutcome(error) ? error : doubt;
      await sleep(pauseMs, undefined, { ...(signal && { signal }) }).catch(() => {
        signal?.throwIfAborted();
      });
    }
  }
}

/** undefined: it makes no sense to try again. */
function pauseAfter(error: unknown, attempt: number): number | undefined {
  if (error instanceof UnavailableError || error instanceof OverloadedError)
    return error.retryDelayMs * attempt * (0.5 + Math.random());
  return error instanceof OutcomeUnknownError ? doubtPauseMs * attempt : undefined;
}

/** Whether an error says that no attempt has stored the commit, and none will. */
function tellsOutcome(error: unknown): boolean {
  return (
    error instanceof VersionConflictError ||
    error instanceof CommitIdReuseError ||
    error instanceof InvalidRequestError
  );
}
