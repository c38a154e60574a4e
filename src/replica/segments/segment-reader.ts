import { readSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { StoreUnavailableError } from '../../store/errors';

/** With more files open they are opened for each read. */
const openFilesMax = 512;
/** The system keeps files in memory by such pages. */
const pageBytes = 4_096;
/** What lies beyond it in a segment is always read by another thread. */
const knownBytesMax = 256 << 20;
/** To copy more would hold up other calls for longer than another thread takes. */
const readNowBytesMax = 256 << 10;
/** A read of what is in memory takes some microseconds. */
const slowMs = 2;

/**
 * Reads the files of segments. What the system has in memory is read at once: to have another thread read it costs many
 * times as much. Anything else is read by another thread, since the disk would hold up all other calls.
 */
export class SegmentReader {
  private readonly opening = new Map<number, Promise<FileHandle>>();
  private readonly opened = new Map<number, FileHandle>();
  /** A bit for each page that was read or written: unless memory is short, the system has it in memory. */
  private readonly known = new Map<number, Uint8Array>();
  private isClosed = false;

  constructor(
    private readonly pathOf: (segment: number) => string,
    private readonly segmentBytesMax: number,
  ) {}

  /** Reads a piece if all of it is in memory, as far as is known, and its file open. */
  readNow(segment: number, offset: number, length: number): Buffer | undefined {
    const file = this.opened.get(segment);
    if (file === undefined || length > readNowBytesMax || !this.isKnown(segment, offset, length))
      return undefined;
    const target = Buffer.allocUnsafe(length);
    const startedAt = performance.now();
    const bytesRead = readSync(file.fd, target, 0, length, offset);
    // Memory is short; what is read again is known again.
    if (performance.now() - startedAt > slowMs) this.known.clear();
    return target.subarray(0, bytesRead);
  }

  private isKnown(segment: number, offset: number, length: number): boolean {
    const known = this.known.get(segment);
    if (known === undefined) return false;
    const last = pageOf(offset + length - 1);
    for (let page = pageOf(offset); page <= last; page++)
      if (((known[page >> 3] ?? 0) & (1 << (page & 7))) === 0) return false;
    return true;
  }

  /** Rejects with what the file system says. */
  async read(segment: number, offset: number, length: number): Promise<Buffer> {
    // There may be other files in its place.
    if (this.isClosed) throw new StoreUnavailableError('the replica of the log is made again');
    const isKept = this.opening.has(segment) || this.opening.size < openFilesMax;
    const opening = this.opening.get(segment) ?? open(this.pathOf(segment));
    if (isKept) this.opening.set(segment, opening);
    let file: FileHandle | undefined;
    try {
      file = await opening;
      if (isKept && this.opening.get(segment) === opening) this.opened.set(segment, file);
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset);
      this.isInMemory(segment, offset, bytesRead);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      if (isKept) this.forget(segment);
      throw error;
    } finally {
      if (!isKept) await file?.close();
    }
  }

  /** Something has just read or written a piece. */
  isInMemory(segment: number, offset: number, length: number): void {
    if (length <= 0) return;
    let known = this.known.get(segment);
    if (known === undefined) {
      if (this.known.size >= openFilesMax) return;
      known = new Uint8Array(pageOf(Math.min(this.segmentBytesMax, knownBytesMax)) / 8 + 1);
      this.known.set(segment, known);
    }
    const last = pageOf(offset + length - 1);
    for (let page = pageOf(offset); page <= last; page++)
      known[page >> 3] = (known[page >> 3] ?? 0) | (1 << (page & 7));
  }

  /** Closes the file of a segment that is removed. */
  forget(segment: number): void {
    const opening = this.opening.get(segment);
    for (const map of [this.opening, this.opened, this.known]) map.delete(segment);
    void opening?.then((file) => file.close()).catch(() => undefined);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const files = [...this.opening.values()];
    for (const map of [this.opening, this.opened, this.known]) map.clear();
    await Promise.all(files.map((file) => file.then((opened) => opened.close()).catch(() => undefined)));
  }
}

function pageOf(offset: number): number {
  return Math.floor(offset / pageBytes);
}
