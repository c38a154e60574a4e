/** How far something is behind the end of the log, in positions and in time. */
export class Lag {
  /** What it has not reached yet, and since when that was known. */
  private missing: { readonly end: bigint; readonly sinceMs: number } | undefined;

  constructor(private readonly position: () => { readonly at: bigint; readonly end: bigint }) {}

  get commits(): number {
    const { at, end } = this.position();
    return Math.max(0, Number(end - at));
  }

  get seconds(): number {
    this.sample();
    return this.missing === undefined ? 0 : (performance.now() - this.missing.sinceMs) / 1_000;
  }

  /** To be called about once a second, so that the time is right when it is asked for. */
  sample(): void {
    const { at, end } = this.position();
    if (this.missing !== undefined && at < this.missing.end) return;
    this.missing = at < end ? { end, sinceMs: performance.now() } : undefined;
  }
}
