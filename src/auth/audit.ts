import type { Logger } from 'pino';
import type { Limits } from '../limits';
import { AuditDenials } from './audit-denials';
import { lineBytesMax, toDroppedLine, toLine, type AuditEntry } from './audit-entry';
import { AuditFile } from './audit-file';
import type { Guard } from './guard';
import type { AuditEntry as AuditSettings } from './schema';

/** Records who did what, as `audit` of the auth file says. Without that, each method costs next to nothing. */
export interface Audit {
  /** Whether appends are recorded. */
  readonly hasWrites: boolean;
  /** Whether reads, subscriptions and sessions are recorded. */
  readonly hasReads: boolean;
  denied(entry: AuditEntry): void;
  /** A read, a subscription or a session begins or ends. */
  record(entry: AuditEntry): void;
  /**
   * Before an append to these streams: the bytes that are kept for its entry, which `appended` has to give back; undefined: there
   * is no room, and the append must not be stored. Always 0 unless `when_full` is `refuse`.
   */
  reserve(streams: readonly string[]): number | undefined;
  appended(entry: AuditEntry, reserved: number): void;
}

/** Records nothing. */
export const noAudit: Audit = {
  hasWrites: false,
  hasReads: false,
  denied: () => undefined,
  record: () => undefined,
  reserve: () => 0,
  appended: () => undefined,
};

/** The audit log of a gateway. */
export interface AuditLog extends Audit {
  readonly facts: AuditFacts;
  /** Opens the file that the guard wants, also if it is the same one, which may have been renamed. Never rejects: see `openAudit`. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the audit log that the guard wants, and follows its generations. If a later one names a file that cannot be opened, the one
 * before is used, except that appends are refused where only the later one wants that; the log of the gateway and the guard say so.
 * Throws if the first one cannot be opened.
 */
export async function openAudit(guard: Guard, limits: Limits, log: Logger): Promise<AuditLog> {
  const audit = new FileAudit(guard, limits, log);
  await audit.use(guard.audit);
  guard.onChange(() => void audit.reopen());
  return audit;
}

export interface AuditFacts {
  /** Lines that are not written yet. */
  readonly waitingLines: number;
  /** Bytes of these, and those that are reserved for appends under way. */
  readonly waitingBytes: number;
  /** Lines that were dropped since the start. */
  readonly dropped: number;
}

const warnIntervalMs = 60_000;

class FileAudit implements AuditLog {
  hasReads = false;
  private file: AuditFile | undefined;
  private recordsWrites = false;
  private refuses = false;
  private reserved = 0;
  private dropped = 0;
  private droppedInAll = 0;
  private droppedSince = new Date();
  private warnedAtMs = -Infinity;
  private changes: Promise<void> = Promise.resolve();
  private closing: Promise<unknown> = Promise.resolve();
  private isClosed = false;
  private readonly denials: AuditDenials;

  constructor(
    private readonly guard: Guard,
    private readonly limits: Limits,
    private readonly log: Logger,
  ) {
    this.denials = new AuditDenials(limits, (line) => {
      this.write(line);
    });
  }

  get facts(): AuditFacts {
    const { waitingLines = 0, waitingBytes = 0 } = this.file ?? {};
    return { waitingLines, waitingBytes: waitingBytes + this.reserved, dropped: this.droppedInAll };
  }

  get hasWrites(): boolean {
    return this.recordsWrites || this.isBlocked;
  }

  /** The guard wants nothing unaudited, and the file for that is not open, or not yet. */
  private get isBlocked(): boolean {
    return !this.refuses && refuses(this.guard.audit);
  }

  denied(entry: AuditEntry): void {
    if (this.file !== undefined) this.denials.add(entry);
  }

  record(entry: AuditEntry): void {
    if (this.hasReads) this.write(toLine(entry));
  }

  reserve(streams: readonly string[]): number | undefined {
    if (this.isBlocked) return undefined;
    const { file } = this;
    if (!this.refuses || file === undefined) return 0;
    const bytes = lineBytesMax(streams);
    if (file.isFailing || file.waitingBytes + this.reserved + bytes > this.limits.auditBytesMax)
      return undefined;
    this.reserved += bytes;
    return bytes;
  }

  appended(entry: AuditEntry, reserved: number): void {
    this.reserved -= reserved;
    if (reserved > 0) this.file?.write(toLine(entry));
    else if (this.recordsWrites) this.write(toLine(entry));
  }

  /** Throws if the file cannot be opened, and then changes nothing. */
  async use(settings: AuditSettings | undefined): Promise<void> {
    if (settings === undefined) this.retire();
    else if (this.file !== undefined) await this.file.moveTo(settings.file);
    else this.file = await this.open(settings.file);
    this.recordsWrites = recordsWrites(settings);
    this.hasReads = settings?.events === 'all';
    this.refuses = refuses(settings);
  }

  /** One after another. */
  reopen(): Promise<void> {
    this.changes = this.changes
      .then(() => this.use(this.isClosed ? undefined : this.guard.audit))
      .then(
        () => {
          this.guard.reportAudit(undefined);
        },
        (err: unknown) => {
          this.report(err);
        },
      );
    return this.changes;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.reopen();
    await this.closing;
  }

  private report(err: unknown): void {
    const message = this.isBlocked
      ? 'appends are refused until the audit log can be opened'
      : 'the audit log goes on as before';
    this.log.error({ err }, message);
    this.guard.reportAudit(`${message}: ${(err as Error).message}`);
  }

  /** In the background, since a file that cannot be written takes its time, and the next one must not wait for it. */
  private retire(): void {
    this.denials.flush();
    this.closing = Promise.all([this.closing, this.file?.close()]);
    this.file = undefined;
  }

  private open(path: string): Promise<AuditFile> {
    return AuditFile.open(path, this.log, () => {
      this.reportDropped();
    });
  }

  /** With `refuse`, only half of the bytes are for this, so that denials cannot stop appends. */
  private write(line: string): void {
    const { file } = this;
    if (file === undefined) return;
    const bytesMax = this.refuses ? this.limits.auditBytesMax / 2 : this.limits.auditBytesMax;
    if (file.waitingBytes + this.reserved + Buffer.byteLength(line) > bytesMax) this.drop(file.path);
    else {
      this.reportDropped();
      file.write(line);
    }
  }

  private drop(path: string): void {
    this.droppedInAll++;
    if (this.dropped++ === 0) this.droppedSince = new Date();
    if (performance.now() - this.warnedAtMs < warnIntervalMs) return;
    this.warnedAtMs = performance.now();
    this.log.error({ path, dropped: this.dropped }, 'the audit log is full: entries are dropped');
  }

  private reportDropped(): void {
    if (this.dropped === 0) return;
    this.file?.write(toDroppedLine(this.dropped, this.droppedSince));
    this.dropped = 0;
  }
}

function recordsWrites(settings: AuditSettings | undefined): boolean {
  return settings?.events === 'writes' || settings?.events === 'all';
}

function refuses(settings: AuditSettings | undefined): boolean {
  return settings?.when_full === 'refuse' && recordsWrites(settings);
}
