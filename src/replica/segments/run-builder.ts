import type { EventRun } from '../../store/event-store';
import { position } from '../../store/values';
import type { RecordWalk } from './record-iterator';

/**
 * Moves the events of some records together in the bytes in which they lie, over the headers of the records. That takes a third of
 * the time of a copy of each.
 */
export class RunInPlace {
  private filled = 0;
  private eventCount = 0;
  private last = 0;

  constructor(private readonly bytes: Buffer) {}

  /** Adds the events of the record that the walk is at, each further on than the one before. */
  add(walk: RecordWalk): void {
    const { bodyStart, bodyEnd } = walk;
    this.eventCount += walk.count;
    this.last = walk.position;
    // Last, since it goes over the header.
    this.bytes.copyWithin(this.filled, bodyStart, bodyEnd);
    this.filled += bodyEnd - bodyStart;
  }

  /** undefined: there are no events. */
  finish(): EventRun | undefined {
    const { bytes, filled, eventCount, last } = this;
    if (eventCount === 0) return undefined;
    return {
      position: position(BigInt(last)),
      events: bytes.subarray(0, filled),
      eventCount,
      spareBytes: bytes.length - filled,
    };
  }
}
