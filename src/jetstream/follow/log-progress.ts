import { beginning, type Sequence } from '../../store/values';
import { apiGet } from '../nats/api';
import { logInfo } from '../log/log-info';
import { endless, within } from '../log/bounded-call';
import type { LogAccess } from '../log/log-access';

export interface Progress {
  /** More messages have been delivered, or all of them. */
  readonly onProgress: () => void;
  /** The log has no messages up to this sequence any more, though it ends there or later. */
  readonly onNothing: (upTo: Sequence) => void;
  /** Nothing is delivered, though the log has more messages. */
  readonly onStandstill: () => void;
}

const checkMs = 2_000;

/**
 * Compares what a consumer has delivered with the end of the log, every two seconds. Its heartbeats do not show that: a consumer
 * sends them even while it is paused, after a change of its position, and with too many messages under way. The returned
 * function ends the comparison.
 */
export function watchProgress(
  log: LogAccess,
  delivered: () => Sequence,
  { onProgress, onNothing, onStandstill }: Progress,
): () => void {
  let before: { readonly delivered: Sequence; readonly end: Sequence } = {
    delivered: delivered(),
    end: beginning,
  };
  let isChecking = false;
  let isOver = false;

  async function check(): Promise<void> {
    const { sequence: end } = await logInfo(log, endless);
    const now = delivered();
    const isMoving = now > before.delivered;
    if (isMoving || now >= end) onProgress();
    else if (now < before.end) {
      // If messages of the log are missing, those at its end may be among them.
      const isGone = log.health.lostMessages > 0n && !(await hasAfter(log, now));
      if (isOver || delivered() !== now) return;
      if (isGone) onNothing(before.end);
      else onStandstill();
    }
    before = { delivered: now, end };
  }

  const timer = setInterval(() => {
    if (isChecking) return;
    isChecking = true;
    // An error needs no handling here: lost connections are noticed elsewhere.
    check()
      .catch(() => undefined)
      .finally(() => (isChecking = false));
  }, checkMs);
  return () => {
    isOver = true;
    clearInterval(timer);
  };
}

/** Whether the log has a message after a sequence. */
async function hasAfter({ pool, stream, limits }: LogAccess, sequence: Sequence): Promise<boolean> {
  const lookup = { seq: Number(sequence + 1n), next_by_subj: '>' };
  const next = await apiGet(pool.read(), stream, lookup, within(endless, limits.requestTimeoutMs));
  return next !== undefined;
}
