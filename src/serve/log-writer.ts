import { constants, openSync, writeSync } from 'node:fs';

const wantsMetadata: unique symbol = Symbol.for('pino.metadata');
/** The level from which no line is dropped. */
export const fatal = 60;
const retryIntervalMs = 20;
/** How long the end of the process waits for a reader of the log that reads nothing. */
const endWaitMs = 1_000;

export interface LogWriterOptions {
  /** A descriptor for which no write waits, see `logDescriptor`. */
  readonly fd: number;
  /** Bytes that may wait; later lines are dropped and counted. */
  readonly bytesMax: number;
  /** The line that says how many were dropped. */
  readonly toNote: (lines: number) => string;
}

/**
 * Writes the log at once while its reader keeps up, so that the last lines before any end are there. When the reader does not,
 * nothing waits for it: a bounded number of bytes is kept and written later, and what was dropped is said then.
 */
export class LogWriter {
  /** Has pino set `lastLevel`. */
  readonly [wantsMetadata] = true;
  lastLevel = 0;
  private readonly waiting: Buffer[] = [];
  private waitingBytes = 0;
  private dropped = 0;
  private retry: NodeJS.Timeout | undefined;

  constructor(private readonly options: LogWriterOptions) {}

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.waitingBytes + bytes.length > this.options.bytesMax && this.lastLevel < fatal) this.dropped++;
    else this.add(bytes);
    if (this.retry === undefined) this.proceed();
  }

  /** Writes what waits, for at most a second. Called by pino after a fatal line, and at the end of the process. */
  flushSync(): void {
    const pause = new Int32Array(new SharedArrayBuffer(4));
    const endsAtMs = performance.now() + endWaitMs;
    while (!this.writeAll() && performance.now() < endsAtMs) Atomics.wait(pause, 0, 0, retryIntervalMs);
  }

  private readonly proceed = (): void => {
    this.retry = this.writeAll() ? undefined : setTimeout(this.proceed, retryIntervalMs).unref();
  };

  private add(bytes: Buffer): void {
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
  }

  /** False: the reader has to read first. A line that cannot be written for another reason is dropped, and counted. */
  private writeAll(): boolean {
    for (let line = this.waiting[0]; line !== undefined; line = this.waiting[0]) {
      try {
        const written = writeSync(this.options.fd, line);
        this.waitingBytes -= written;
        if (written < line.length) this.waiting[0] = line.subarray(written);
        else this.written();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
        this.waiting.shift();
        this.waitingBytes -= line.length;
        this.dropped++;
      }
    }
    return true;
  }

  private written(): void {
    this.waiting.shift();
    if (this.waiting.length > 0 || this.dropped === 0) return;
    this.add(Buffer.from(this.options.toNote(this.dropped)));
    this.dropped = 0;
  }
}

/** stderr, as a descriptor for which a write fails with EAGAIN when it would have to wait: a pipe, a socket or a terminal. */
export function logDescriptor(): number {
  // Node.js opens it now, and makes a pipe or a socket such a descriptor.
  const { isTTY, fd } = process.stderr;
  if (!isTTY) return fd;
  try {
    return openSync('/proc/self/fd/2', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return fd; // not Linux, or a terminal of another user
  }
}
