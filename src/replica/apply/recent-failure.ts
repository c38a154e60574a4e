/** A failure that lasts or is recent. */
export interface RecentFailure {
  /** The reason; "" if there is no failure. */
  readonly current: string;
  /** The same, but kept for a minute: an operator may look later. */
  readonly recent: string;
  record(reason: string): void;
  clear(): void;
}

const keptMs = 60_000;

export function createRecentFailure(): RecentFailure {
  let current = '';
  let recent = '';
  let recordedMs = 0;
  let hasWorked = false;
  return {
    get current() {
      return current;
    },
    get recent() {
      return recent;
    },
    record(reason) {
      current = recent = reason;
      recordedMs = performance.now();
    },
    clear() {
      current = '';
      // A failure before the first success only delayed the start.
      if (!hasWorked || performance.now() - recordedMs > keptMs) recent = '';
      hasWorked = true;
    },
  };
}
