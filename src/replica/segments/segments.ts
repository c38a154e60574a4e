import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import type { Overwrite } from './erase-record';
import type { RecordLocation } from './location';
import type { RecordDraft } from './record';
import { openSegmentFiles } from './segment-files';
import { SegmentView, type SegmentCursor, type TailBounds } from './segment-view';
import { syncPath } from './sync-path';

export interface SegmentBounds extends TailBounds {
  /** Bytes of all segments together; above it the oldest segments are removed. */
  readonly replicaBytesMax: number;
}

/** What was stored about the segments when they were last written. */
export interface SegmentsState {
  readonly end: SegmentCursor;
  /** The segments have all records up to this position. */
  readonly position: bigint;
  /** The bytes of a segment that is sealed: nothing is appended to it any more. */
  readonly sealedBytes: (segment: number) => number | undefined;
}

/**
 * The records of the log in files that are only appended to. An appended record can be read at once: it is in memory until `flush`
 * writes it to its file, and the newest records stay in memory.
 */
export class Segments extends SegmentView {
  /** Segments that were written since they were opened. */
  private readonly unsynced = new Set<number>();
  private openForWrite: { readonly segment: number; readonly fd: number } | undefined;

  private constructor(
    folder: string,
    protected override readonly bounds: SegmentBounds,
    state: SegmentsState,
    /** The bytes of each segment that has a file, in order. */
    private readonly sizes: Map<number, number>,
  ) {
    super(folder, bounds, state);
  }

  /** Opens the segments of a folder and removes everything after their stored end. Throws DamagedReplicaError. */
  static async open(folder: string, bounds: SegmentBounds, state: SegmentsState): Promise<Segments> {
    const sizes = await openSegmentFiles(folder, state.end, state.sealedBytes);
    return new Segments(folder, bounds, state, sizes);
  }

  override get first(): number {
    for (const segment of this.sizes.keys()) return segment;
    return this.next.segment;
  }

  protected override endOf(segment: number): number {
    return this.sizes.get(segment) ?? Infinity;
  }

  /** Appends the records of one group; `position` is that of the first record. Returns where each record lies. */
  append(records: readonly RecordDraft[], position: bigint): RecordLocation[] {
    let bytes = 0;
    for (const { length } of records) bytes += length;
    const block = this.blockFor(bytes);
    this.lastPosition = Number(position);
    block.positions.push(this.lastPosition);
    block.starts.push(block.used);
    return records.map((record) => {
      record.write(block.bytes, block.used);
      const location = { segment: block.segment, offset: block.offset + block.used, length: record.length };
      block.used += record.length;
      this.next = { segment: block.segment, offset: block.offset + block.used };
      return location;
    });
  }

  /** Writes all appended records to the files. Throws the error of the file system; a retry is safe. */
  flush(): void {
    for (const block of this.blocks) {
      if (block.flushed === block.used) continue;
      this.writeAt(
        block.segment,
        block.offset + block.flushed,
        block.bytes.subarray(block.flushed, block.used),
      );
      block.flushed = block.used;
      this.sizes.set(block.segment, block.offset + block.used);
    }
    this.evictOldestBlocks();
    this.removeOldestSegments();
  }

  /**
   * Overwrites records that were flushed, in their files and in memory; those of removed segments are left out. Throws the error of
   * the file system; a retry is safe.
   */
  overwrite(overwrites: readonly Overwrite[]): void {
    const present = overwrites.filter(({ location }) => this.sizes.has(location.segment));
    for (const { location, record } of present) {
      const fd = openSync(this.pathOf(location.segment), 'r+');
      try {
        writeAll(fd, record, location.offset);
      } finally {
        closeSync(fd);
      }
    }
    this.replaceInMemory(present);
  }

  /** Syncs a segment to the disk, unless it was removed. */
  async syncSegment(segment: number): Promise<void> {
    if (this.sizes.has(segment)) await syncPath(this.pathOf(segment));
  }

  /** Removes the oldest segments that are not in memory while all of them together have too many bytes. */
  private removeOldestSegments(): void {
    const kept = this.blocks[0]?.segment ?? this.next.segment;
    let bytes = 0;
    for (const size of this.sizes.values()) bytes += size;
    for (const [segment, size] of this.sizes) {
      if (bytes <= this.bounds.replicaBytesMax || segment >= kept) return;
      bytes -= size;
      this.sizes.delete(segment);
      this.unsynced.delete(segment);
      this.reader.closeFile(segment);
      rmSync(this.pathOf(segment), { force: true });
    }
  }

  async close(): Promise<void> {
    this.closeOpenForWrite();
    await this.reader.close();
  }

  /** Syncs the closed files to the disk. */
  async sync(): Promise<void> {
    for (const segment of this.unsynced) await syncPath(this.pathOf(segment));
    await syncPath(this.folder);
  }

  protected override beforeBlock(bytes: number): void {
    const { segment, offset } = this.next;
    if (offset > 0 && offset + bytes > this.bounds.segmentBytesMax)
      this.next = { segment: segment + 1, offset: 0 };
  }

  private writeAt(segment: number, offset: number, bytes: Buffer): void {
    if (this.openForWrite?.segment !== segment) {
      this.closeOpenForWrite();
      const path = this.pathOf(segment);
      closeSync(openSync(path, 'a', 0o600));
      this.openForWrite = { segment, fd: openSync(path, 'r+') };
      this.unsynced.add(segment);
    }
    writeAll(this.openForWrite.fd, bytes, offset);
    this.reader.noteCached(segment, offset, bytes.length);
  }

  private closeOpenForWrite(): void {
    if (this.openForWrite !== undefined) closeSync(this.openForWrite.fd);
    this.openForWrite = undefined;
  }
}

function writeAll(fd: number, bytes: Buffer, offset: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
}
