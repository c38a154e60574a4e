import { eventSpans } from '../../protobuf/commit-record';
import type { EventRun } from '../../store/event-store';
import { position } from '../../store/values';
import type { RecordIterator } from './record-iterator';

/**
 * Builds an EventRun from records in the buffer that holds them: moves the events together, over the headers of the records.
 * That takes a third of the time of copying each one. The records cannot be used afterwards.
 */
export class RunBuilder {
  private filled = 0;
  private eventCount = 0;
  private lastPosition = 0;

  constructor(private readonly bytes: Buffer) {}

  /** Adds the events of the current record; records are added in their order in the buffer. */
  add(record: RecordIterator): void {
    const { bodyStart, bodyEnd } = record;
    this.eventCount += record.count;
    this.lastPosition = record.position;
    // Must be the last: it overwrites the header.
    this.bytes.copyWithin(this.filled, bodyStart, bodyEnd);
    this.filled += bodyEnd - bodyStart;
  }

  /** The same without the first events of the record, which has more than these. */
  addWithoutFirst(record: RecordIterator, skipped: number): void {
    const { bytes, bodyStart, bodyEnd } = record;
    const { frame } = eventSpans(bytes.subarray(bodyStart, bodyEnd))[skipped] as { readonly frame: number };
    this.eventCount += record.count - skipped;
    this.lastPosition = record.position;
    bytes.copyWithin(this.filled, bodyStart + frame, bodyEnd);
    this.filled += bodyEnd - bodyStart - frame;
  }

  /** undefined: there are no events. */
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
