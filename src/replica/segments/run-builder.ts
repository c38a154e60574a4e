import { eventSpans } from '../../protobuf/commit-record';
import type { EventRun } from '../../store/event-store';
import { position } from '../../store/values';
import type { RecordIterator } from './record-iterator';

/** Builds an EventRun from records, which are added in their order in the buffer. */
export interface RunOfRecords {
  /** Adds the events of the current record. */
  add(record: RecordIterator): void;
  /** The same without the first events of the record, which has more than these. */
  addWithoutFirst(record: RecordIterator, skipped: number): void;
  /** undefined: there are no events. */
  finish(): EventRun | undefined;
}

/**
 * Builds an EventRun from records in the buffer that holds them: moves the events together, over the headers of the records.
 * That takes a third of the time of copying each one. The records cannot be used afterwards.
 */
export class RunBuilder implements RunOfRecords {
  private filled = 0;
  private eventCount = 0;
  private lastPosition = 0;

  constructor(private readonly bytes: Buffer) {}

  add(record: RecordIterator): void {
    const { bodyStart, bodyEnd } = record;
    this.eventCount += record.count;
    this.lastPosition = record.position;
    // Must be the last: it overwrites the header.
    this.bytes.copyWithin(this.filled, bodyStart, bodyEnd);
    this.filled += bodyEnd - bodyStart;
  }

  addWithoutFirst(record: RecordIterator, skipped: number): void {
    const { bodyEnd } = record;
    const start = startWithout(record, skipped);
    this.eventCount += record.count - skipped;
    this.lastPosition = record.position;
    this.bytes.copyWithin(this.filled, start, bodyEnd);
    this.filled += bodyEnd - start;
  }

  finish(): EventRun | undefined {
    const { bytes, filled, eventCount, lastPosition } = this;
    if (eventCount === 0) return undefined;
    return {
      position: position(BigInt(lastPosition)),
      events: bytes.subarray(0, filled),
      eventCount,
      spareBytes: bytes.length - filled,
    };
  }
}

/** Copies the events out of a buffer that others use too, and nothing else of it. */
export class RunCopier implements RunOfRecords {
  /** Where the events of each record begin and end. */
  private readonly bounds: number[] = [];
  private length = 0;
  private eventCount = 0;
  private lastPosition = 0;

  constructor(private readonly bytes: Buffer) {}

  add(record: RecordIterator): void {
    this.take(record, record.bodyStart, record.count);
  }

  addWithoutFirst(record: RecordIterator, skipped: number): void {
    this.take(record, startWithout(record, skipped), record.count - skipped);
  }

  finish(): EventRun | undefined {
    const { bounds, bytes, length, eventCount, lastPosition } = this;
    if (eventCount === 0) return undefined;
    const events = Buffer.allocUnsafe(length);
    let filled = 0;
    for (let index = 0; index < bounds.length; index += 2) {
      const [start, end] = [bounds[index] as number, bounds[index + 1] as number];
      // `subarray` of a Buffer takes several times as long.
      events.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start), filled);
      filled += end - start;
    }
    return { position: position(BigInt(lastPosition)), events, eventCount };
  }

  private take({ bodyEnd, position: at }: RecordIterator, start: number, eventCount: number): void {
    this.bounds.push(start, bodyEnd);
    this.length += bodyEnd - start;
    this.eventCount += eventCount;
    this.lastPosition = at;
  }
}

/** Where the events of a record begin after the first ones. */
function startWithout({ bytes, bodyStart, bodyEnd }: RecordIterator, skipped: number): number {
  const { frame } = eventSpans(bytes.subarray(bodyStart, bodyEnd))[skipped] as { readonly frame: number };
  return bodyStart + frame;
}
