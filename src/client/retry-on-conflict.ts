import { setTimeout as sleep } from 'node:timers/promises';
import { VersionConflictError } from './errors';

/** How often to try. */
export interface RetryOnConflictOptions {
  /** How often `load` and `decide` run at most. Default: 10. */
  readonly attemptsMax?: number | undefined;
  /** Ends the pauses between attempts when it aborts; the call then fails with its reason. */
  readonly signal?: AbortSignal | undefined;
}

const attemptsMaxDefault = 10;
const pauseFirstMs = 5;
const pauseMaxMs = 500;

/**
 * Reads, decides and appends, and starts again when another writer was faster:
 *
 *     await withRetryOnConflict(
 *       () => loadOrder('order.1'),
 *       ({ version, order }) => client.append('order.1', ship(order), { expectedVersion: version }),
 *     );
 *
 * `load` reads the state again for each attempt; `decide` appends, with the version that was read as the expected version.
 * Returns the result of `decide`. Fails with the VersionConflictError of the last attempt, or at once with any other error of
 * the two functions.
 */
export async function withRetryOnConflict<State, Result>(
  load: () => Promise<State>,
  decide: (state: State) => Promise<Result>,
  options: RetryOnConflictOptions = {},
): Promise<Result> {
  const { signal } = options;
  const attemptsMax = attemptsOf(options);
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await decide(await load());
    } catch (error) {
      if (!(error instanceof VersionConflictError) || attempt >= attemptsMax) throw error;
    }
    await pauseAfter(attempt, signal);
  }
}

/** Throws RangeError. */
export function attemptsOf({ attemptsMax = attemptsMaxDefault }: RetryOnConflictOptions): number {
  if (!(attemptsMax >= 1)) throw new RangeError(`attemptsMax must be at least 1; found ${attemptsMax}`);
  return attemptsMax;
}

/** A random pause, so that writers that collided do not collide again. Throws the reason if the signal aborts. */
export async function pauseAfter(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const pauseMs = Math.random() * Math.min(pauseMaxMs, pauseFirstMs * 2 ** attempt);
  await sleep(pauseMs, undefined, { ...(signal && { signal }) }).catch(() => {
    signal?.throwIfAborted();
  });
}
