import { setTimeout as sleep } from 'node:timers/promises';
import { NotPermittedError, StoreUnavailableError, UnreadableCommitError } from '../store/errors';
import { CommitAssembler } from './commit-codec';
import { toStoreError } from './errors';
import { logHead } from './head';
import type { StoredMessage } from './message';
import type { NewestCommits } from './newest-commits';
import { toPart } from './scan-log';
import type { StoreContext } from './store-context';
import { startTailConsumer } from './tail-consumer';

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
    downSinceMs = undefined;
    onStarted();
  };
  while (!signal.aborted) {
    let cause: unknown;
    await followOnce(context, newest, hasStarted, signal, isUp).catch((error: unknown) => {
      cause = toStoreError(error);
    });
    if (cause instanceof NotPermittedError && !hasStarted) {
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
  clearInterval(timer);
}

/** Follows the log until the consumer is lost. */
async function followOnce(
  context: StoreContext,
  newest: NewestCommits,
  goesOn: boolean,
  signal: AbortSignal,
  onStarted: () => void,
): Promise<void> {
  const call = { signal, deadlineMs: Infinity };
  const { sequence: head } = await logHead(context, call);
  const { last } = newest.ring;
  if (goesOn && head < last) {
    // A server has lost what it had not written to disk: positions will be given out a second time.
    newest.waiters.failAll(new StoreUnavailableError('the store has gone back to an earlier state'));
  }
  if (!goesOn || head < last || head - last > BigInt(context.limits.tailCommitsMax)) newest.skipTo(head);
  const consumer = await startTailConsumer(context, newest.ring.last, taker(context, newest), call);
  onStarted();
  const close = (): void => {
    consumer.close();
  };
  signal.addEventListener('abort', close, { once: true });
  if (signal.aborted) close();
  const reason = await consumer.lost;
  if (signal.aborted) return;
  signal.removeEventListener('abort', close);
  close();
  context.logger.warn({ reason }, 'the newest commits do not come any more; asking again');
}

/** Puts the messages of one consumer together to commits. */
function taker({ limits, prefix }: StoreContext, newest: NewestCommits): (message: StoredMessage) => void {
  let assembler = new CommitAssembler(2 * limits.appendBytesMax);
  return (message) => {
    const stream = message.subject.slice(prefix.length + 1);
    const { sequence: position } = message;
    try {
      const commit = assembler.add(toPart(stream, message));
      if (commit === undefined) return;
      newest.push({ stream, position, content: commit, bytes: commit.record.length });
    } catch (error) {
      if (!(error instanceof UnreadableCommitError)) throw error;
      assembler = new CommitAssembler(2 * limits.appendBytesMax);
      newest.push({ stream, position, content: error, bytes: message.body.length });
    }
  };
}
