import type { SubscriptionUpdate } from '../../store/event-store';
import { position } from '../../store/values';

type Result = IteratorResult<SubscriptionUpdate, void>;

/**
 * Puts heartbeats among the updates of a subscription, also while there are no updates. An iterator by hand: a generator around
 * another one would take a kilobyte more for each of the thousands of subscriptions that wait.
 */
export class WithHeartbeats implements AsyncIterableIterator<SubscriptionUpdate, void, void> {
  /** The position of the last update. */
  private at: SubscriptionUpdate['position'];
  /** There is no heartbeat before the first update. */
  private hasBegun = false;
  private dueMs: number;
  private timer: NodeJS.Timeout | undefined;
  /** The next update; several heartbeats may precede it. */
  private pending: Promise<Result> | undefined;
  private settled: Result | 'error' | undefined;
  /** Resolves the `next` that waits. */
  private resolve: ((result: Result | Promise<Result>) => void) | undefined;

  /** `head` is the end of the log; `cancel` ends the wait for an update. */
  constructor(
    private readonly updates: AsyncGenerator<SubscriptionUpdate, void>,
    private readonly intervalMs: number,
    private readonly head: () => bigint,
    private readonly cancel: () => void,
  ) {
    this.dueMs = performance.now() + intervalMs;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    return new Promise((resolve) => {
      this.resolve = resolve;
      if (this.pending === undefined) {
        this.pending = this.updates.next();
        this.pending.then(this.onSettled, this.onError);
      }
      this.deliver();
    });
  }

  async return(): Promise<Result> {
    clearTimeout(this.timer);
    this.cancel();
    await this.updates.return();
    return { done: true, value: undefined };
  }

  private readonly onSettled = (result: Result | 'error'): void => {
    this.settled = result;
    this.deliver();
  };

  private readonly onError = (): void => {
    this.onSettled('error');
  };

  /** Resolves the `next` that waits with a heartbeat or an update; otherwise tries again when a heartbeat is due. */
  private readonly deliver = (): void => {
    const { resolve, pending, settled } = this;
    if (resolve === undefined) return;
    clearTimeout(this.timer);
    const nowMs = performance.now();
    const isDue = nowMs >= this.dueMs;
    if (isDue) this.dueMs = nowMs + this.intervalMs;
    if (isDue && this.hasBegun) {
      this.resolve = undefined;
      resolve({ value: { kind: 'heartbeat', position: this.at, head: position(this.head()) } });
    } else if (settled !== undefined && pending !== undefined) {
      this.resolve = this.pending = this.settled = undefined;
      if (settled !== 'error' && settled.done !== true) {
        this.at = settled.value.position;
        this.hasBegun = true;
      }
      resolve(pending);
    } else this.timer = setTimeout(this.deliver, this.dueMs - nowMs);
  };
}
