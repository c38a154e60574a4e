import { readSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { StoreUnavailableError } from '../../store/errors';

/** A file above this number is opened and closed for each read. */
const openFilesMax = 512;
/** The operating system caches files in pages of this size. */
const pageBytes = 4_096;
/** Pages after this offset of a segment are not tracked: another thread always reads them. */
const trackedBytesMax = 256 << 20;
/** Copying more would hold up other calls for longer than another thread takes. */
const readSyncBytesMax = 256 << 10;
/** A read from the page cache takes some microseconds. */
const slowMs = 2;

/**
 * Reads the files of segments. What is in the page cache of the operating system is read synchronously: a read by another
 * thread costs many times as much. Everything else is read by another thread, since the disk would hold up all other calls.
 */
export class SegmentReader {
  private readonly opening = new Map<number, Promise<FileHandle>>();
  private readonly opened = new Map<number, FileHandle>();
  /** A bit for each page that was read or written, and so is in the page cache unless memory is short. */
  private readonly cachedPages = new Map<number, Uint8Array>();
  private isClosed = false;

  constructor(
    private readonly pathOf: (segment: number) => string,
    private readonly segmentBytesMax: number,
  ) {}

  /** Reads a range if its file is open and all of it is probably cached; otherwise returns undefined. */
  readSync(segment: number, offset: number, length: number): Buffer | undefined {
    const file = this.opened.get(segment);
    if (file === undefined || length > readSyncBytesMax || !this.isCached(segment, offset, length))
      return undefined;
    const target = Buffer.allocUnsafe(length);
    const startedAt = performance.now();
    const bytesRead = readSync(file.fd, target, 0, length, offset);
    // Memory is short, so other pages may be gone too; each is noted again when it is read.
    if (performance.now() - startedAt > slowMs) this.cachedPages.clear();
    return target.subarray(0, bytesRead);
  }

  private isCached(segment: number, offset: number, length: number): boolean {
    const pages = this.cachedPages.get(segment);
    if (pages === undefined) return false;
    const last = pageOf(offset + length - 1);
    for (let page = pageOf(offset); page <= last; page++)
      if (((pages[page >> 3] ?? 0) & (1 << (page & 7))) === 0) return false;
    return true;
  }

  /** Reads a range in another thread. Rejects with the error of the file system. */
  async read(segment: number, offset: number, length: number): Promise<Buffer> {
    // After a rebuild another file may have the same name.
    if (this.isClosed) throw new StoreUnavailableError('the replica is being rebuilt');
    const staysOpen = this.opening.has(segment) || this.opening.size < openFilesMax;
    const opening = this.opening.get(segment) ?? open(this.pathOf(segment));
    if (staysOpen) this.opening.set(segment, opening);
    let file: FileHandle | undefined;
    try {
      file = await opening;
      if (staysOpen && this.opening.get(segment) === opening) this.opened.set(segment, file);
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset);
      this.noteCached(segment, offset, bytesRead);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      if (staysOpen) this.closeFile(segment);
      throw error;
    } finally {
      if (!staysOpen) await file?.close();
    }
  }

  /** A range was just read or written, so it is cached. */
  noteCached(segment: number, offset: number, length: number): void {
    if (length <= 0) return;
    let pages = this.cachedPages.get(segment);
    if (pages === undefined) {
      if (this.cachedPages.size >= openFilesMax) return;
      pages = new Uint8Array(pageOf(Math.min(this.segmentBytesMax, trackedBytesMax)) / 8 + 1);
      this.cachedPages.set(segment, pages);
    }
    const last = pageOf(offset + length - 1);
    for (let page = pageOf(offset); page <= last; page++)
      pages[page >> 3] = (pages[page >> 3] ?? 0) | (1 << (page & 7));
  }

  /** Closes the file of a segment that is removed. */
  closeFile(segment: number): void {
    const opening = this.opening.get(segment);
    for (const map of [this.opening, this.opened, this.cachedPages]) map.delete(segment);
    void opening?.then((file) => file.close()).catch(() => undefined);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const files = [...this.opening.values()];
    for (const map of [this.opening, this.opened, this.cachedPages]) map.clear();
    await Promise.all(files.map((file) => file.then((opened) => opened.close()).catch(() => undefined)));
  }
}

function pageOf(offset: number): number {
  return Math.floor(offset / pageBytes);
}
