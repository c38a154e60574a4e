/**
 * The layout of a record: an entry of the log as it lies in a segment. A header, the name of the stream, the events as they are
 * sent (or what a control does, or the reason for damage), and a checksum of all that. Numbers are little-endian. An erased commit
 * has stubs in place of its events, and zeros after them if it was erased here, since a record keeps its length.
 */
export const headerBytes = 60;
export const at = {
  length: 0,
  kind: 4,
  flags: 5,
  nameBytes: 6,
  count: 8,
  position: 12,
  sequence: 20,
  time: 28,
  firstVersion: 36,
  commitId: 44,
} as const;
export const checksumBytes = 4;
/**
 * The CRC-32 of bytes that end with their own CRC-32 is always this number. Each checksum starts with it, so that one call
 * checks all records of a chunk: that takes a third of the time of hundreds of calls.
 */
export const checksumOfChecked = 0x2144df1c;
export const kindByte = { commit: 1, unreadable: 2, foreign: 3, lost: 4, control: 5 } as const;
export const kinds = [undefined, 'commit', 'unreadable', 'foreign', 'lost', 'control'] as const;
export const flag = { continues: 1, inTransaction: 2, torn: 4, erased: 8 } as const;
