/** How long a member has had deliveries and has neither settled nor extended any, in milliseconds of `performance.now()`. */
export class QuietTime {
  private beforeMs = 0;
  private sinceMs: number | undefined;

  /** It has a delivery. */
  goOn(nowMs: number): void {
    this.sinceMs ??= nowMs;
  }

  /** It has no delivery any more, since all have taken too long. */
  pause(nowMs: number): void {
    this.beforeMs = this.at(nowMs);
    this.sinceMs = undefined;
  }

  /** It has settled or extended one. */
  reset(): void {
    this.beforeMs = 0;
    this.sinceMs = undefined;
  }

  at(nowMs: number): number {
    return this.beforeMs + (this.sinceMs === undefined ? 0 : nowMs - this.sinceMs);
  }
}
