import { join } from 'node:path';
import type { Overwrite } from './erase-record';
import type { RecordLocation } from './location';
import { segmentFile } from './segment-files';
import { SegmentReader } from './segment-reader';

export interface TailBounds {
  readonly segmentBytesMax: number;
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

/** A range of a segment that is in memory. Positions are numbers, since the search for one compares many of them. */
export interface MemoryBlock extends SegmentCursor {
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

/** The records of the log, in its order, as reads use them: in files, and the newest of them in memory too. */
export abstract class SegmentView {
  readonly reader: SegmentReader;
  protected blocks: MemoryBlock[] = [];
  private tailBytes = 0;
  protected next: SegmentCursor;
  protected lastPosition: number;

  protected constructor(
    protected readonly folder: string,
    protected readonly bounds: TailBounds,
    { end, position }: { readonly end: SegmentCursor; readonly position: bigint },
  ) {
    this.next = end;
    this.lastPosition = Number(position);
    this.reader = new SegmentReader((segment) => this.pathOf(segment), bounds.segmentBytesMax);
  }

  /** The oldest segment; earlier ones were removed. */
  abstract get first(): number;

  /** Where the records of a segment end that is not the newest one. */
  protected abstract endOf(segment: number): number;

  /** Where the next record goes. */
  get end(): SegmentCursor {
    return this.next;
  }

  /** Reads from a cursor, at most `bytesMax` bytes; 0 bytes at the end of the segment. They may end within a record. */
  async readFrom({ segment, offset }: SegmentCursor, bytesMax: number): Promise<SegmentBytes> {
    const block = this.blockAt(segment, offset);
    if (block !== undefined) {
      const start = offset - block.offset;
      return { bytes: block.bytes.subarray(start, Math.min(block.used, start + bytesMax)), isShared: true };
    }
    const inMemory = this.blocks.find((one) => one.segment === segment && one.offset > offset)?.offset;
    const end = inMemory ?? (segment === this.next.segment ? this.next.offset : this.endOf(segment));
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

  /** The block in memory that the next bytes go into; a new one begins where the next record goes. */
  protected blockFor(bytes: number): MemoryBlock {
    const last = this.blocks.at(-1);
    if (last !== undefined && last.used + bytes <= last.bytes.length && isBefore(last, this.next))
      return last;
    this.beforeBlock(bytes);
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

  /** Called before a block begins, which may have to be in another segment. */
  protected abstract beforeBlock(bytes: number): void;

  protected evictOldestBlocks(): void {
    let evicted = 0;
    for (const { bytes, used, flushed } of this.blocks.slice(0, -1)) {
      if (this.tailBytes <= this.bounds.tailBytesMax || flushed < used) break;
      this.tailBytes -= bytes.length;
      evicted++;
    }
    if (evicted > 0) this.blocks = this.blocks.slice(evicted);
  }

  /** Forgets what was copied from the files, since they may have changed. */
  forgetCopies(): void {
    // What this process writes is never a copy of a file.
  }

  /** Changes records in memory. Readers that have them keep what they have. */
  protected replaceInMemory(overwrites: readonly Overwrite[]): void {
    const copies = new Map<number, Buffer>();
    for (const { location, record } of overwrites) {
      const index = this.blockIndexAt(location.segment, location.offset);
      const block = this.blocks[index];
      if (block === undefined) continue;
      const copy = copies.get(index) ?? Buffer.from(block.bytes);
      copies.set(index, copy);
      copy.set(record, location.offset - block.offset);
    }
    for (const [index, bytes] of copies)
      this.blocks[index] = { ...(this.blocks[index] as MemoryBlock), bytes };
  }

  /** Keeps nothing in memory. */
  protected evictAllBlocks(): void {
    this.blocks = [];
    this.tailBytes = 0;
  }

  private blockAt(segment: number, offset: number): MemoryBlock | undefined {
    return this.blocks[this.blockIndexAt(segment, offset)];
  }

  /** -1: it is not in memory. */
  private blockIndexAt(segment: number, offset: number): number {
    const isAfter = (at: number): boolean => {
      const block = this.blocks[at] as MemoryBlock;
      return block.segment > segment || (block.segment === segment && block.offset > offset);
    };
    const index = lowerBound(this.blocks.length, isAfter) - 1;
    const block = this.blocks[index];
    return block?.segment === segment && offset < block.offset + block.used ? index : -1;
  }

  protected pathOf(segment: number): string {
    return join(this.folder, segmentFile(segment));
  }
}

function isBefore({ segment, offset, used }: MemoryBlock, next: SegmentCursor): boolean {
  return segment === next.segment && offset + used === next.offset;
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
