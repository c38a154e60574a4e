import { CompactingMap } from '../../collections/compacting-map';

/** The streams whose commits a subscription waits for. */
export interface Interest {
  /** The only stream; undefined: those that `matches` accepts. */
  readonly stream: string | undefined;
  readonly matches: (stream: string) => boolean;
}

/** The cancellation of a subscription that waits again and again; an AbortSignal would take a kilobyte for each one. */
export class Cancellation {
  isCancelled = false;
  onCancel: (() => void) | undefined;

  readonly cancel = (): void => {
    this.isCancelled = true;
    this.onCancel?.();
  };
}

/** The subscriptions that wait for commits. One that waits for a single stream costs nothing while others are written. */
export interface CommitWaiters {
  readonly isEmpty: boolean;
  /**
   * Resolves with the position before the first commit of interest, or with a position up to which there is no such commit, or
   * with undefined at the cancellation.
   */
  wait(interest: Interest, cancellation: Cancellation): Promise<bigint | undefined>;
  /** Wakes those that are interested in a stream: it has a commit after a position. */
  wake(stream: string, before: bigint): void;
  /** Wakes all, up to a position at which no commit was of interest. */
  wakeAll(position: bigint): void;
  failAll(error: Error): void;
}

class Waiter {
  constructor(
    readonly interest: Interest,
    readonly cancellation: Cancellation,
    readonly resolve: (position: bigint | undefined) => void,
    readonly reject: (error: Error) => void,
  ) {}
}

/** `onWait` is called each time a subscription begins to wait. */
export function createCommitWaiters(onWait: () => void): CommitWaiters {
  const waiters = new WaiterTable();
  const resolve = (waiter: Waiter, position: bigint | undefined): void => {
    waiters.remove(waiter);
    waiter.resolve(position);
  };
  return {
    get isEmpty() {
      return waiters.isEmpty;
    },
    wait: (interest, cancellation) =>
      new Promise((settle, reject) => {
        const waiter = new Waiter(interest, cancellation, settle, reject);
        waiters.add(waiter);
        onWait();
        cancellation.onCancel = () => {
          resolve(waiter, undefined);
        };
        if (cancellation.isCancelled) cancellation.onCancel();
      }),
    wake(stream, before) {
      for (const waiter of waiters.ofStream(stream)) resolve(waiter, before);
      for (const waiter of waiters.others) if (waiter.interest.matches(stream)) resolve(waiter, before);
    },
    wakeAll(position) {
      for (const waiter of waiters.all()) resolve(waiter, position);
    },
    failAll(error) {
      for (const waiter of waiters.all()) {
        waiters.remove(waiter);
        waiter.reject(error);
      }
    },
  };
}

/** Waiters by their stream, and those that wait for several. */
class WaiterTable {
  readonly others = new Set<Waiter>();
  // A Set only where several wait for one stream, which is rare.
  private readonly byStream = new CompactingMap<string, Waiter | Set<Waiter>>();

  get isEmpty(): boolean {
    return this.others.size === 0 && this.byStream.size === 0;
  }

  add(waiter: Waiter): void {
    const { stream } = waiter.interest;
    if (stream === undefined) {
      this.others.add(waiter);
      return;
    }
    const found = this.byStream.get(stream);
    if (found instanceof Set) found.add(waiter);
    else this.byStream.set(stream, found === undefined ? waiter : new Set([found, waiter]));
  }

  remove(waiter: Waiter): void {
    const { stream } = waiter.interest;
    waiter.cancellation.onCancel = undefined;
    if (stream === undefined) {
      this.others.delete(waiter);
      return;
    }
    const found = this.byStream.get(stream);
    if (found instanceof Set) found.delete(waiter);
    if (found === waiter || (found instanceof Set && found.size === 0)) this.byStream.delete(stream);
  }

  ofStream(stream: string): readonly Waiter[] {
    return toArray(this.byStream.get(stream));
  }

  all(): Waiter[] {
    return [...this.others, ...this.byStream.values().flatMap(toArray)];
  }
}

function toArray(found: Waiter | Set<Waiter> | undefined): Waiter[] {
  if (found === undefined) return [];
  return found instanceof Set ? [...found] : [found];
}
