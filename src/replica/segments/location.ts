/** Where a record lies. */
export interface Place {
  readonly segment: number;
  readonly offset: number;
  /** Bytes of the whole record. */
  readonly length: number;
}

/** Where a record lies, and the sequence of its last message in the log. */
export interface Located {
  readonly place: Place;
  readonly sequence: bigint;
}

export const placeBytes = 12;

export function writePlace(target: Buffer, at: number, { segment, offset, length }: Place): void {
  target.writeUInt32BE(segment, at);
  target.writeUInt32BE(offset, at + 4);
  target.writeUInt32BE(length, at + 8);
}

export function readPlace(source: Buffer, at: number): Place {
  return {
    segment: source.readUInt32BE(at),
    offset: source.readUInt32BE(at + 4),
    length: source.readUInt32BE(at + 8),
  };
}
