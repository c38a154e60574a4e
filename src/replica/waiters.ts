import { SteadyMap } from '../steady-map';

/** Which streams somebody is interested in. */
export interface Interest {
  /** The only one; undefined: what `matches` says. */
  readonly stream: string | undefined;
  readonly matches: (stream: string) => boolean;
}

/** Those who wait for commits. Who waits for one stream costs nothing while others are written. */
export interface Waiters {
  /**
   * Resolves with the position before the first commit of interest, or one up to which there was none, or with undefined
   * when the signal is aborted.
   */
  wait(interest: Interest, signal: AbortSignal): Promise<bigint | undefined>;
  /** A commit of a stream has come after a position. */
  wake(stream: string, before: bigint): void;
  /** There was nothing up to a position. */
  wakeAll(position: bigint): void;
  failAll(error: Error): void;
}

interface Waiter {
  readonly interest: Interest;
  readonly resolve: (position: bigint | undefined) => void;
  readonly reject: (error: Error) => void;
}

export function createWaiters(): Waiters {
  const byStream = new SteadyMap<string, Set<Waiter>>();
  const others = new Set<Waiter>();

  function add(waiter: Waiter): void {
    const { stream } = waiter.interest;
    if (stream === undefined) {
      others.add(waiter);
      return;
    }
    const set = byStream.get(stream);
    if (set === undefined) byStream.set(stream, new Set([waiter]));
    else set.add(waiter);
  }

  function remove(waiter: Waiter): void {
    const { stream } = waiter.interest;
    if (stream === undefined) {
      others.delete(waiter);
      return;
    }
    const set = byStream.get(stream);
    set?.delete(waiter);
    if (set?.size === 0) byStream.delete(stream);
  }

  const all = (): Waiter[] => [...others, ...byStream.values().flatMap((set) => [...set])];

  return {
    wait: (interest, signal) =>
      new Promise((resolve, reject) => {
        const settled = (): void => {
          remove(waiter);
          signal.removeEventListener('abort', onAbort);
        };
        const waiter: Waiter = {
          interest,
          resolve(position) {
            settled();
            resolve(position);
          },
          reject(error) {
            settled();
            reject(error);
          },
        };
        const onAbort = (): void => {
          waiter.resolve(undefined);
        };
        add(waiter);
        signal.addEventListener('abort', onAbort);
        if (signal.aborted) onAbort();
      }),
    wake(stream, before) {
      for (const waiter of byStream.get(stream) ?? []) waiter.resolve(before);
      for (const waiter of others) if (waiter.interest.matches(stream)) waiter.resolve(before);
    },
    wakeAll(position) {
      for (const waiter of all()) waiter.resolve(position);
    },
    failAll(error) {
      for (const waiter of all()) waiter.reject(error);
    },
  };
}
