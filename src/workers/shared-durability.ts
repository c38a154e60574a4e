import { setTimeout as sleep } from 'node:timers/promises';
import { newSyncCounts, type Durability } from '../store/durability';
import { StoreUnavailableError } from '../store/errors';

/** The way to the process that syncs the log. */
export interface SyncLink {
  sync(request: { readonly ticket: number; readonly upTo: bigint; readonly waitMs: number }): void;
  forget(): void;
}

/** How long a caller without a deadline waits. */
const patienceMs = 10_000;
const checkMs = 50;

interface Waiter {
  readonly sequence: bigint;
  readonly giveUpMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Request {
  /** Of the log; 0: all of it. */
  readonly upTo: bigint;
  readonly timesForgotten: number;
  waiters: Waiter[];
}

/**
 * Another process syncs the log. Callers that begin to wait in the same turn of the event loop share a request; the other process
 * syncs once for the requests of all.
 */
export class SharedDurability implements Durability {
  /** Everything up to here is durable. */
  private synced = 0n;
  private timesForgotten = 0;
  private waiting: Waiter[] = [];
  private readonly requests = new Map<number, Request>();
  private tickets = 0;
  private failure: StoreUnavailableError | undefined;
  private checking: NodeJS.Timeout | undefined;
  readonly failed: Promise<void>;
  /** None: the other process counts them. */
  readonly counts = newSyncCounts();
  private onFailure = (): void => undefined;

  constructor(private readonly link: SyncLink) {
    this.failed = new Promise((resolve) => (this.onFailure = resolve));
  }

  begin(): void {
    return undefined;
  }

  whenDurable(sequence: bigint, giveUpMs?: number): Promise<void> | undefined {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return sequence <= this.synced ? undefined : this.wait(sequence, giveUpMs);
  }

  whenAllDurable(giveUpMs?: number): Promise<void> {
    return this.failure === undefined ? this.wait(0n, giveUpMs) : Promise.reject(this.failure);
  }

  forget(): void {
    this.synced = 0n;
    this.timesForgotten++;
    // Before any later request: the other process must not take an earlier sync for one of the same sequence.
    this.link.forget();
  }

  async idle(): Promise<void> {
    while (this.waiting.length + this.requests.size > 0) await sleep(checkMs);
  }

  /** A request is done. */
  onSynced(ticket: number): void {
    const request = this.take(ticket);
    if (request === undefined) return;
    const { upTo, waiters, timesForgotten } = request;
    if (upTo > this.synced && timesForgotten === this.timesForgotten) this.synced = upTo;
    for (const { resolve } of waiters) resolve();
  }

  /** A request has failed. */
  onUnsynced(ticket: number, reason: string): void {
    for (const { reject } of this.take(ticket)?.waiters ?? []) reject(new StoreUnavailableError(reason));
  }

  /** Nothing becomes durable any more. */
  onFailed(): void {
    this.failure = new StoreUnavailableError('the disk cannot be written; the gateway ends');
    const waiters = [...this.waiting, ...[...this.requests.values()].flatMap((request) => request.waiters)];
    this.waiting = [];
    this.requests.clear();
    clearInterval(this.checking);
    for (const { reject } of waiters) reject(this.failure);
    this.onFailure();
  }

  private wait(sequence: bigint, giveUpMs = performance.now() + patienceMs): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.waiting.length === 0) setImmediate(this.request);
      this.waiting.push({ sequence, giveUpMs, resolve, reject });
      this.checking ??= setInterval(() => {
        this.giveUp();
      }, checkMs);
    });
  }

  private readonly request = (): void => {
    const waiters = this.waiting;
    this.waiting = [];
    if (waiters.length === 0) return;
    let [upTo, giveUpMs] = [0n, 0];
    for (const waiter of waiters) {
      if (waiter.sequence > upTo) upTo = waiter.sequence;
      giveUpMs = Math.max(giveUpMs, waiter.giveUpMs);
    }
    // A request for all that the log has now covers every sequence that was acknowledged.
    if (waiters.some(({ sequence }) => sequence === 0n)) upTo = 0n;
    const ticket = this.tickets++;
    this.requests.set(ticket, { upTo, waiters, timesForgotten: this.timesForgotten });
    this.link.sync({ ticket, upTo, waitMs: giveUpMs - performance.now() });
  };

  private take(ticket: number): Request | undefined {
    const request = this.requests.get(ticket);
    this.requests.delete(ticket);
    if (this.requests.size + this.waiting.length === 0) {
      clearInterval(this.checking);
      this.checking = undefined;
    }
    return request;
  }

  /** Rejects the waiters whose deadline has passed. */
  private giveUp(): void {
    const nowMs = performance.now();
    for (const request of this.requests.values())
      request.waiters = request.waiters.filter(({ giveUpMs, reject }) => {
        if (giveUpMs > nowMs) return true;
        reject(new StoreUnavailableError('the log is not synced to disk in time'));
        return false;
      });
  }
}
