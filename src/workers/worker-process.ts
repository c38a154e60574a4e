import { fork, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Snapshot } from '../metrics/metric';
import type { FromWorker, StartFailure, ToWorker, WorkerStart } from './messages';

/** The program of a worker. */
const program = join(__dirname, '..', 'worker-main.js');

/** How long an answer of a worker is waited for. */
const answerTimeoutMs = 2_000;

/** Pings without an answer after which a worker is ended: it serves nobody, and what waits for it takes ever more memory. */
const pingIntervalMs = 5_000;
const pingsMax = 4;

type Answer = Extract<FromWorker, { readonly kind: 'reloaded' | 'metrics' }>;

/** How a worker process ended. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A worker could not start. */
export class WorkerStartError extends Error {
  constructor(readonly failure: StartFailure) {
    super(failure.message);
  }
}

/** A worker process, as the primary knows it. */
export class WorkerProcess {
  /** Its client connections. */
  connections = 0;
  /** Whether it takes connections. */
  isReady = false;
  readonly number: number;
  readonly startedAtMs = performance.now();
  private readonly child: ChildProcess;
  private readonly listeners: ((message: FromWorker) => void)[] = [];
  private readonly endListeners: (() => void)[] = [];
  /** Connections that it has not taken yet, in order. Node.js would leave some of them open when it ends. */
  private readonly untaken: Socket[] = [];
  /** As of the last request for them. */
  lastMetrics: readonly Snapshot[] = [];
  private hasEnded = false;
  /** Counted, since a primary that was stopped itself has sent none. */
  private pings = 0;
  /** What waits for its answers, which come in order. */
  private readonly asked: Record<Answer['kind'], ((answer: Answer | undefined) => void)[]> = {
    reloaded: [],
    metrics: [],
  };
  readonly ended: Promise<WorkerEnd>;

  /** `relay` gets each line that it logs, with its line break. */
  constructor(start: WorkerStart, relay: (line: string) => void) {
    this.number = start.number;
    this.child = fork(program, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    if (this.child.stderr !== null) readLines(this.child.stderr, relay);
    // A message to a worker that is gone: its end is reported anyway.
    this.child.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (this.hasEnded) return;
        this.hasEnded = true;
        this.isReady = false;
        for (const listener of this.endListeners) listener();
        for (const settle of [...this.asked.reloaded, ...this.asked.metrics]) settle(undefined);
        resolve({ code, signal });
      };
      // Not 'exit': its last lines may come after that.
      this.child.once('close', end);
      // It may not have been started at all.
      this.child.once('error', () => {
        if (this.child.pid === undefined) end(null, null);
      });
    });
    const pinging = setInterval(() => {
      this.ping();
    }, pingIntervalMs).unref();
    this.onEnd(() => {
      clearInterval(pinging);
      for (const socket of this.untaken) socket.destroy();
    });
    this.child.on('message', (message) => {
      this.receive(message as FromWorker);
    });
    this.send({ kind: 'start', start });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  send(message: ToWorker): void {
    if (!this.hasEnded && this.child.connected) this.child.send(message, () => undefined);
  }

  /** Hands over a connection that nobody has read from. */
  give(socket: Socket, peer: string | undefined): void {
    this.connections++;
    const message: ToWorker = { kind: 'connection', peer };
    this.untaken.push(socket);
    this.child.send(message, socket, { keepOpen: true }, () => undefined);
  }

  onMessage(listener: (message: FromWorker) => void): void {
    this.listeners.push(listener);
  }

  onEnd(listener: () => void): void {
    this.endListeners.push(listener);
  }

  /** Resolves when it takes connections. Rejects with WorkerStartError if it cannot. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.onMessage((message) => {
        if (message.kind === 'ready') resolve();
        else if (message.kind === 'failed') reject(new WorkerStartError(message.failure));
      });
      this.onEnd(() => {
        reject(new WorkerStartError({ stage: 'store', message: 'a worker ended before it could serve' }));
      });
    });
  }

  /** Asks it to look at its files and to log at a level. Resolves when it has, or does not answer. */
  async reload(level: string): Promise<void> {
    await this.ask({ kind: 'reload', level }, 'reloaded');
  }

  /** Its metrics; the last ones if it does not answer in time: without them, all counts would go back. */
  async metrics(): Promise<readonly Snapshot[]> {
    const answer = await this.ask({ kind: 'metrics' }, 'metrics');
    if (answer !== undefined) this.lastMetrics = answer.metrics;
    return this.lastMetrics;
  }

  /** Sends a request; resolves with the answer, or with undefined if it does not come in time. */
  private ask<Kind extends Answer['kind']>(
    request: ToWorker,
    kind: Kind,
  ): Promise<Extract<Answer, { readonly kind: Kind }> | undefined> {
    if (this.hasEnded) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const settle = (answer: Answer | undefined): void => {
        clearTimeout(timer);
        resolve(answer as Extract<Answer, { readonly kind: Kind }> | undefined);
      };
      const timer = setTimeout(settle, answerTimeoutMs, undefined);
      this.asked[kind].push(settle);
      this.send(request);
    });
  }

  /** Asks it to finish its calls and to end; ends it after a time. */
  async stop(timeoutMs: number): Promise<void> {
    this.isReady = false;
    this.send({ kind: 'stop' });
    const timer = setTimeout(() => {
      this.kill();
    }, timeoutMs);
    await this.ended;
    clearTimeout(timer);
  }

  kill(): void {
    if (!this.hasEnded) this.child.kill('SIGKILL');
  }

  private ping(): void {
    // A start on a slow machine, and a stop, take their time.
    if (!this.isReady) return;
    if (this.pings++ < pingsMax) this.send({ kind: 'ping' });
    else this.kill();
  }

  private receive(message: FromWorker): void {
    if (message.kind === 'pong') this.pings = 0;
    // Of this process; the connection belongs to the worker now.
    if (message.kind === 'taken') this.untaken.shift()?.destroy();
    if (message.kind === 'ended') this.connections -= message.connections;
    if (message.kind === 'ready') this.isReady = true;
    if (message.kind === 'reloaded' || message.kind === 'metrics')
      this.asked[message.kind].shift()?.(message);
    for (const listener of this.listeners) listener(message);
  }
}

/** Not by node:readline, for which some characters within a line end it. */
function readLines(stream: Readable, take: (line: string) => void): void {
  let begun = '';
  stream.setEncoding('utf8').on('data', (text: string) => {
    const lines = (begun + text).split('\n');
    begun = lines.pop() ?? '';
    for (const line of lines) take(`${line}\n`);
  });
  stream.once('end', () => {
    if (begun !== '') take(`${begun}\n`);
  });
}
