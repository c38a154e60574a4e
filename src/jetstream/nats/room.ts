/** Room for what is under way at the same time; what finds none waits for its turn. */
export interface Room {
  /** Does something of a size as soon as there is room for it. Throws the signal's reason while it waits. */
  with<T>(size: number, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T>;
}

export function createRoom(sizeMax: number): Room {
  let taken = 0;
  /** In the order in which they came. */
  const waiting: { readonly size: number; readonly begin: () => void }[] = [];

  /** One that is larger than all the room there is goes alone. */
  function beginNext(): void {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      if (taken > 0 && taken + next.size > sizeMax) return;
      waiting.shift();
      taken += next.size;
      next.begin();
    }
  }

  function take(size: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        waiting.splice(waiting.indexOf(waiter), 1);
        reject(signal?.reason as Error);
        // It may have been the one that was too large for the room there is.
        beginNext();
      };
      const begin = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const waiter = { size, begin };
      waiting.push(waiter);
      signal?.addEventListener('abort', leave, { once: true });
      if (signal?.aborted === true) leave();
      else beginNext();
    });
  }

  return {
    async with(size, signal, work) {
      await take(size, signal);
      try {
        return await work();
      } finally {
        taken -= size;
        beginNext();
      }
    },
  };
}
