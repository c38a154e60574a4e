import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Adopt } from '../grpc/server';
import type { Limits } from '../limits';
import { countsOf } from '../metrics/combined';
import type { Snapshot } from '../metrics/metric';
import { attach, type HubOptions } from './hub';
import type { WorkerStart } from './messages';
import { WorkerProcess } from './worker-process';

export interface WorkerPoolOptions extends HubOptions {
  readonly count: number;
  /** What a worker serves with. */
  readonly startOf: (number: number) => WorkerStart;
  readonly limits: Pick<Limits, 'connectionsMax' | 'shutdownTimeoutMs'>;
  readonly log: Logger;
  /** Gets each line that a worker logs, with its line break. */
  readonly relay: (line: string) => void;
}

const pauseMinMs = 100;
const pauseMaxMs = 10_000;
/** A worker that has lived longer is replaced at once. */
const provenMs = 60_000;
/** What a stop takes besides the wait for calls under way. */
const stopExtraMs = 15_000;
/** Connections that wait while no worker takes any, and for how long. */
const waitingMax = 1_000;
const waitingMs = 10_000;
const warnIntervalMs = 60_000;

/** The workers of a gateway: each that ends is replaced. */
export class WorkerPool {
  private readonly workers = new Map<number, WorkerProcess>();
  private readonly stop = new AbortController();
  private readonly replacing = new Set<Promise<void>>();
  /** How long each worker was last waited for, by its number: one that ends soon after each start must not be started all the time. */
  private readonly pausesMs = new Map<number, number>();
  private waiting: { readonly socket: Socket; readonly peer: string | undefined; readonly atMs: number }[] =
    [];
  private lastGiven = 0;
  private isLeaving = false;
  /** What workers have counted that are gone: a sum that goes back would look like a reset of all. */
  private counted: Promise<readonly Snapshot[]> = Promise.resolve([]);
  /** Connections that were refused at the limit. */
  refused = 0;
  private refusedSince = 0;
  private warnedAtMs = -Infinity;

  constructor(private readonly options: WorkerPoolOptions) {}

  /** Starts all workers. Rejects with WorkerStartError, and then none runs. */
  async start(): Promise<void> {
    const numbers = Array.from({ length: this.options.count }, (_, index) => index + 1);
    try {
      await Promise.all(numbers.map((number) => this.startOne(number)));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Gives a connection to the worker that has the fewest. */
  readonly give: Adopt = (socket, peer) => {
    if (this.connections >= this.options.limits.connectionsMax) this.refuse(socket);
    else if (!this.giveNow(socket, peer)) this.hold(socket, peer);
  };

  /** All that take connections. */
  get ready(): readonly WorkerProcess[] {
    return [...this.workers.values()].filter(({ isReady }) => isReady);
  }

  /** The metrics of all workers, and the counts of those that are gone. */
  async metrics(): Promise<readonly (readonly Snapshot[])[]> {
    const ofWorkers = await Promise.all(this.ready.map((worker) => worker.metrics()));
    return [...ofWorkers, await this.counted];
  }

  /** All workers report NOT_SERVING from now on, also those that are replaced. */
  leave(): void {
    this.isLeaving = true;
    for (const worker of this.ready) worker.send({ kind: 'leave' });
  }

  /** Stops all workers; resolves when they have ended. */
  async close(): Promise<void> {
    this.stop.abort();
    for (const { socket } of this.waiting) socket.destroy();
    this.waiting = [];
    const timeoutMs = this.options.limits.shutdownTimeoutMs + stopExtraMs;
    await Promise.all([...this.workers.values()].map((worker) => worker.stop(timeoutMs)));
    await Promise.all(this.replacing);
  }

  private get connections(): number {
    let sum = 0;
    for (const { connections } of this.workers.values()) sum += connections;
    return sum;
  }

  private async startOne(number: number): Promise<void> {
    const worker = new WorkerProcess(this.options.startOf(number), this.options.relay);
    this.workers.set(number, worker);
    attach(worker, this.options);
    void worker.ended.then(() => {
      if (this.workers.get(number) === worker) this.workers.delete(number);
      this.counted = this.counted.then((counts) => countsOf(counts, worker.lastMetrics));
    });
    try {
      await worker.ready();
    } catch (error) {
      worker.kill();
      await worker.ended;
      throw error;
    }
    void worker.ended.then((end) => {
      if (this.stop.signal.aborted) return;
      this.options.log.error({ worker: number, pid: worker.pid, ...end }, 'a worker has ended; replacing it');
      const replaced = this.replace(number, performance.now() - worker.startedAtMs).finally(() =>
        this.replacing.delete(replaced),
      );
      this.replacing.add(replaced);
    });
    // What changed while it started, it may have read before.
    void worker.reload(this.options.log.level);
    if (this.isLeaving) worker.send({ kind: 'leave' });
    for (const { socket, peer } of this.waiting.splice(0)) this.give(socket, peer);
  }

  private async replace(number: number, livedMs: number): Promise<void> {
    const { signal } = this.stop;
    let pauseMs = livedMs > provenMs ? 0 : next(this.pausesMs.get(number) ?? 0);
    for (; ; pauseMs = next(pauseMs)) {
      this.pausesMs.set(number, pauseMs);
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (this.hasStopped()) return;
      try {
        await this.startOne(number);
        this.options.log.info({ worker: number }, 'the worker is replaced');
        return;
      } catch (err) {
        if (!this.hasStopped()) this.options.log.error({ worker: number, err }, 'a worker cannot be started');
      }
    }
  }

  private hasStopped(): boolean {
    return this.stop.signal.aborted;
  }

  private giveNow(socket: Socket, peer: string | undefined): boolean {
    let least: WorkerProcess | undefined;
    for (const worker of this.ready) {
      const difference = worker.connections - (least?.connections ?? Infinity);
      // Among equals they take turns.
      if (difference < 0 || (difference === 0 && this.isNext(worker, least))) least = worker;
    }
    if (least === undefined) return false;
    this.lastGiven = least.number;
    least.give(socket, peer);
    return true;
  }

  private isNext({ number }: WorkerProcess, least: WorkerProcess | undefined): boolean {
    return number > this.lastGiven && (least?.number ?? 0) <= this.lastGiven;
  }

  /** Until a worker is replaced. */
  private hold(socket: Socket, peer: string | undefined): void {
    const nowMs = performance.now();
    const isOld = ({ atMs }: { readonly atMs: number }): boolean => nowMs - atMs > waitingMs;
    for (const old of this.waiting.filter(isOld)) old.socket.destroy();
    this.waiting = this.waiting.filter((one) => !isOld(one));
    if (this.waiting.length >= waitingMax || this.stop.signal.aborted) socket.destroy();
    else this.waiting.push({ socket, peer, atMs: nowMs });
  }

  private refuse(socket: Socket): void {
    socket.destroy();
    this.refused++;
    this.refusedSince++;
    if (performance.now() - this.warnedAtMs < warnIntervalMs) return;
    const { connectionsMax } = this.options.limits;
    this.options.log.warn(
      { connectionsMax, refused: this.refusedSince },
      'connections are refused: the limit is reached',
    );
    this.warnedAtMs = performance.now();
    this.refusedSince = 0;
  }
}

function next(pauseMs: number): number {
  return Math.min(pauseMaxMs, Math.max(pauseMinMs, 2 * pauseMs));
}
