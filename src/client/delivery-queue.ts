import type { Delivery } from '../../generated/sluice/v1/consumer_group_service';
import { toRecordedEvent } from './event';
import type { EventHandler, HandlerContext } from './handler';

/** What becomes of deliveries. */
export interface Settling {
  ack(task: Task): void;
  /** The event after the first `handled` failed. */
  fail(task: Task, handled: number, error: unknown): void;
  extend(tasks: readonly Task[]): void;
}

/** A delivery that a member has. */
export class Task {
  readonly stream: string;
  readonly id: bigint;
  readonly lane: number;
  /** True: another member waits for its lane, so it comes first. */
  isUrgent = false;
  private readonly lost = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  /** When the time that it may take has begun, by `performance.now()`. */
  private sinceMs = performance.now();

  constructor(
    private readonly delivery: Delivery,
    readonly settling: Settling,
    private readonly ackTimeoutMs: number,
  ) {
    this.stream = delivery.events[0]?.stream ?? '';
    this.id = delivery.id;
    this.lane = delivery.lane;
  }

  /** What becomes of it no longer counts. */
  lose(reason: Error): void {
    this.lost.abort(reason);
  }

  get isLost(): boolean {
    return this.lost.signal.aborted;
  }

  /** Begins the time that it may take again. */
  extend(): void {
    if (this.isLost) return;
    this.sinceMs = performance.now();
    this.timer?.refresh();
    this.settling.extend([this]);
  }

  /** Handles the events in order, up to one that fails, and settles the delivery. Never rejects. */
  async run(handler: EventHandler): Promise<void> {
    let handled = 0;
    try {
      for (const event of this.delivery.events) {
        if (this.lost.signal.aborted) break;
        this.beginEvent();
        await handler(toRecordedEvent(event), this.contextOf(handled));
        handled++;
      }
      if (handled === this.delivery.events.length && this.mayCount()) this.settling.ack(this);
    } catch (error) {
      if (this.mayCount()) this.settling.fail(this, handled, error);
    } finally {
      clearTimeout(this.timer);
    }
  }

  /** Whether what became of it counts: if its time is over, the gateway decides. */
  private mayCount(): boolean {
    return !this.isLost || this.lost.signal.reason === late;
  }

  /** Each event gets nearly all of the time, however long those before it took, or the delivery has waited. */
  private beginEvent(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.lose(late);
    }, this.ackTimeoutMs).unref();
    if (performance.now() - this.sinceMs > this.ackTimeoutMs * extendShare) this.extend();
  }

  private contextOf(index: number): HandlerContext {
    const { attempt, redelivered, replayed } = this.delivery;
    return {
      attempt: index === 0 ? attempt : 1,
      redelivered,
      replayed,
      signal: this.lost.signal,
      extend: () => {
        this.extend();
      },
    };
  }
}

/** The share of its time after which a delivery is extended when its next event begins. */
const extendShare = 0.2;

const late = new Error('the handler took longer than the group permits');

/**
 * The deliveries of a process that wait for a handler or have one, over all its calls: so that two of one stream are never handled
 * side by side, even if the first one was lost.
 */
export class DeliveryQueue {
  private waiting: Task[] = [];
  private readonly running = new Map<string, Task>();

  constructor(
    private readonly handler: EventHandler,
    private readonly concurrency: number,
  ) {}

  add(task: Task): void {
    this.waiting.push(task);
    this.start();
  }

  /** Those that have no handler yet. */
  get unstarted(): readonly Task[] {
    return this.waiting;
  }

  /** Deliveries that no longer count: their handlers learn it, and those that wait are dropped. */
  lose(isLost: (task: Task) => boolean, reason: Error): void {
    for (const task of [...this.running.values(), ...this.waiting]) if (isLost(task)) task.lose(reason);
    this.waiting = this.waiting.filter((task) => !task.isLost);
  }

  /** Deliveries that another member waits for come first. */
  hurry(isUrgent: (task: Task) => boolean): void {
    for (const task of this.waiting) task.isUrgent ||= isUrgent(task);
  }

  private start(): void {
    while (this.running.size < this.concurrency) {
      const task = this.next();
      if (task === undefined) return;
      this.waiting.splice(this.waiting.indexOf(task), 1);
      this.running.set(task.stream, task);
      void task.run(this.handler).finally(() => {
        this.running.delete(task.stream);
        this.start();
      });
    }
  }

  private next(): Task | undefined {
    const isFree = ({ stream }: Task): boolean => !this.running.has(stream);
    return (
      this.waiting.find((task) => task.isUrgent && isFree(task)) ?? this.waiting.find((task) => isFree(task))
    );
  }
}
