/** Whether a replica is filled, for those who wait until it is. */
export class Readiness {
  /** Since when it is being filled; or when it was, last. */
  fillingSinceMs = Date.now();
  private isFilledNow = false;
  private readonly waiting = new Set<() => void>();
  private listener: (isFilled: boolean) => void = () => undefined;

  get isFilled(): boolean {
    return this.isFilledNow;
  }

  /** Told whether it is filled and can be written: now and whenever it changes. */
  onChange(listener: (isFilled: boolean) => void): void {
    this.listener = listener;
    listener(this.isFilledNow);
  }

  set(isFilled: boolean): void {
    const changes = this.isFilledNow !== isFilled;
    if (this.isFilledNow && !isFilled) this.fillingSinceMs = Date.now();
    this.isFilledNow = isFilled;
    if (changes) this.listener(isFilled);
    if (isFilled) this.letGo();
  }

  /** Whether it can be written, which does not matter while it is not filled. */
  setWritable(isWritable: boolean): void {
    this.listener(this.isFilledNow && isWritable);
  }

  /** Resolves when it is filled, or after a time, or when the signal is aborted, or when all are let go. */
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

  letGo(): void {
    for (const end of [...this.waiting]) end();
  }
}
