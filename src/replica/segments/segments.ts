import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { syncPath } from './sync-path';
import type { Place } from './location';
import type { Draft } from './record';
import { openSegmentFiles, segmentFile } from './segment-files';
import { SegmentReader } from './segment-reader';

/** Bounds of the segments. */
export interface SegmentBounds {
  readonly segmentBytesMax: number;
  /** Bytes of all segments; the oldest are removed when there are more. */
  readonly replicaBytesMax: number;
  /** Bytes of the newest records that stay in memory. */
  readonly tailBytesMax: number;
}

/** A place in a segment where a record begins, or will. */
export interface Cursor {
  readonly segment: number;
  readonly offset: number;
  /** Where the segments begin later: the records after this position, which the log has. */
  readonly after?: bigint;
}

export interface SegmentBytes {
  readonly bytes: Buffer;
  /** Whether others have them as well, so that they must stay as they are. */
  readonly isShared: boolean;
}

/** How far segments go that are opened. */
export interface SegmentsEnd {
  readonly end: Cursor;
  readonly position: bigint;
  /** The bytes of a segment to which nothing is added any more. */
  readonly finishedBytes: (segment: number) => number | undefined;
}

/** A piece of a segment that is in memory. */
interface Block extends Cursor {
  /** The records before it go up to this position. */
  readonly base: number;
  readonly bytes: Buffer;
  /** The positions of its groups of records, in order, and where in it they begin. */
  readonly positions: number[];
  readonly starts: number[];
  used: number;
  written: number;
}

/** The segment was removed, since there was no room for it. */
export class SegmentGoneError extends Error {}

const blockBytes = 256 << 10;

/**
 * The records of the log in its order, in files that are only appended to. What was appended can be read at once: it lies in
 * memory until `write` has put it into its file, and the newest stays there.
 */
export class Segments {
  private blocks: Block[] = [];
  private tailBytes = 0;
  readonly reader: SegmentReader;
  /** Written since they were opened. */
  private readonly unsynced = new Set<number>();
  private writing: { readonly segment: number; readonly fd: number } | undefined;

  private constructor(
    private readonly folder: string,
    private readonly bounds: SegmentBounds,
    private next: Cursor,
    private last: number,
    /** The bytes of each segment that is written, from the first one on that there is. */
    private readonly sizes: Map<number, number>,
  ) {
    this.reader = new SegmentReader((segment) => this.pathOf(segment), bounds.segmentBytesMax);
  }

  /**
   * Opens the segments as far as the cursor, where they go up to a position; what lies after it is removed. Those that are
   * finished must be as large as they were. Throws DamagedReplicaError.
   */
  static async open(
    folder: string,
    bounds: SegmentBounds,
    { end, position, finishedBytes }: SegmentsEnd,
  ): Promise<Segments> {
    const sizes = await openSegmentFiles(folder, end, finishedBytes);
    return new Segments(folder, bounds, end, Number(position), sizes);
  }

  /** The first segment that there is; those before it were removed. */
  get first(): number {
    for (const segment of this.sizes.keys()) return segment;
    return this.next.segment;
  }

  /** Where the next record goes. */
  get end(): Cursor {
    return this.next;
  }

  /** Appends records that stay together; the first one has this position. */
  append(records: readonly Draft[], position: bigint): Place[] {
    let bytes = 0;
    for (const { length } of records) bytes += length;
    const block = this.blockFor(bytes);
    this.last = Number(position);
    block.positions.push(this.last);
    block.starts.push(block.used);
    return records.map((record) => {
      record.write(block.bytes, block.used);
      const place = { segment: block.segment, offset: block.offset + block.used, length: record.length };
      block.used += record.length;
      this.next = { segment: block.segment, offset: block.offset + block.used };
      return place;
    });
  }

  /** Puts all that was appended into the files. Throws what the file system does; it can be tried again. */
  write(): void {
    for (const block of this.blocks) {
      if (block.written === block.used) continue;
      this.writeAt(
        block.segment,
        block.offset + block.written,
        block.bytes.subarray(block.written, block.used),
      );
      block.written = block.used;
      this.sizes.set(block.segment, block.offset + block.used);
    }
    this.forgetOldest();
    this.removeOldest();
  }

  /** Removes the oldest segments that are not in memory, as long as there are too many bytes. */
  private removeOldest(): void {
    const kept = this.blocks[0]?.segment ?? this.next.segment;
    let bytes = 0;
    for (const size of this.sizes.values()) bytes += size;
    for (const [segment, size] of this.sizes) {
      if (bytes <= this.bounds.replicaBytesMax || segment >= kept) return;
      bytes -= size;
      this.sizes.delete(segment);
      this.unsynced.delete(segment);
      this.reader.forget(segment);
      rmSync(this.pathOf(segment), { force: true });
    }
  }

  /** The bytes from a cursor on, about so many; none at the end of the segment. They may end within a record. */
  async readFrom({ segment, offset }: Cursor, bytesMax: number): Promise<SegmentBytes> {
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

  /** Whether there is a segment after this one. */
  hasAfter(segment: number): boolean {
    return segment < this.next.segment;
  }

  /** What lies at a place, if it is in memory. */
  fromMemory({ segment, offset, length }: Place): Buffer | undefined {
    const block = this.blockAt(segment, offset);
    return block?.bytes.subarray(offset - block.offset, offset - block.offset + length);
  }

  /** Where in memory the first record after a position is, or will be; undefined: not there. */
  memoryAfter(position: bigint): Cursor | undefined {
    const at = Number(position);
    if (at >= this.last) return this.next;
    const isLater = (index: number): boolean => (this.blocks[index] as Block).base > at;
    const block = this.blocks[firstWhere(this.blocks.length, isLater) - 1];
    if (block === undefined) return undefined;
    const { positions, starts, segment, offset, used } = block;
    const first = firstWhere(positions.length, (index) => (positions[index] as number) > at);
    return { segment, offset: offset + (starts[first] ?? used) };
  }

  /** Reads a piece of a file. Rejects with SegmentGoneError if the segment was removed. */
  async readFile(segment: number, offset: number, length: number): Promise<Buffer> {
    try {
      return (
        this.reader.readNow(segment, offset, length) ?? (await this.reader.read(segment, offset, length))
      );
    } catch (error) {
      if (segment < this.first) throw new SegmentGoneError();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.closeWriting();
    await this.reader.close();
  }

  /** Puts what was written on the disk, once they are closed. */
  async sync(): Promise<void> {
    for (const segment of this.unsynced) await syncPath(this.pathOf(segment));
    await syncPath(this.folder);
  }

  private blockFor(bytes: number): Block {
    const last = this.blocks.at(-1);
    if (last !== undefined && last.used + bytes <= last.bytes.length) return last;
    const { segment, offset } = this.next;
    if (offset > 0 && offset + bytes > this.bounds.segmentBytesMax)
      this.next = { segment: segment + 1, offset: 0 };
    const room = this.next.offset === 0 ? Infinity : this.bounds.segmentBytesMax - this.next.offset;
    const block: Block = {
      ...this.next,
      base: this.last,
      positions: [],
      starts: [],
      bytes: Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(blockBytes, room))),
      used: 0,
      written: 0,
    };
    this.tailBytes += block.bytes.length;
    this.blocks.push(block);
    return block;
  }

  private writeAt(segment: number, offset: number, bytes: Buffer): void {
    if (this.writing?.segment !== segment) {
      this.closeWriting();
      const path = this.pathOf(segment);
      closeSync(openSync(path, 'a', 0o600));
      this.writing = { segment, fd: openSync(path, 'r+') };
      this.unsynced.add(segment);
    }
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.writing.fd, bytes, done, bytes.length - done, offset + done);
    this.reader.isInMemory(segment, offset, bytes.length);
  }

  private closeWriting(): void {
    if (this.writing !== undefined) closeSync(this.writing.fd);
    this.writing = undefined;
  }

  private forgetOldest(): void {
    let drop = 0;
    for (const { bytes, used, written } of this.blocks.slice(0, -1)) {
      if (this.tailBytes <= this.bounds.tailBytesMax || written < used) break;
      this.tailBytes -= bytes.length;
      drop++;
    }
    if (drop > 0) this.blocks = this.blocks.slice(drop);
  }

  private blockAt(segment: number, offset: number): Block | undefined {
    const isAfter = (at: number): boolean => {
      const block = this.blocks[at] as Block;
      return block.segment > segment || (block.segment === segment && block.offset > offset);
    };
    const block = this.blocks[firstWhere(this.blocks.length, isAfter) - 1];
    return block?.segment === segment && offset < block.offset + block.used ? block : undefined;
  }

  private pathOf(segment: number): string {
    return join(this.folder, segmentFile(segment));
  }
}

/** The first index for which something holds, which holds for all that follow; `length`: there is none. */
function firstWhere(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
