import { setTimeout as sleep } from 'node:timers/promises';
import { StoreUnavailableError, UnreadableCommitError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import { CommitAssembler, type StoredCommit } from './commit-codec';
import { toStoreError } from './errors';
import { logHead } from './head';
import type { StoredMessage } from './message';
import { toPart } from './scan-log';
import type { StoreContext } from './store-context';
import { startTailConsumer } from './tail-consumer';
import { TailRing, type TailEntry } from './tail-ring';
import { createWaiters, type Interest } from './tail-waiters';

/**
 * The newest commits, for all subscribers of a gateway through one consumer, which there is only while somebody
 * subscribes.
 */
export interface Tail {
  /** The end of the log, as far as it has come. */
  readonly head: bigint;
  /** Begins to follow, if nobody does yet, and comes back when it runs; call the answer when it is needed no more. */
  follow(call: CallContext): Promise<() => void>;
  /** Whether all that lies beyond a position is at hand. */
  covers(position: bigint): boolean;
  /** Some of what is at hand beyond a position: commits of the streams asked for, and how far they go. */
  take(position: bigint, interest: Interest, bytesMax: number): Taken;
  /**
   * Waits until there is something of interest, or some time has passed in which others came; answers how far there was
   * nothing. Call it only if `take` came to the head. Throws StoreUnavailableError when NATS is away for long.
   */
  next(interest: Interest, signals: readonly AbortSignal[]): Promise<bigint>;
  close(): void;
}

export interface Taken {
  readonly commits: readonly StoredCommit[];
  readonly covered: bigint;
  /** Met after these commits. */
  readonly error: UnreadableCommitError | undefined;
}

const retryMs = 250;
/** So long it goes on when nobody subscribes any more: somebody may come again. */
const lingerMs = 5_000;
/** So often, and after so many sequences, those who wait are told how far the log has come. */
const sweepMs = 2_000;
const sweepSequences = 1_000n;

export function createTail(context: StoreContext): Tail {
  const { limits, logger, prefix } = context;
  const waiters = createWaiters();
  let ring = new TailRing(limits, 0n, 0n);
  let users = 0;
  let session: { readonly stop: AbortController; readonly started: Promise<void> } | undefined;
  let linger: NodeJS.Timeout | undefined;
  let isFirst = true;
  let sweptAt = 0n;

  function sweep(): void {
    if (ring.last === sweptAt) return;
    sweptAt = ring.last;
    waiters.wakeAll(ring.last);
  }

  function push(entry: TailEntry): void {
    const before = ring.last;
    ring.push(entry);
    waiters.wake(entry.stream, before);
    if (ring.last - sweptAt >= sweepSequences) sweep();
  }

  /** Follows the log until the consumer is lost. */
  async function followOnce(signal: AbortSignal, onStarted: () => void): Promise<void> {
    const call = { signal, deadlineMs: Infinity };
    const { sequence: head } = await logHead(context, call);
    if (head < ring.last && !isFirst) {
      // A server has lost what it had not written to disk: positions will be given out a second time.
      waiters.failAll(new StoreUnavailableError('the store has gone back to an earlier state'));
    }
    if (isFirst || head < ring.last || head - ring.last > BigInt(limits.tailCommitsMax)) {
      // What lies between they read from the log.
      waiters.wakeAll(ring.last);
      ring = new TailRing(limits, head, head);
      sweptAt = head;
    }
    isFirst = false;
    let assembler = new CommitAssembler(2 * limits.appendBytesMax);
    const take = (message: StoredMessage): void => {
      const stream = message.subject.slice(prefix.length + 1);
      const { sequence: position } = message;
      try {
        const commit = assembler.add(toPart(stream, message));
        if (commit !== undefined) push({ stream, position, content: commit, bytes: commit.record.length });
      } catch (error) {
        if (!(error instanceof UnreadableCommitError)) throw error;
        assembler = new CommitAssembler(2 * limits.appendBytesMax);
        push({ stream, position, content: error, bytes: message.body.length });
      }
    };
    const consumer = await startTailConsumer(context, ring.last, take, call);
    onStarted();
    const stopped = (): void => {
      consumer.close();
    };
    signal.addEventListener('abort', stopped, { once: true });
    const reason = await consumer.lost;
    signal.removeEventListener('abort', stopped);
    consumer.close();
    if (!signal.aborted) logger.warn({ reason }, 'the newest commits do not come any more; asking again');
  }

  async function run(signal: AbortSignal, onStarted: () => void): Promise<void> {
    const timer = setInterval(sweep, sweepMs);
    let downSinceMs: number | undefined;
    const isUp = (): void => {
      downSinceMs = undefined;
      onStarted();
    };
    while (!signal.aborted) {
      let cause: unknown;
      await followOnce(signal, isUp).catch((error: unknown) => (cause = error));
      downSinceMs ??= Date.now();
      if (Date.now() - downSinceMs > limits.readProgressTimeoutMs) {
        waiters.failAll(new StoreUnavailableError('the newest commits cannot be had', { cause }));
        logger.warn({ err: cause }, 'the newest commits cannot be had');
        downSinceMs = undefined;
      }
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
    clearInterval(timer);
  }

  function start(): NonNullable<typeof session> {
    const stop = new AbortController();
    isFirst = true;
    const started = new Promise<void>((resolve) => {
      void run(stop.signal, resolve);
    });
    return { stop, started };
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
      return ring.last;
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
    covers: (position) => position >= ring.after,
    take(position, interest, bytesMax) {
      const commits: StoredCommit[] = [];
      let bytes = 0;
      let covered = position;
      for (const entry of ring.beyond(position)) {
        if (bytes > bytesMax) return { commits, covered, error: undefined };
        if (interest.matches(entry.stream)) {
          const { content } = entry;
          if (content instanceof UnreadableCommitError) return { commits, covered, error: content };
          commits.push(content);
          bytes += entry.bytes;
        }
        covered = entry.position;
      }
      return { commits, covered: ring.last > covered ? ring.last : covered, error: undefined };
    },
    next: (interest, signals) => waiters.wait(interest, signals),
    close() {
      clearTimeout(linger);
      end();
      waiters.failAll(new StoreUnavailableError('the gateway is stopping'));
    },
  };
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
