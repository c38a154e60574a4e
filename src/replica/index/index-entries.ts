import {
  entryBytes,
  hashKeyBytes,
  keySuffixBytes,
  markBytes,
  numberBytes,
  writeEntry,
  writeHashKey,
  writeMark,
  writeStreamKey,
  type IndexEntry,
  type KeyKind,
  type Mark,
} from './index-keys';
import { placeBytes, writePlace, type Place } from '../segments/location';
import { writeUint64BE } from '../segments/uint64';

const tables = ['streams', 'keys', 'marks', 'finished'] as const;
/** A table of the index. */
export type TableName = (typeof tables)[number];

/** What LMDB stores of a buffer (lmdb 3.5, writeInstructions in write.js): it saves a view for each value. */
export type BufferPart = Buffer & { start: number; end: number };

const firstBytes = 16 << 10;
/** Before each entry: its table, the bytes of its key, in two bytes, and those of its value. */
const headBytes = 4;

/**
 * Entries for the index, as bytes in one buffer: thousands of them that wait as objects would be what the garbage collector
 * is busy with.
 */
export class IndexEntries {
  private bytes = Buffer.allocUnsafeSlow(firstBytes);
  private used = 0;

  addStream(stream: string, entry: IndexEntry): void {
    const keyBytes = stream.length + keySuffixBytes;
    const at = this.begin('streams', keyBytes, entryBytes);
    writeStreamKey(this.bytes, at, stream, entry.version, entry.sequence);
    writeEntry(this.bytes, at, at + keyBytes, entry);
  }

  addKey(kind: KeyKind, hash: bigint, sequence: bigint, place: Place): void {
    const at = this.begin('keys', hashKeyBytes, placeBytes);
    writeHashKey(this.bytes, at, kind, hash, sequence);
    writePlace(this.bytes, at + hashKeyBytes, place);
  }

  addMark(mark: Mark): void {
    const at = this.begin('marks', numberBytes, markBytes);
    writeUint64BE(this.bytes, at, mark.position);
    writeMark(this.bytes, at, at + numberBytes, mark);
  }

  /** A segment to which nothing is added any more, and what it has. */
  addFinished(segment: number, bytes: number): void {
    const at = this.begin('finished', numberBytes, numberBytes);
    writeUint64BE(this.bytes, at, BigInt(segment));
    writeUint64BE(this.bytes, at + numberBytes, BigInt(bytes));
  }

  /**
   * Gives all in the order in which they were added. The value is always the same buffer, which says by `start` and `end` where it
   * lies: LMDB is given its address, and reads it later.
   */
  each(store: (table: TableName, key: Buffer, value: BufferPart) => void): void {
    const { used } = this;
    const bytes: BufferPart = Object.assign(this.bytes, { start: 0, end: 0 });
    for (let at = 0; at < used;) {
      const table = tables[bytes[at] as number] as TableName;
      const keyStart = at + headBytes;
      const keyEnd = keyStart + bytes.readUInt16LE(at + 1);
      at = keyEnd + (bytes[at + 3] as number);
      bytes.start = keyEnd;
      bytes.end = at;
      store(table, bytes.subarray(keyStart, keyEnd), bytes);
    }
  }

  /** Makes room for an entry, and says where its key goes. */
  private begin(table: TableName, keyBytes: number, valueBytes: number): number {
    const start = this.used;
    this.used += headBytes + keyBytes + valueBytes;
    if (this.used > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 * this.bytes.length);
      this.bytes.copy(larger, 0, 0, start);
      this.bytes = larger;
    }
    this.bytes[start] = tables.indexOf(table);
    this.bytes.writeUInt16LE(keyBytes, start + 1);
    this.bytes[start + 3] = valueBytes;
    return start + headBytes;
  }
}
