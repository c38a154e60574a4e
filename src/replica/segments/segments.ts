import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordLocation } from './location';
import type { RecordDraft } from './record';
import { openSegmentFiles, segmentFile } from './segment-files';
import { SegmentReader } from './segment-reader';
import { syncPath } from './sync-path';

export interface SegmentBounds {
  readonly segmentBytesMax: number;
  /** Bytes of all segments together; above it the oldest segments are removed. */
  readonly replicaBytesMax: number;
  /** Bytes of the newest records that stay in memory. */
  readonly tailBytesMax: number;
}

/** Where a record begins in the segments, or will begin. */
export interface SegmentCursor {
  readonly segment: number;
  readonly offset: number;
  /** The position before the record: if the segment was removed, reading goes on in the log after it. */
  readonly after?: bigint;
}

export interface SegmentBytes {
  readonly bytes: Buffer;
  /** Whether the buffer is also used elsewhere, so that it must not be changed. */
  readonly isShared: boolean;
}

/** What was stored about the segments when they were last written. */
export interface SegmentsState {
  readonly end: SegmentCursor;
  /** The segments have all records up to this position. */
  readonly position: bigint;
  /** The bytes of a segment that is sealed: nothing is appended to it any more. */
  readonly sealedBytes: (segment: number) => number | undefined;
}

/** A range of a segment that is in memory. Positions are numbers, since the search for one compares many of them. */
interface MemoryBlock extends SegmentCursor {
  /** The position of the last record before the block. */
  readonly basePosition: number;
  readonly bytes: Buffer;
  /** The position of each group of records, in order, and where in `bytes` it begins. */
  readonly positions: number[];
  readonly starts: number[];
  used: number;
  flushed: number;
}

/** The segment was removed to make space. */
export class SegmentRemovedError extends Error {}

const blockBytes = 256 << 10;

/**
 * The records of the log, in its order, in files that are only appended to. An appended record can be read at once: it is in
 * memory until `flush` writes it to its file, and the newest records stay in memory.
 */
export class Segments {
  readonly reader: SegmentReader;
  private blocks: MemoryBlock[] = [];
  private tailBytes = 0;
  /** Segments that were written since they were opened. */
  private readonly unsynced = new Set<number>();
  private openForWrite: { readonly segment: number; readonly fd: number } | undefined;
  private next: SegmentCursor;
  private lastPosition: number;

  private constructor(
    private readonly folder: string,
    private readonly bounds: SegmentBounds,
    { end, position }: SegmentsState,
    /** The bytes of each segment that has a file, in order. */
    private readonly sizes: Map<number, number>,
  ) {
    this.next = end;
    this.lastPosition = Number(position);
    this.reader = new SegmentReader((segment) => this.pathOf(segment), bounds.segmentBytesMax);
  }

  /** Opens the segments of a folder and removes everything after their stored end. Throws DamagedReplicaError. */
  static async open(folder: string, bounds: SegmentBounds, state: SegmentsState): Promise<Segments> {
    const sizes = await openSegmentFiles(folder, state.end, state.sealedBytes);
    return new Segments(folder, bounds, state, sizes);
  }

  /** The oldest segment; earlier ones were removed. */
  get first(): number {
    for (const segment of this.sizes.keys()) return segment;
    return this.next.segment;
  }

  /** Where the next record goes. */
  get end(): SegmentCursor {
    return this.next;
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

  /** Reads from a cursor, at most `bytesMax` bytes; 0 bytes at the end of the segment. They may end within a record. */
  async readFrom({ segment, offset }: SegmentCursor, bytesMax: number): Promise<SegmentBytes> {
    const block = this.blockAt(segment, offset);
    if (block !== undefined) {
      const start = offset - block.offset;
      return { bytes: block.bytes.subarray(start, Math.min(block.used, start + bytesMax)), isShared: true };
    }
    const inMemory = this.blocks.find((one) => one.segment === segment && one.offset > offset)?.offset;
    const end =
      inMemory ?? (segment === this.next.segment ? this.next.offset : (this.sizes.get(segment) ?? Infinity));
    const length = Math.min(bytesMax, end - offset);
    const bytes = length <= 0 ? Buffer.alloc(0) : await this.readFile(segment, offset, length);
    return { bytes, isShared: false };
  }

  /** Whether another segment follows this one. */
  hasSegmentAfter(segment: number): boolean {
    return segment < this.next.segment;
  }

  /** The record at a location, if it is in memory. */
  fromMemory({ segment, offset, length }: RecordLocation): Buffer | undefined {
    const block = this.blockAt(segment, offset);
    return block?.bytes.subarray(offset - block.offset, offset - block.offset + length);
  }

  /** Where in memory the first record after a position is, or will be; undefined: it is not in memory. */
  cursorInMemory(position: bigint): SegmentCursor | undefined {
    const at = Number(position);
    if (at >= this.lastPosition) return this.next;
    const isLater = (index: number): boolean => (this.blocks[index] as MemoryBlock).basePosition > at;
    const block = this.blocks[lowerBound(this.blocks.length, isLater) - 1];
    if (block === undefined) return undefined;
    const { positions, starts, segment, offset, used } = block;
    const first = lowerBound(positions.length, (index) => (positions[index] as number) > at);
    return { segment, offset: offset + (starts[first] ?? used) };
  }

  /** Reads a range of a file. Rejects with SegmentRemovedError if the segment was removed. */
  async readFile(segment: number, offset: number, length: number): Promise<Buffer> {
    try {
      return (
        this.reader.readSync(segment, offset, length) ?? (await this.reader.read(segment, offset, length))
      );
    } catch (error) {
      if (segment < this.first) throw new SegmentRemovedError();
      throw error;
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

  private blockFor(bytes: number): MemoryBlock {
    const last = this.blocks.at(-1);
    if (last !== undefined && last.used + bytes <= last.bytes.length) return last;
    const { segment, offset } = this.next;
    if (offset > 0 && offset + bytes > this.bounds.segmentBytesMax)
      this.next = { segment: segment + 1, offset: 0 };
    const space = this.next.offset === 0 ? Infinity : this.bounds.segmentBytesMax - this.next.offset;
    const block: MemoryBlock = {
      ...this.next,
      basePosition: this.lastPosition,
      positions: [],
      starts: [],
      bytes: Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(blockBytes, space))),
      used: 0,
      flushed: 0,
    };
    this.tailBytes += block.bytes.length;
    this.blocks.push(block);
    return block;
  }

  private writeAt(segment: number, offset: number, bytes: Buffer): void {
    if (this.openForWrite?.segment !== segment) {
      this.closeOpenForWrite();
      const path = this.pathOf(segment);
      closeSync(openSync(path, 'a', 0o600));
      this.openForWrite = { segment, fd: openSync(path, 'r+') };
      this.unsynced.add(segment);
    }
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.openForWrite.fd, bytes, done, bytes.length - done, offset + done);
    this.reader.noteCached(segment, offset, bytes.length);
  }

  private closeOpenForWrite(): void {
    if (this.openForWrite !== undefined) closeSync(this.openForWrite.fd);
    this.openForWrite = undefined;
  }

  private evictOldestBlocks(): void {
    let evicted = 0;
    for (const { bytes, used, flushed } of this.blocks.slice(0, -1)) {
      if (this.tailBytes <= this.bounds.tailBytesMax || flushed < used) break;
      this.tailBytes -= bytes.length;
      evicted++;
    }
    if (evicted > 0) this.blocks = this.blocks.slice(evicted);
  }

  private blockAt(segment: number, offset: number): MemoryBlock | undefined {
    const isAfter = (at: number): boolean => {
      const block = this.blocks[at] as MemoryBlock;
      return block.segment > segment || (block.segment === segment && block.offset > offset);
    };
    const block = this.blocks[lowerBound(this.blocks.length, isAfter) - 1];
    return block?.segment === segment && offset < block.offset + block.used ? block : undefined;
  }

  private pathOf(segment: number): string {
    return join(this.folder, segmentFile(segment));
  }
}

/** The first index from which on a condition holds; `length` if it never does. */
function lowerBound(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
