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
  /** Opens the file again, which may have been renamed. The log of the gateway says if that fails. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the audit log that the guard wants, and follows its generations: if a later one names a file that cannot be opened, the
 * one before is used. Throws if the first one cannot be opened.
 */
export async function openAudit(guard: Guard, limits: Limits, log: Logger): Promise<AuditLog> {
  const audit = new FileAudit(limits, log);
  await audit.configure(guard.audit);
  guard.onChange(() => {
    void audit.change(() => audit.configure(guard.audit));
  });
  return audit;
}

const warnIntervalMs = 60_000;

class FileAudit implements AuditLog {
  hasWrites = false;
  hasReads = false;
  private file: AuditFile | undefined;
  private refuses = false;
  private reserved = 0;
  private dropped = 0;
  private droppedSince = new Date();
  private warnedAtMs = -Infinity;
  private changes: Promise<void> = Promise.resolve();
  private readonly denials: AuditDenials;

  constructor(
    private readonly limits: Limits,
    private readonly log: Logger,
  ) {
    this.denials = new AuditDenials(limits, (line) => {
      this.write(line);
    });
  }

  denied(entry: AuditEntry): void {
    if (this.file !== undefined) this.denials.add(entry);
  }

  record(entry: AuditEntry): void {
    if (this.hasReads) this.write(toLine(entry));
  }

  reserve(streams: readonly string[]): number | undefined {
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
    if (!this.hasWrites) return;
    if (reserved > 0) this.file?.write(toLine(entry));
    else this.write(toLine(entry));
  }

  async configure(settings: AuditSettings | undefined): Promise<void> {
    const before = this.file;
    if (settings !== undefined && settings.file === before?.path) await before.reopen();
    else {
      const opened = settings && (await this.open(settings.file));
      this.denials.flush();
      this.file = opened;
    }
    const { events, when_full: whenFull } = settings ?? {};
    this.hasWrites = events === 'writes' || events === 'all';
    this.hasReads = events === 'all';
    this.refuses = this.hasWrites && whenFull === 'refuse';
    if (this.file !== before) await before?.close();
  }

  /** One after another. */
  change(work: () => Promise<void>): Promise<void> {
    this.changes = this.changes.then(work).catch((err: unknown) => {
      this.log.error({ err }, 'the audit log goes on as before');
    });
    return this.changes;
  }

  reopen(): Promise<void> {
    return this.change(async () => this.file?.reopen());
  }

  close(): Promise<void> {
    return this.change(() => this.configure(undefined));
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
