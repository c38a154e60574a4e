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

/** A delivery that a member has. Thousands come each second, so it has no object that most handlers do not use. */
export class Task {
  readonly stream: string;
  readonly id: bigint;
  readonly lane: number;
  /** True: another member waits for its lane, so it comes first. */
  isUrgent = false;
  /** When the handler has taken too long, by `performance.now()`. */
  dueMs = Infinity;
  private handled = 0;
  private lostFor: Error | undefined;
  private controller: AbortController | undefined;

  /** `sinceMs`: when the time that it may take has begun, by `performance.now()`. */
  constructor(
    private readonly delivery: Delivery,
    readonly settling: Settling,
    private readonly ackTimeoutMs: number,
    private sinceMs: number,
  ) {
    this.stream = delivery.events[0]?.stream ?? '';
    this.id = delivery.id;
    this.lane = delivery.lane;
  }

  /** What becomes of it no longer counts. */
  lose(reason: Error): void {
    if (this.isLost) return;
    this.lostFor = reason;
    this.controller?.abort(reason);
  }

  /** Its time is over. */
  expire(): void {
    this.lose(late);
  }

  get isLost(): boolean {
    return this.lostFor !== undefined;
  }

  /** Aborted when it is lost. */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.isLost) this.controller.abort(this.lostFor);
    }
    return this.controller.signal;
  }

  /** Begins the time that it may take again. */
  extend(): void {
    if (this.isLost) return;
    this.beginTime(performance.now());
    this.settling.extend([this]);
  }

  /** The gateway begins its time again, too. */
  beginTime(nowMs: number): void {
    this.sinceMs = nowMs;
    this.dueMs = nowMs + this.ackTimeoutMs;
  }

  /**
   * Handles the events in order, up to one that fails, and settles the delivery. True: it is settled; false: a handler takes time,
   * and `onSettled` is called later.
   */
  run(handler: EventHandler, onSettled: (task: Task) => void): boolean {
    const { events, attempt, redelivered, replayed } = this.delivery;
    try {
      for (; !this.isLost; this.handled++) {
        const event = events[this.handled];
        if (event === undefined) break;
        this.beginEvent();
        const attempts = this.handled === 0 ? attempt : 1;
        const running = handler(
          toRecordedEvent(event),
          new TaskContext(this, attempts, redelivered, replayed),
        );
        if (!isThenable(running)) continue;
        this.goOnAfter(running, handler, onSettled);
        return false;
      }
    } catch (error) {
      this.fail(error);
      return true;
    }
    if (this.handled === events.length && this.mayCount()) this.settling.ack(this);
    return true;
  }

  private goOnAfter(
    running: PromiseLike<void>,
    handler: EventHandler,
    onSettled: (task: Task) => void,
  ): void {
    void running.then(
      () => {
        this.handled++;
        if (this.run(handler, onSettled)) onSettled(this);
      },
      (error: unknown) => {
        this.fail(error);
        onSettled(this);
      },
    );
  }

  private fail(error: unknown): void {
    if (this.mayCount()) this.settling.fail(this, this.handled, error);
  }

  /** Whether what became of it counts: if its time is over, the gateway decides. */
  private mayCount(): boolean {
    return !this.isLost || this.lostFor === late;
  }

  /** Each event gets nearly all of the time, however long those before it took, or the delivery has waited. */
  private beginEvent(): void {
    const nowMs = performance.now();
    this.dueMs = nowMs + this.ackTimeoutMs;
    if (nowMs - this.sinceMs > this.ackTimeoutMs * extendShare) this.extend();
  }
}

/** What a handler gets. Most handlers use neither the signal nor `extend`, so both are made when they are asked for. */
class TaskContext implements HandlerContext {
  constructor(
    private readonly task: Task,
    readonly attempt: number,
    readonly redelivered: boolean,
    readonly replayed: boolean,
  ) {}

  get signal(): AbortSignal {
    return this.task.signal;
  }

  get extend(): () => void {
    return () => {
      this.task.extend();
    };
  }
}

function isThenable(result: void | Promise<void>): result is Promise<void> {
  return typeof (result as Partial<Promise<void>> | undefined | null)?.then === 'function';
}

/** The share of its time after which a delivery is extended when its next event begins. */
const extendShare = 0.2;

const late = new Error('the handler took longer than the group permits');

/**
 * After this number of deliveries whose handlers returned at once, the next ones come in the next turn of the event loop: what is done
 * is acknowledged meanwhile, so that the gateway sends more while these are handled.
 */
const turnMax = 64;

/**
 * The deliveries of a process that wait for a handler or have one, over all its calls: so that two of one stream are never handled
 * side by side, even if the first one was lost.
 */
export class DeliveryQueue {
  private waiting: Task[] = [];
  private readonly running = new Map<string, Task>();
  private hasUrgent = false;
  /** Deliveries that were settled at once in this turn of the event loop. */
  private inTurn = 0;
  /** One for all that have a handler: the next one may be late at `timerMs`. */
  private timer: NodeJS.Timeout | undefined;
  private timerMs = Infinity;

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
    this.hasUrgent = this.waiting.some((task) => task.isUrgent);
  }

  private start(): void {
    while (this.running.size < this.concurrency && this.inTurn < turnMax) {
      const task = this.next();
      if (task === undefined) return;
      this.running.set(task.stream, task);
      if (task.run(this.handler, this.onSettled)) {
        this.running.delete(task.stream);
        this.countTurn();
      } else this.watch(task.dueMs);
    }
  }

  private readonly onSettled = ({ stream }: Task): void => {
    this.running.delete(stream);
    this.start();
  };

  /** Comes after `Settling.ack`, which also waits for the end of the turn. */
  private countTurn(): void {
    if (++this.inTurn > 1) return;
    setImmediate(() => {
      this.inTurn = 0;
      this.start();
    });
  }

  private next(): Task | undefined {
    const first = this.waiting[0];
    if (first === undefined) return undefined;
    // Nearly always.
    if (!this.hasUrgent && !this.running.has(first.stream)) return this.waiting.shift();
    const isFree = ({ stream }: Task): boolean => !this.running.has(stream);
    const urgent = this.hasUrgent ? this.waiting.findIndex((task) => task.isUrgent && isFree(task)) : -1;
    const at = urgent === -1 ? this.waiting.findIndex(isFree) : urgent;
    if (at === 0) return this.waiting.shift();
    return at === -1 ? undefined : this.waiting.splice(at, 1)[0];
  }

  private watch(dueMs: number): void {
    if (dueMs >= this.timerMs) return;
    clearTimeout(this.timer);
    this.timerMs = dueMs;
    this.timer = setTimeout(this.endLate, dueMs - performance.now()).unref();
  }

  private readonly endLate = (): void => {
    const nowMs = performance.now();
    let nextMs = Infinity;
    for (const task of this.running.values()) {
      if (task.isLost) continue;
      if (task.dueMs <= nowMs) task.expire();
      else nextMs = Math.min(nextMs, task.dueMs);
    }
    this.timerMs = Infinity;
    this.watch(nextMs);
  };
}
