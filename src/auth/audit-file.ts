import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

/** Bytes that are written at a time, except a single longer line. */
const writeBytesMax = 256 << 10;
/** How long lines are gathered before they are written. */
const gatherMs = 5;
const retryMs = 1_000;
/** How long a file that cannot be written delays a stop. */
const closeTimeoutMs = 5_000;

/**
 * Appends lines to a file, in order and never a part of one, in the background. While the file cannot be written, the lines wait in
 * memory; their bound is with the caller. `sonic-boom`, which comes with pino, divides a line between two files if the disk was
 * full before the file is opened again, and waits for ever at its end.
 */
export class AuditFile {
  private lines: string[] = [];
  private bytes = 0;
  private running: Promise<void> | undefined;
  private next: { readonly path: string; readonly handle: FileHandle } | undefined;
  private failure: unknown;
  private isClosing = false;
  private wake = (): void => undefined;

  private constructor(
    private current: string,
    private handle: FileHandle,
    private readonly log: Logger,
    /** Called when all lines are written; it may write more. */
    private readonly onDrained: () => void,
  ) {}

  /** Creates the file if it does not exist. Throws if it cannot be opened. */
  static async open(path: string, log: Logger, onDrained: () => void): Promise<AuditFile> {
    return new AuditFile(path, await openToAppend(path), log, onDrained);
  }

  /** Of the file that is written at present. */
  get path(): string {
    return this.current;
  }

  /** Lines that no write has begun for. */
  get waitingLines(): number {
    return this.lines.length;
  }

  /** Bytes that are not written yet. */
  get waitingBytes(): number {
    return this.bytes;
  }

  /** The last attempt to write has failed. */
  get isFailing(): boolean {
    return this.failure !== undefined;
  }

  /** `line` ends with a line break. */
  write(line: string): void {
    this.lines.push(line);
    this.bytes += Buffer.byteLength(line);
    this.start();
  }

  /**
   * Later lines, and those that wait, go to the file that has this path now. Throws if it cannot be opened, and then goes on with the
   * one it has.
   */
  async moveTo(path: string): Promise<void> {
    const handle = await openToAppend(path);
    const unused = this.next;
    this.next = { path, handle };
    await this.discard(unused?.handle);
    this.wake();
    this.start();
  }

  /** Writes what waits; if that takes too long, it is lost, and the log says so. */
  async close(): Promise<void> {
    const timer = setTimeout(() => {
      this.isClosing = true;
      this.wake();
    }, closeTimeoutMs);
    while (this.running !== undefined) await this.running;
    clearTimeout(timer);
    this.isClosing = true;
    if (this.bytes > 0)
      this.log.error({ path: this.path, bytes: this.bytes }, 'lines of the audit log are lost');
    await this.discard(this.next?.handle);
    await this.discard(this.handle);
  }

  private start(): void {
    this.running ??= this.run().finally(() => {
      this.running = undefined;
      if (this.hasWork) this.start();
    });
  }

  private get hasWork(): boolean {
    return !this.isClosing && (this.lines.length > 0 || this.next !== undefined);
  }

  private async run(): Promise<void> {
    while (this.hasWork) {
      // A write costs ten times as much as a line.
      if (this.bytes < writeBytesMax) await sleep(gatherMs);
      await this.swap();
      await this.writeSome(this.take());
      if (this.lines.length === 0) this.onDrained();
    }
  }

  private take(): Buffer {
    let bytes = 0;
    const end = this.lines.findIndex((line) => (bytes += line.length) > writeBytesMax);
    const some = this.lines.splice(0, end < 0 ? this.lines.length : Math.max(1, end));
    return Buffer.from(some.join(''));
  }

  private async writeSome(some: Buffer): Promise<void> {
    let at = 0;
    while (at < some.length) {
      try {
        const { bytesWritten } = await this.handle.write(some, at);
        at += bytesWritten;
        this.bytes -= bytesWritten;
        this.recover();
      } catch (error) {
        this.fail(error);
        if (this.isClosing) return;
        await this.pause();
        if (this.next === undefined) continue;
        // The new file gets the line from its beginning.
        const lineAt = some.subarray(0, at).lastIndexOf(lineBreak) + 1;
        this.bytes += at - lineAt;
        at = lineAt;
        await this.swap();
      }
    }
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, retryMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async swap(): Promise<void> {
    if (this.next === undefined) return;
    const [before, { path, handle }] = [this.handle, this.next];
    this.handle = handle;
    this.next = undefined;
    await this.discard(before);
    this.current = path;
  }

  /** Nothing is left to write to it, so an error of its close must not stop what is written elsewhere. */
  private async discard(handle: FileHandle | undefined): Promise<void> {
    try {
      await handle?.close();
    } catch (err) {
      this.log.error({ err, path: this.path }, 'a file of the audit log cannot be closed');
    }
  }

  private fail(error: unknown): void {
    if (!this.isFailing) this.log.error({ err: error, path: this.path }, 'the audit log cannot be written');
    this.failure = error;
  }

  private recover(): void {
    if (this.isFailing) this.log.info({ path: this.path }, 'the audit log is written again');
    this.failure = undefined;
  }
}

const lineBreak = 0x0a;

/** Only its owner may read it. */
async function openToAppend(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a', 0o600);
  } catch (error) {
    throw new Error(`the audit log ${path} cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}
