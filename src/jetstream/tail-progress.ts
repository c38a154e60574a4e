import { logHead } from './head';
import { endless, type StoreContext } from './store-context';

/** Why a consumer is given up that somebody has stopped, or moved. */
export const standstill = 'the consumer of the newest commits stands still while the log goes on';

export interface Progress {
  /** Another message has come, or all have. */
  readonly onProgress: () => void;
  /** Nothing comes, though there is more in the log. */
  readonly onEnd: (reason: string) => void;
}

const checkMs = 2_000;

/**
 * Compares from time to time what a consumer has delivered with the end of the log. Its heartbeats do not tell: a consumer
 * that is paused, was set to another place or may have no more messages under way goes on with them. Call the answer to end it.
 */
export function watchProgress(
  context: StoreContext,
  delivered: () => bigint,
  { onProgress, onEnd }: Progress,
): () => void {
  let before = { delivered: delivered(), end: 0n };
  let isAsking = false;

  async function check(): Promise<void> {
    const { sequence: end } = await logHead(context, endless);
    const now = delivered();
    const isMoving = now > before.delivered;
    if (isMoving || now >= end) onProgress();
    else if (now < before.end) onEnd(standstill);
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
    clearInterval(timer);
  };
}
