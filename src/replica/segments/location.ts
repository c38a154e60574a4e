import type { Sequence } from '../../store/values';

/** Where a record lies in the segments. */
export interface RecordLocation {
  readonly segment: number;
  readonly offset: number;
  /** Bytes of the whole record. */
  readonly length: number;
}

/** Where a record lies, and the sequence of its last message in the log. */
export interface LocatedRecord {
  readonly location: RecordLocation;
  readonly sequence: Sequence;
}

export const locationBytes = 12;

export function writeLocation(target: Buffer, at: number, { segment, offset, length }: RecordLocation): void {
  target.writeUInt32BE(segment, at);
  target.writeUInt32BE(offset, at + 4);
  target.writeUInt32BE(length, at + 8);
}

export function readLocation(source: Buffer, at: number): RecordLocation {
  return {
    segment: source.readUInt32BE(at),
    offset: source.readUInt32BE(at + 4),
    length: source.readUInt32BE(at + 8),
  };
}
