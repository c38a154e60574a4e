/** A weighted semaphore: it bounds what is under way at the same time. Waiters get their permits in order of arrival. */
export interface Semaphore {
  /**
   * Runs `work` while it holds the permits. Waiting for them ends when the signal is aborted, with its reason; if too many wait
   * already, it fails at once.
   */
  with<T>(permits: number, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T>;
}

/** How many may wait, and the error for those who may not. */
export interface Queue {
  readonly max: number;
  readonly refusal: () => Error;
}

/** `queue`: undefined if what waits is bounded elsewhere. */
export function createSemaphore(permitsMax: number, queue?: Queue): Semaphore {
  let acquired = 0;
  const waiters: { readonly permits: number; readonly begin: () => void }[] = [];

  /** A waiter that wants more than all permits runs alone. */
  function beginNext(): void {
    for (let next = waiters[0]; next !== undefined; next = waiters[0]) {
      if (acquired > 0 && acquired + next.permits > permitsMax) return;
      waiters.shift();
      acquired += next.permits;
      next.begin();
    }
  }

  function acquire(permits: number, signal: AbortSignal | undefined): Promise<void> {
    if (queue !== undefined && waiters.length >= queue.max) return Promise.reject(queue.refusal());
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        waiters.splice(waiters.indexOf(waiter), 1);
        reject(signal?.reason as Error);
        // It may have been the large one that held up those behind it.
        beginNext();
      };
      const begin = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const waiter = { permits, begin };
      waiters.push(waiter);
      signal?.addEventListener('abort', leave, { once: true });
      if (signal?.aborted === true) leave();
      else beginNext();
    });
  }

  return {
    async with(permits, signal, work) {
      await acquire(permits, signal);
      try {
        return await work();
      } finally {
        acquired -= permits;
        beginNext();
      }
    },
  };
}
