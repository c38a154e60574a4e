import type { Logger } from 'pino';
import { AuditDenials } from './audit-denials';
import { lineBytesMax, toDroppedLine, toLine, type AuditEntry } from './audit-entry';
import { AuditFile } from './audit-file';

/** The part `audit` of the auth file. */
export interface AuditSettings {
  /** An absolute path. */
  readonly file: string;
  /** `denied`: who was refused; `writes`: appends as well; `all`: reads and subscriptions as well. */
  readonly events: 'denied' | 'writes' | 'all';
  /** What happens while the file takes no more: entries are dropped and counted, or appends are refused. */
  readonly whenFull: 'drop' | 'refuse';
}

/** Records who did what. Each method costs next to nothing while nothing is recorded. */
export interface Audit {
  /** Whether appends are recorded. */
  readonly hasWrites: boolean;
  /** Whether reads and subscriptions are recorded. */
  readonly hasReads: boolean;
  denied(entry: AuditEntry): void;
  /** A read, a subscription or a session. */
  record(entry: AuditEntry): void;
  /** Before an append: the bytes that are kept for its entry, which `appended` has to give back; undefined: it must not be stored. */
  reserve(streams: readonly string[]): number | undefined;
  appended(entry: AuditEntry, reserved: number): void;
}

/** An audit log whose settings may change. */
export interface AuditLog extends Audit {
  /** Takes new settings, undefined: nothing is recorded. Throws if the file cannot be opened, and then leaves all as it is. */
  configure(settings: AuditSettings | undefined): Promise<void>;
  /** Opens the file again, which may have been renamed. The log of the gateway has it if that fails. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** Bytes of entries that are not written yet. */
export const auditBytesMax = 8 << 20;
/** With `refuse`, what is not about an append uses at most this many of them, so that denials alone cannot stop appends. */
const othersBytesMax = auditBytesMax / 2;

export function createAuditLog(log: Logger): AuditLog {
  return new FileAuditLog(log);
}

class FileAuditLog implements AuditLog {
  hasWrites = false;
  hasReads = false;
  private file: AuditFile | undefined;
  private refuses = false;
  private reserved = 0;
  private dropped = 0;
  private droppedSince = new Date();
  private readonly denials = new AuditDenials((line) => {
    this.write(line);
  });

  constructor(private readonly log: Logger) {}

  denied(entry: AuditEntry): void {
    if (this.file !== undefined) this.denials.add(entry);
  }

  record(entry: AuditEntry): void {
    if (this.hasReads) this.write(toLine(entry));
  }

  reserve(streams: readonly string[]): number | undefined {
    const { file } = this;
    if (!this.refuses || file === undefined) return 0;
    const bytes = lineBytesMax({ streams });
    if (file.isFailing || this.heldBytes(file) + bytes > auditBytesMax) return undefined;
    this.reserved += bytes;
    return bytes;
  }

  appended(entry: AuditEntry, reserved: number): void {
    this.reserved -= reserved;
    const { file } = this;
    if (!this.hasWrites || file === undefined) return;
    const line = toLine(entry);
    if (reserved > 0) file.write(line);
    else this.write(line);
  }

  async configure(settings: AuditSettings | undefined): Promise<void> {
    const before = this.file;
    if (settings !== undefined && settings.file === before?.path) await before.reopen();
    else {
      const opened =
        settings && (await AuditFile.open(settings.file, this.log, () => {
          this.reportDropped();
        }));
      this.denials.flush();
      this.file = opened;
      await before?.close();
    }
    const { events, whenFull } = settings ?? {};
    this.hasWrites = events === 'writes' || events === 'all';
    this.hasReads = events === 'all';
    this.refuses = this.hasWrites && whenFull === 'refuse';
  }

  async reopen(): Promise<void> {
    const { file } = this;
    try {
      await file?.reopen();
    } catch (err) {
      this.log.error({ err, path: file?.path }, 'the audit log cannot be opened again; it goes on in the file that it has');
    }
  }

  async close(): Promise<void> {
    await this.configure(undefined);
  }

  private heldBytes(file: AuditFile): number {
    return file.waitingBytes + this.reserved;
  }

  private write(line: string): void {
    const { file } = this;
    if (file === undefined) return;
    const bytesMax = this.refuses ? othersBytesMax : auditBytesMax;
    if (this.heldBytes(file) + Buffer.byteLength(line) > bytesMax) this.drop();
    else {
      this.reportDropped();
      file.write(line);
    }
  }

  private drop(): void {
    if (this.dropped++ > 0) return;
    this.droppedSince = new Date();
    this.log.error({ path: this.file?.path }, 'the audit log is full: entries are dropped');
  }

  private reportDropped(): void {
    if (this.dropped === 0) return;
    this.file?.write(toDroppedLine(this.dropped, this.droppedSince));
    this.dropped = 0;
  }
}
