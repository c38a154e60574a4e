import type { SubscriptionUpdate } from '../store/event-store';
import { position } from '../store/values';

/** The same updates with heartbeats among them, also while nothing comes; `end` ends an update that is waited for. */
export async function* withHeartbeats(
  updates: AsyncGenerator<SubscriptionUpdate, void>,
  intervalMs: number,
  head: () => bigint,
  end: () => void,
): AsyncGenerator<SubscriptionUpdate, void> {
  let at: SubscriptionUpdate['position'] | undefined;
  let dueMs = Date.now() + intervalMs;
  try {
    for (;;) {
      const next = watched(updates.next());
      while (!(await next.settledBefore(dueMs)) || Date.now() >= dueMs) {
        if (at !== undefined) yield { kind: 'heartbeat', position: at, head: position(head()) };
        dueMs = Date.now() + intervalMs;
      }
      const { done, value } = await next.promise;
      if (done === true) return;
      at = value.position;
      yield value;
    }
  } finally {
    end();
    await updates.return();
  }
}

interface Watched<T> {
  readonly promise: Promise<T>;
  settledBefore(timeMs: number): Promise<boolean>;
}

/** Can be waited for again and again: each `Promise.race` would leave something behind until the promise settles. */
function watched<T>(promise: Promise<T>): Watched<T> {
  let settled = false;
  let wake = (): void => undefined;
  const settle = (): void => {
    settled = true;
    wake();
  };
  promise.then(settle, settle);
  return {
    promise,
    settledBefore: (timeMs) =>
      new Promise((resolve) => {
        const finish = (): void => {
          clearTimeout(timer);
          resolve(settled);
        };
        const timer = setTimeout(finish, Math.max(0, timeMs - Date.now()));
        wake = finish;
        if (settled) finish();
      }),
  };
}
