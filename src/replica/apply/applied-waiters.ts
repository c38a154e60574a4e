import { StoreUnavailableError } from '../../store/errors';

interface AppliedWaiter {
  readonly sequence: bigint;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The longest delay of a timer. */
const timeoutMsMax = 2 ** 31 - 1;

/** The reads that wait until all messages up to a sequence are applied. */
export class AppliedWaiters {
  private readonly waiting = new Set<AppliedWaiter>();

  /** Rejects after a time, when the signal aborts, and at `rejectAll`. */
  wait(sequence: bigint, signal: AbortSignal, timeoutMs = timeoutMsMax): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (settled: () => void): void => {
        this.waiting.delete(waiter);
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        settled();
      };
      const waiter: AppliedWaiter = {
        sequence,
        resolve: () => {
          settle(resolve);
        },
        reject: (error) => {
          settle(() => {
            reject(error);
          });
        },
      };
      const onAbort = (): void => {
        waiter.reject(signal.reason as Error);
      };
      const onTimeout = (): void => {
        waiter.reject(new StoreUnavailableError('the replica did not catch up with the log in time'));
      };
      const timer = setTimeout(onTimeout, Math.max(0, Math.min(timeoutMs, timeoutMsMax)));
      this.waiting.add(waiter);
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
    });
  }

  /** Whether a read waits for a sequence up to this one. */
  hasUpTo(sequence: bigint): boolean {
    for (const waiter of this.waiting) if (waiter.sequence <= sequence) return true;
    return false;
  }

  resolveUpTo(applied: bigint): void {
    for (const waiter of [...this.waiting]) if (waiter.sequence <= applied) waiter.resolve();
  }

  rejectAll(error: Error): void {
    for (const waiter of [...this.waiting]) waiter.reject(error);
  }
}
