import { setTimeout as sleep } from 'node:timers/promises';
import { NotPermittedError, StoreUnavailableError, UnreadableCommitError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import { CommitAssembler } from './commit-assembler';
import { isCheck, outsideStore } from './commit-codec';
import { toStoreError } from './errors';
import { logHead } from './head';
import { hasStill } from './log-mark';
import type { StoredMessage } from './message';
import type { NewestCommits } from './newest-commits';
import { toPart } from './log-source';
import type { TailEntry } from './tail-ring';
import { nameOf, type StoreContext } from './store-context';
import { startTailConsumer } from './tail-consumer';
import { standstill } from './tail-progress';

const retryMs = 250;
/** So often those who wait are told how far the log has come. */
const sweepMs = 2_000;

/**
 * Keeps the newest commits up to date until `signal` is aborted: when a consumer is lost, another one takes over. Throws
 * NotPermittedError if NATS does not permit the first one.
 */
export async function followLog(
  context: StoreContext,
  newest: NewestCommits,
  signal: AbortSignal,
  onStarted: () => void,
): Promise<void> {
  const { limits, logger } = context;
  const timer = setInterval(() => {
    newest.sweep();
  }, sweepMs);
  let hasStarted = false as boolean;
  let downSinceMs: number | undefined;
  const isUp = (): void => {
    hasStarted = true;
    onStarted();
  };
  const onProgress = (): void => {
    downSinceMs = undefined;
    newest.trouble.over();
  };
  while (!signal.aborted) {
    let cause: unknown;
    const events = { onStarted: isUp, onProgress };
    await followOnce(context, newest, hasStarted, signal, events).catch((error: unknown) => {
      cause = toStoreError(error);
      newest.trouble.met(error instanceof Error ? error.message : String(error));
    });
    if (cause instanceof NotPermittedError && !hasStarted) {
      newest.trouble.forget(); // whoever asked is told
      clearInterval(timer);
      throw cause;
    }
    downSinceMs ??= Date.now();
    if (Date.now() - downSinceMs > limits.readProgressTimeoutMs) {
      newest.waiters.failAll(new StoreUnavailableError('the newest commits cannot be had', { cause }));
      logger.warn({ err: cause }, 'the newest commits cannot be had');
      downSinceMs = undefined;
    }
    await sleep(retryMs, undefined, { signal }).catch(() => undefined);
  }
  newest.trouble.forget();
  clearInterval(timer);
}

/** Follows the log until the consumer is lost. */
async function followOnce(
  context: StoreContext,
  newest: NewestCommits,
  goesOn: boolean,
  signal: AbortSignal,
  { onStarted, onProgress }: { readonly onStarted: () => void; readonly onProgress: () => void },
): Promise<void> {
  const call = { signal, deadlineMs: Infinity };
  await findPlace(context, newest, goesOn, call);
  const gate = openGate(context, newest);
  const take = taker(context, newest, gate.push);
  const consumer = await startTailConsumer(context, newest.ring.last, take, onProgress, call);
  onStarted();
  const close = (): void => {
    gate.close();
    consumer.close();
  };
  signal.addEventListener('abort', close, { once: true });
  if (signal.aborted) close();
  const reason = await consumer.lost;
  if (signal.aborted) return;
  signal.removeEventListener('abort', close);
  close();
  if (reason === standstill) newest.trouble.met(reason);
  context.logger.warn({ reason }, 'the newest commits do not come any more; asking again');
}

/** Goes on after the last commit that has come, or at the end of the log if that is far away or has gone back. */
async function findPlace(
  context: StoreContext,
  newest: NewestCommits,
  goesOn: boolean,
  call: CallContext,
): Promise<void> {
  const head = await logHead(context, call);
  const isFar = head.sequence - newest.ring.last > BigInt(context.limits.tailCommitsMax);
  const isBack = goesOn && !(await hasStill(context, newest.lastMessage, head, call));
  if (isBack) newest.goBackTo(head.sequence);
  else if (!goesOn || isFar) newest.skipTo(head.sequence);
  else return;
  newest.lastMessage = head;
}

interface Gate {
  readonly push: (entries: readonly TailEntry[]) => void;
  /** What has not come through will come again from the log. */
  close(): void;
}

/** Lets commits come to the subscribers when they are durable, in order. */
function openGate({ durability }: StoreContext, newest: NewestCommits): Gate {
  let waiting: (readonly TailEntry[])[] = [];
  let isOpening = false;
  /** Goes on without a pause as long as what waits is durable. */
  async function open(): Promise<void> {
    isOpening = true;
    try {
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        const syncing = durability.through(next.at(-1)?.position ?? 0n);
        if (syncing !== undefined) await syncing;
        if (waiting[0] !== next) return; // closed meanwhile
        waiting.shift();
        // Unless it was passed over meanwhile.
        if ((next.at(-1)?.position ?? 0n) > newest.ring.last) newest.push(next);
      }
    } catch (error) {
      waiting = [];
      newest.waiters.failAll(error as Error);
    } finally {
      isOpening = false;
    }
  }
  return {
    push(entries) {
      waiting.push(entries);
      if (!isOpening) void open();
    },
    close() {
      waiting = [];
    },
  };
}

/** Puts the messages of one consumer together to commits, and those of a step together. */
function taker(
  context: StoreContext,
  newest: NewestCommits,
  push: Gate['push'],
): (message: StoredMessage) => void {
  const { limits } = context;
  let assembler = new CommitAssembler(2 * limits.appendBytesMax);
  let held: TailEntry[] = []; // of a step whose end has not come

  function take(stream: string, message: StoredMessage): void {
    const part = toPart(stream, message);
    if (part === undefined) {
      const content = outsideStore(stream, message.sequence);
      context.health.noteUnreadable(content);
      push([{ stream, position: content.position, content, bytes: message.body.length, isOutside: true }]);
      return;
    }
    const { last } = newest.ring;
    // It began before the consumer did: who wants it reads it from the log.
    if (part.from <= last && part.position > last) newest.skipTo(part.position);
    if (part.position <= newest.ring.last) return;
    const content = assembler.add(part);
    if (content === undefined) return;
    held.push({ stream, position: part.position, content, bytes: content.record.length, isOutside: false });
    if (part.position > message.sequence) return;
    push(held);
    held = [];
  }

  return (message) => {
    const stream = nameOf(context, message.subject);
    const { sequence, timeNanos, body } = message;
    newest.lastMessage = { sequence, timeNanos };
    for (let isTaken = isCheck(stream); !isTaken;) {
      try {
        take(stream, message);
        return;
      } catch (error) {
        if (!(error instanceof UnreadableCommitError)) throw error;
        assembler = new CommitAssembler(2 * limits.appendBytesMax);
        held = [];
        context.health.noteUnreadable(error);
        push([
          {
            stream: error.stream,
            position: error.position,
            content: error,
            bytes: body.length,
            isOutside: false,
          },
        ]);
        // It may be one before this message that is at fault.
        isTaken = error.position >= sequence;
      }
    }
  };
}
