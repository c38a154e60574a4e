/** Whether a replica is filled, and the requests that wait for it. */
export class Readiness {
  /** When the replica last began to be filled, in milliseconds since 1970. */
  fillingSinceMs = Date.now();
  /** How often the replica had to be filled again. */
  rebuilds = 0;
  private isFilledNow = false;
  private readonly waiting = new Set<() => void>();
  private listener: (isFilled: boolean) => void = () => undefined;

  get isFilled(): boolean {
    return this.isFilledNow;
  }

  /** Calls the listener with whether the replica is filled and writable: now, and each time that changes. */
  onChange(listener: (isFilled: boolean) => void): void {
    this.listener = listener;
    listener(this.isFilledNow);
  }

  set(isFilled: boolean): void {
    const changes = this.isFilledNow !== isFilled;
    if (this.isFilledNow && !isFilled) this.fillingSinceMs = Date.now();
    if (!isFilled) this.rebuilds++;
    this.isFilledNow = isFilled;
    if (changes) this.listener(isFilled);
    if (isFilled) this.releaseAll();
  }

  /** Whether the files can be written; this does not matter while the replica is not filled. */
  setWritable(isWritable: boolean): void {
    this.listener(this.isFilledNow && isWritable);
  }

  /** Resolves when the replica is filled, after a time, when the signal aborts, or at `releaseAll`. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.isFilledNow || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.waiting.delete(end);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, Math.max(0, ms));
      this.waiting.add(end);
      signal.addEventListener('abort', end);
    });
  }

  releaseAll(): void {
    for (const end of [...this.waiting]) end();
  }
}
