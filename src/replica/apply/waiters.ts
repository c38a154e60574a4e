import { CompactingMap } from '../../collections/compacting-map';

/** Which streams somebody is interested in. */
export interface Interest {
  /** The only one; undefined: what `matches` says. */
  readonly stream: string | undefined;
  readonly matches: (stream: string) => boolean;
}

/** The end of one who waits, again and again; an AbortSignal would take a kilobyte for each. */
export class Ending {
  isOver = false;
  onEnd: (() => void) | undefined;

  readonly end = (): void => {
    this.isOver = true;
    this.onEnd?.();
  };
}

/** Those who wait for commits. Who waits for one stream costs nothing while others are written. */
export interface Waiters {
  /** Whether nobody waits. */
  readonly isEmpty: boolean;
  /**
   * Resolves with the position before the first commit of interest, or one up to which there was none, or with undefined
   * at the end.
   */
  wait(interest: Interest, ending: Ending): Promise<bigint | undefined>;
  /** A commit of a stream has come after a position. */
  wake(stream: string, before: bigint): void;
  /** There was nothing up to a position. */
  wakeAll(position: bigint): void;
  failAll(error: Error): void;
}

class Waiter {
  constructor(
    readonly interest: Interest,
    readonly ending: Ending,
    readonly resolve: (position: bigint | undefined) => void,
    readonly reject: (error: Error) => void,
  ) {}
}

/** `onWait` is called whenever somebody begins to wait. */
export function createWaiters(onWait: () => void): Waiters {
  // Mostly there is one for a stream.
  const byStream = new CompactingMap<string, Waiter | Set<Waiter>>();
  const others = new Set<Waiter>();

  function add(waiter: Waiter): void {
    const { stream } = waiter.interest;
    if (stream === undefined) {
      others.add(waiter);
      return;
    }
    const those = byStream.get(stream);
    if (those instanceof Set) those.add(waiter);
    else byStream.set(stream, those === undefined ? waiter : new Set([those, waiter]));
  }

  function remove(waiter: Waiter): void {
    const { stream } = waiter.interest;
    waiter.ending.onEnd = undefined;
    if (stream === undefined) {
      others.delete(waiter);
      return;
    }
    const those = byStream.get(stream);
    if (those instanceof Set) those.delete(waiter);
    if (those === waiter || (those instanceof Set && those.size === 0)) byStream.delete(stream);
  }

  const ofStream = (those: Waiter | Set<Waiter> | undefined): Waiter[] =>
    those instanceof Set ? [...those] : those === undefined ? [] : [those];
  const all = (): Waiter[] => [...others, ...byStream.values().flatMap(ofStream)];
  const resolve = (waiter: Waiter, position: bigint | undefined): void => {
    remove(waiter);
    waiter.resolve(position);
  };

  return {
    get isEmpty() {
      return others.size === 0 && byStream.size === 0;
    },
    wait: (interest, ending) =>
      new Promise((settle, reject) => {
        const waiter = new Waiter(interest, ending, settle, reject);
        add(waiter);
        onWait();
        ending.onEnd = () => {
          resolve(waiter, undefined);
        };
        if (ending.isOver) ending.onEnd();
      }),
    wake(stream, before) {
      for (const waiter of ofStream(byStream.get(stream))) resolve(waiter, before);
      for (const waiter of others) if (waiter.interest.matches(stream)) resolve(waiter, before);
    },
    wakeAll(position) {
      for (const waiter of all()) resolve(waiter, position);
    },
    failAll(error) {
      for (const waiter of all()) {
        remove(waiter);
        waiter.reject(error);
      }
    },
  };
}
