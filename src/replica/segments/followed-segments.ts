import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { DamagedReplicaError } from './damage';
import { RecordIterator } from './record-iterator';
import { segmentFile } from './segment-files';
import { SegmentRemovedError, SegmentView, type SegmentCursor, type TailBounds } from './segment-view';

/** How far the process that writes the segments is. */
export interface WrittenSegments {
  /** The files have all records up to this position, */
  readonly received: bigint;
  /** which end here. */
  readonly end: SegmentCursor;
  /** The oldest segment. */
  readonly first: number;
}

/** A process that is further behind reads from the disk what it lacks, when it needs it. */
const behindBytesMax = 4 << 20;

/** The segments that another process writes. The newest records are copied from the files into the memory of this one. */
export class FollowedSegments extends SegmentView {
  private oldest: number;
  private tail: { readonly segment: number; readonly fd: number } | undefined;

  constructor(folder: string, bounds: TailBounds, { received, end, first }: WrittenSegments) {
    super(folder, bounds, { end, position: received });
    this.oldest = first;
  }

  override get first(): number {
    return this.oldest;
  }

  protected override endOf(): number {
    return Infinity;
  }

  protected override beforeBlock(): void {
    // The other process decides in which segment a record is.
  }

  /**
   * The files have more records; `visit` gets each that is new, in order. Returns false if this process is too far behind, or cannot
   * read them now: then they are in the files only. Throws DamagedReplicaError.
   */
  advanceTo({ received, end, first }: WrittenSegments, visit: (record: RecordIterator) => void): boolean {
    for (; this.oldest < first; this.oldest++) this.reader.closeFile(this.oldest);
    const isCopied = this.copyTo(end, visit);
    if (isCopied) this.evictOldestBlocks();
    else {
      this.evictAllBlocks();
      this.lastPosition = Number(received);
    }
    this.next = { segment: end.segment, offset: end.offset };
    return isCopied;
  }

  override forgetCopies(): void {
    this.evictAllBlocks();
  }

  override async readFile(segment: number, offset: number, length: number): Promise<Buffer> {
    try {
      return await super.readFile(segment, offset, length);
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (!isMissing || !(await this.hasFileAfter(segment))) throw error;
      // The other process has removed it and has not said so yet; the oldest go first.
      this.oldest = Math.max(this.oldest, segment + 1);
      throw new SegmentRemovedError();
    }
  }

  /** Files have names in the order of their segments. */
  private async hasFileAfter(segment: number): Promise<boolean> {
    const names = await readdir(this.folder).catch((): string[] => []);
    return names.some((name) => name > segmentFile(segment));
  }

  close(): Promise<void> {
    this.closeTail();
    return this.reader.close();
  }

  private copyTo(end: SegmentCursor, visit: (record: RecordIterator) => void): boolean {
    try {
      const ranges = this.rangesTo(end);
      for (const range of ranges ?? []) this.copy(range, visit);
      return ranges !== undefined;
    } catch (error) {
      if (error instanceof DamagedReplicaError) throw error;
      // The other process has removed the segment meanwhile, or this one has no descriptors left: no reason to build a new replica.
      return false;
    }
  }

  /** What the files have between the last known end and this one; undefined: too much. */
  private rangesTo(end: SegmentCursor): readonly Range[] | undefined {
    const { segment, offset } = this.next;
    if (segment === end.segment) {
      return end.offset - offset > behindBytesMax ? undefined : [{ segment, from: offset, to: end.offset }];
    }
    if (end.segment !== segment + 1 || segment < this.oldest) return undefined;
    const sealed = { segment, from: offset, to: fstatSync(this.tailOf(segment)).size };
    const bytes = sealed.to - sealed.from + end.offset;
    return bytes > behindBytesMax ? undefined : [sealed, { segment: end.segment, from: 0, to: end.offset }];
  }

  private copy({ segment, from, to }: Range, visit: (record: RecordIterator) => void): void {
    const length = to - from;
    if (length === 0) return;
    this.next = { segment, offset: from };
    const block = this.blockFor(length);
    const { bytes, used } = block;
    if (readSync(this.tailOf(segment), bytes, used, length, from) < length)
      throw new DamagedReplicaError('a segment is shorter than the process that writes it says');
    this.reader.noteCached(segment, from, length);
    block.used = block.flushed = used + length;
    const records = new RecordIterator(bytes.subarray(used, used + length));
    let continues = false;
    while (records.next()) {
      if (!continues) {
        this.lastPosition = records.position;
        block.positions.push(records.position);
        block.starts.push(used + records.start);
      }
      ({ continues } = records);
      visit(records);
    }
  }

  /** The file of the segment that is copied at present. */
  private tailOf(segment: number): number {
    if (this.tail?.segment !== segment) {
      this.closeTail();
      this.tail = { segment, fd: openSync(this.pathOf(segment), 'r') };
    }
    return this.tail.fd;
  }

  private closeTail(): void {
    if (this.tail !== undefined) closeSync(this.tail.fd);
    this.tail = undefined;
  }
}

interface Range {
  readonly segment: number;
  readonly from: number;
  readonly to: number;
}
