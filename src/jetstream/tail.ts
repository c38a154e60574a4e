import { setTimeout as sleep } from 'node:timers/promises';
import { StoreUnavailableError, UnreadableCommitError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import type { StoredCommit } from './commit-assembler';
import { toStoreError } from './errors';
import { followLog } from './follow-log';
import { createNewestCommits } from './newest-commits';
import type { StoreContext } from './store-context';
import type { TailRing } from './tail-ring';
import type { Interest } from './tail-waiters';

/**
 * The newest commits, for all subscribers of a gateway through one consumer, which there is only while somebody
 * subscribes.
 */
export interface Tail {
  /** The end of the log, as far as it has come. */
  readonly head: bigint;
  /** Why new commits do not come, or did not a moment ago; "" if they do, or nobody subscribes. */
  readonly trouble: string;
  /** How often the log has gone back to an earlier state: who began before that has been given what is gone. */
  readonly timesGoneBack: number;
  /** Begins to follow, if nobody does yet, and comes back when it runs; call the answer when it is needed no more. */
  follow(call: CallContext): Promise<() => void>;
  /** Whether all that lies beyond a position is at hand. */
  covers(position: bigint): boolean;
  /** Some of what is at hand beyond a position: commits of the streams asked for, and how far they go. */
  take(position: bigint, interest: Interest, how: TakeOptions): Taken;
  /**
   * Waits until there is something of interest, or some time has passed in which others came; answers how far there was
   * nothing, or undefined when the signal is aborted. Call it only if `take` came to the head. Throws
   * StoreUnavailableError when NATS is away for long.
   */
  next(interest: Interest, signal: AbortSignal): Promise<bigint | undefined>;
  close(): void;
}

export interface TakeOptions {
  readonly bytesMax: number;
  /** What cannot be read is passed over, and told. */
  readonly skips: boolean;
}

export interface Taken {
  readonly commits: readonly StoredCommit[];
  readonly covered: bigint;
  /** What was passed over among them. */
  readonly unreadable: readonly UnreadableCommitError[];
  /** Met after these commits. */
  readonly error: UnreadableCommitError | undefined;
}

/** So long it goes on when nobody subscribes any more: somebody may come again. */
const lingerMs = 5_000;

export function createTail(context: StoreContext): Tail {
  const { limits } = context;
  const newest = createNewestCommits(limits);
  let users = 0;
  let session: { readonly stop: AbortController; readonly started: Promise<void> } | undefined;
  let linger: NodeJS.Timeout | undefined;

  function start(): NonNullable<typeof session> {
    const stop = new AbortController();
    let onStarted = (): void => undefined;
    const running = new Promise<void>((resolve) => (onStarted = resolve));
    const ended = followLog(context, newest, stop.signal, onStarted);
    ended.catch(() => (session = undefined));
    return { stop, started: Promise.race([running, ended]) };
  }

  function release(): void {
    users--;
    if (users > 0) return;
    linger = setTimeout(end, lingerMs).unref();
  }

  function end(): void {
    session?.stop.abort();
    session = undefined;
  }

  return {
    get head() {
      return newest.ring.last;
    },
    get trouble() {
      return newest.trouble.reason;
    },
    get timesGoneBack() {
      return newest.timesGoneBack;
    },
    async follow(call) {
      users++;
      clearTimeout(linger);
      session ??= start();
      let released = false;
      const releaseOnce = (): void => {
        if (!released) release();
        released = true;
      };
      try {
        await orTimeout(session.started, call, limits.readProgressTimeoutMs);
      } catch (error) {
        releaseOnce();
        throw error;
      }
      return releaseOnce;
    },
    covers: (position) => position >= newest.ring.after,
    take: (position, interest, how) => take(newest.ring, position, interest, how),
    next: (interest, signal) => newest.waiters.wait(interest, signal),
    close() {
      clearTimeout(linger);
      end();
      newest.waiters.failAll(new StoreUnavailableError('the gateway is stopping'));
    },
  };
}

function take(ring: TailRing, position: bigint, interest: Interest, { bytesMax, skips }: TakeOptions): Taken {
  const commits: StoredCommit[] = [];
  const unreadable: UnreadableCommitError[] = [];
  let bytes = 0;
  let covered = position;
  for (const entry of ring.beyond(position)) {
    // A step is not divided.
    if (bytes > bytesMax && entry.position !== covered)
      return { commits, covered, unreadable, error: undefined };
    if (interest.matches(entry.stream)) {
      const { content, isOutside } = entry;
      if (!(content instanceof UnreadableCommitError)) commits.push(content);
      else if (skips) unreadable.push(content);
      else if (!isOutside) return { commits, covered, unreadable, error: content };
      bytes += entry.bytes;
    }
    covered = entry.position;
  }
  return { commits, covered: ring.last > covered ? ring.last : covered, unreadable, error: undefined };
}

async function orTimeout(started: Promise<void>, call: CallContext, timeoutMs: number): Promise<void> {
  const waiting = new AbortController();
  const signal = AbortSignal.any([waiting.signal, call.signal]);
  const late = sleep(Math.max(0, Math.min(timeoutMs, call.deadlineMs - Date.now())), true, { signal });
  try {
    if ((await Promise.race([started, late])) === true)
      throw new StoreUnavailableError('the newest commits cannot be had');
  } catch (error) {
    throw call.signal.aborted ? call.signal.reason : toStoreError(error);
  } finally {
    waiting.abort();
    late.catch(() => undefined);
  }
}
