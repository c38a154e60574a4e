/** A retry later than this is not worth a promise. */
const waitMaxMs = 3_600_000;

/**
 * A token bucket that holds what may be used in one second, and at least 1. Each call gives the rate, so that another one
 * counts at once. Times are those of a monotonic clock, in milliseconds.
 */
export class Bucket {
  /** What is missing from a full bucket; more than it holds if more was taken than there was. */
  private missing = 0;
  private perSecond = 0;
  private atMs = 0;

  /** How long until this amount may be taken; 0: now. From a full bucket, more than it holds may be taken. */
  waitMs(amount: number, perSecond: number, nowMs: number): number {
    this.refill(nowMs);
    this.perSecond = perSecond;
    const size = Math.max(1, perSecond);
    const excess = this.missing + Math.min(amount, size) - size;
    return excess <= 0 ? 0 : Math.min(waitMaxMs, Math.ceil((excess / perSecond) * 1_000));
  }

  take(amount: number, nowMs: number): void {
    this.refill(nowMs);
    this.missing += amount;
  }

  isFull(nowMs: number): boolean {
    this.refill(nowMs);
    return this.missing === 0;
  }

  private refill(nowMs: number): void {
    this.missing = Math.max(0, this.missing - ((nowMs - this.atMs) / 1_000) * this.perSecond);
    this.atMs = nowMs;
  }
}
