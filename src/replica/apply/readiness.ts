/** Whether a replica is filled, and the requests that wait for it. */
export class Readiness {
  /** When the replica last began to be filled, in milliseconds since 1970. */
  fillingSinceMs = Date.now();
  /** How often the replica had to be filled again. */
  rebuilds = 0;
  private isFilledNow = false;
  private readonly waiting = new Set<() => void>();
  private readonly listeners: ((isFilled: boolean) => void)[] = [];
  private isWritableNow = true;

  get isFilled(): boolean {
    return this.isFilledNow;
  }

  /** Whether the files can be written. */
  get isWritable(): boolean {
    return this.isWritableNow;
  }

  /** Calls the listener with whether the replica is filled and writable: now, and each time that changes. */
  onChange(listener: (isFilled: boolean) => void): void {
    this.listeners.push(listener);
    listener(this.isUsable);
  }

  /** Whether the replica is filled and writable. */
  get isUsable(): boolean {
    return this.isFilledNow && this.isWritableNow;
  }

  set(isFilled: boolean): void {
    const changes = this.isFilledNow !== isFilled;
    if (this.isFilledNow && !isFilled) this.fillingSinceMs = Date.now();
    if (!isFilled) this.rebuilds++;
    this.isFilledNow = isFilled;
    // A replica is only filled once everything was written.
    if (isFilled) this.isWritableNow = true;
    if (changes) this.tell();
    if (isFilled) this.releaseAll();
  }

  /** Whether the files can be written; this does not matter while the replica is not filled. */
  setWritable(isWritable: boolean): void {
    if (this.isWritableNow === isWritable) return;
    this.isWritableNow = isWritable;
    this.tell();
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

  private tell(): void {
    for (const listener of this.listeners) listener(this.isUsable);
  }

  releaseAll(): void {
    for (const end of [...this.waiting]) end();
  }
}
