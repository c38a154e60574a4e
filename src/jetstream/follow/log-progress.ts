import { apiGet } from '../nats/api';
import { logInfo } from '../log/log-info';
import { endless, within } from '../log/bounded-call';
import type { LogAccess } from '../log/log-access';

export interface Progress {
  /** Another message has come, or all have. */
  readonly onProgress: () => void;
  /** The log goes on up to a sequence, and has no message up to there: they are gone. */
  readonly onNothing: (through: bigint) => void;
  /** Nothing comes, though there is more in the log. */
  readonly onStandstill: () => void;
}

const checkMs = 2_000;

/**
 * Compares from time to time what a consumer has delivered with the end of the log. Its heartbeats do not tell: a consumer
 * that is paused, was set to another place or may have no more messages under way goes on with them. Call the answer to end it.
 */
export function watchProgress(
  log: LogAccess,
  delivered: () => bigint,
  { onProgress, onNothing, onStandstill }: Progress,
): () => void {
  let before = { delivered: delivered(), end: 0n };
  let isAsking = false;
  let isOver = false;

  async function check(): Promise<void> {
    const { sequence: end } = await logInfo(log, endless);
    const now = delivered();
    const isMoving = now > before.delivered;
    if (isMoving || now >= end) onProgress();
    else if (now < before.end) {
      // Where messages are gone, those at the end may be among them.
      const isGone = log.health.lostMessages > 0n && !(await hasAfter(log, now));
      if (isOver || delivered() !== now) return;
      if (isGone) onNothing(before.end);
      else onStandstill();
    }
    before = { delivered: now, end };
  }

  const timer = setInterval(() => {
    if (isAsking) return;
    isAsking = true;
    // Where the end cannot be asked for, the connection is watched by others.
    check()
      .catch(() => undefined)
      .finally(() => (isAsking = false));
  }, checkMs);
  return () => {
    isOver = true;
    clearInterval(timer);
  };
}

/** Whether the log has a message after a sequence. */
async function hasAfter({ pool, stream, limits }: LogAccess, sequence: bigint): Promise<boolean> {
  const lookup = { seq: Number(sequence + 1n), next_by_subj: '>' };
  const next = await apiGet(pool.read(), stream, lookup, within(endless, limits.requestTimeoutMs));
  return next !== undefined;
}
