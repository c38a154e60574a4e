import type { ReplicaIndex } from '../index/replica-index';
import { clockNanos, hidingAt, type Hiding, type HidingFiles } from '../reads/hiding';

/** How long what was judged of retention holds. */
const judgedMs = 1_000;

/**
 * What is hidden from subscriptions that are behind. To judge the retention of a stream takes longer than to read its commits, so
 * they share what was judged after they began, for a second and until a control follows.
 */
export class SharedHiding {
  private hiding: Hiding | undefined;
  private index: ReplicaIndex | undefined;
  private controlsUpTo = 0n;
  private judgedAtMs = -Infinity;

  /** undefined: nothing, since no stream has rules. `beganMs`: when the subscription began, by performance.now(). */
  judgedAfter(beganMs: number, files: HidingFiles): Hiding | undefined {
    const { index } = files;
    if (index.rules.isEmpty) return undefined;
    const controlsUpTo = index.rules.refreshedUpTo();
    const nowMs = performance.now();
    const isCurrent =
      this.index === index && this.controlsUpTo === controlsUpTo && nowMs - this.judgedAtMs < judgedMs;
    // What was stored before a subscription began counts for it.
    if (!isCurrent || this.judgedAtMs <= beganMs) {
      this.hiding = hidingAt(files, { nowNanos: clockNanos(), upTo: undefined });
      [this.index, this.controlsUpTo, this.judgedAtMs] = [index, controlsUpTo, nowMs];
    }
    return this.hiding;
  }
}
