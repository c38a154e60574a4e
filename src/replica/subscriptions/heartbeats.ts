import type { SubscriptionUpdate } from '../../store/event-store';
import { position } from '../../store/values';

type Result = IteratorResult<SubscriptionUpdate, void>;

/**
 * The updates of a subscription with heartbeats among them, also while nothing comes. An iterator by hand: a generator around
 * another one takes a kilobyte more for each of the thousands that wait.
 */
export class WithHeartbeats implements AsyncIterableIterator<SubscriptionUpdate, void, void> {
  /** The position of the last update; there is no heartbeat before the first one. */
  private at: SubscriptionUpdate['position'] | undefined;
  private dueMs: number;
  private timer: NodeJS.Timeout | undefined;
  /** For the next update, which several heartbeats may go before. */
  private asked: Promise<Result> | undefined;
  private come: Result | 'error' | undefined;
  /** Of who waits for `next`. */
  private resolve: ((result: Result | Promise<Result>) => void) | undefined;

  /** `head` is the end of the log; `end` ends an update that is awaited. */
  constructor(
    private readonly updates: AsyncGenerator<SubscriptionUpdate, void>,
    private readonly intervalMs: number,
    private readonly head: () => bigint,
    private readonly end: () => void,
  ) {
    this.dueMs = Date.now() + intervalMs;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    return new Promise((resolve) => {
      this.resolve = resolve;
      if (this.asked === undefined) {
        this.asked = this.updates.next();
        this.asked.then(this.onCome, this.onError);
      }
      this.tell();
    });
  }

  async return(): Promise<Result> {
    clearTimeout(this.timer);
    this.end();
    await this.updates.return();
    return { done: true, value: undefined };
  }

  private readonly onCome = (result: Result | 'error'): void => {
    this.come = result;
    this.tell();
  };

  private readonly onError = (): void => {
    this.onCome('error');
  };

  /** Gives what there is to who waits; else comes back when a heartbeat is due. */
  private readonly tell = (): void => {
    const { resolve, asked, come } = this;
    if (resolve === undefined) return;
    clearTimeout(this.timer);
    const nowMs = Date.now();
    const isDue = nowMs >= this.dueMs;
    if (isDue) this.dueMs = nowMs + this.intervalMs;
    if (isDue && this.at !== undefined) {
      this.resolve = undefined;
      resolve({ value: { kind: 'heartbeat', position: this.at, head: position(this.head()) } });
    } else if (come !== undefined && asked !== undefined) {
      this.resolve = this.asked = this.come = undefined;
      if (come !== 'error' && come.done !== true) this.at = come.value.position;
      resolve(asked);
    } else this.timer = setTimeout(this.tell, this.dueMs - nowMs);
  };
}
