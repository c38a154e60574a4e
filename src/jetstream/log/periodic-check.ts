import { setTimeout as sleep } from 'node:timers/promises';

/** A check that is repeated until it is closed. */
export interface PeriodicCheck {
  /** Resolves when no check is under way. */
  close(): Promise<void>;
}

const intervalMs = 1_000;

/**
 * Checks once a second; `onFailure` is called when a check fails. Resolves after the first check, and throws what that throws. The
 * signal is aborted at the end.
 */
export async function checkPeriodically(
  check: (signal: AbortSignal) => Promise<void>,
  onFailure: () => void,
): Promise<PeriodicCheck> {
  const stop = new AbortController();
  const { signal } = stop;

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
      await check(signal).catch(onFailure);
    }
  }

  await check(signal);
  const running = run();
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
}
