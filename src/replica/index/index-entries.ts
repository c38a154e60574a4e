import {
  entryBytes,
  hashKeyBytes,
  integerBytes,
  keySuffixBytes,
  markBytes,
  writeEntry,
  writeHashKey,
  writeMark,
  writeStreamKey,
  type HashKey,
  type IndexEntry,
  type Mark,
} from './index-keys';
import { locationBytes, writeLocation, type RecordLocation } from '../segments/location';
import type { ErasedRange } from '../../store/stream-rules';
import { erasedBytes, erasedKey, writeErased } from './erased-index';
import { tagKeyBytes, writeTagKey, type TagKey } from './tag-keys';
import { writeUint64BE } from '../segments/uint64';
import {
  controlBytes,
  storedRulesBytes,
  writeControl,
  writeStoredRules,
  type StoredRules,
} from './stream-rules-index';

export const tables = ['streams', 'keys', 'tags', 'marks', 'sealed', 'rules', 'controls', 'erased'] as const;
/** A table of the index. */
export type TableName = (typeof tables)[number];

/** The form in which LMDB takes a part of a buffer (lmdb 3.5, writeInstructions in write.js): it saves a view for each value. */
export type BufferPart = Buffer & { start: number; end: number };

const initialBytes = 16 << 10;
/** Before each entry: its table, and the lengths of its key and its value in two bytes each. */
const headerBytes = 5;

/** New entries of the index, as bytes in one buffer: as objects, thousands of them would keep the garbage collector busy. */
export class IndexEntries {
  private bytes = Buffer.allocUnsafeSlow(initialBytes);
  private used = 0;
  /** Whether there are rules of a stream. */
  hasRules = false;

  addStream(stream: string, entry: IndexEntry): void {
    const keyBytes = stream.length + keySuffixBytes;
    const at = this.begin('streams', keyBytes, entryBytes);
    writeStreamKey(this.bytes, at, stream, entry);
    writeEntry(this.bytes, at, at + keyBytes, entry);
  }

  addKey(key: HashKey, location: RecordLocation): void {
    const at = this.begin('keys', hashKeyBytes, locationBytes);
    writeHashKey(this.bytes, at, key);
    writeLocation(this.bytes, at + hashKeyBytes, location);
  }

  addTag(key: TagKey, location: RecordLocation): void {
    const at = this.begin('tags', tagKeyBytes, locationBytes);
    writeTagKey(this.bytes, at, key);
    writeLocation(this.bytes, at + tagKeyBytes, location);
  }

  addMark(mark: Mark): void {
    const at = this.begin('marks', integerBytes, markBytes);
    writeUint64BE(this.bytes, at, mark.position);
    writeMark(this.bytes, at, at + integerBytes, mark);
  }

  /** Takes the place of what was stored for the stream. */
  addRules(stream: string, rules: StoredRules): void {
    this.hasRules = true;
    const at = this.begin('rules', stream.length, storedRulesBytes);
    this.bytes.write(stream, at, 'latin1');
    writeStoredRules(this.bytes, at, at + stream.length, rules);
    const key = this.begin('controls', integerBytes, controlBytes(stream));
    writeUint64BE(this.bytes, key, rules.position);
    writeControl(this.bytes, key, key + integerBytes, stream);
  }

  addErased(stream: string, range: ErasedRange): void {
    const keyBytes = stream.length + keySuffixBytes;
    const valueBytes = erasedBytes(range);
    const at = this.begin('erased', keyBytes, valueBytes);
    writeStreamKey(this.bytes, at, stream, erasedKey(range));
    writeErased(this.bytes, at, at + keyBytes, range);
  }

  /** A segment was sealed with this many bytes. */
  addSealed(segment: number, bytes: number): void {
    const at = this.begin('sealed', integerBytes, integerBytes);
    writeUint64BE(this.bytes, at, BigInt(segment));
    writeUint64BE(this.bytes, at + integerBytes, BigInt(bytes));
  }

  /**
   * Stores all entries in the order in which they were added. The value is always the same buffer; its `start` and `end` say
   * where the value lies. LMDB gets the address and reads it later.
   */
  each(store: (table: TableName, key: Buffer, value: BufferPart) => void): void {
    const { used } = this;
    const bytes: BufferPart = Object.assign(this.bytes, { start: 0, end: 0 });
    for (let at = 0; at < used;) {
      const table = tables[bytes[at] as number] as TableName;
      const keyStart = at + headerBytes;
      const keyEnd = keyStart + bytes.readUInt16LE(at + 1);
      at = keyEnd + bytes.readUInt16LE(at + 3);
      bytes.start = keyEnd;
      bytes.end = at;
      store(table, bytes.subarray(keyStart, keyEnd), bytes);
    }
  }

  /** Makes space for an entry; returns where its key goes. */
  private begin(table: TableName, keyBytes: number, valueBytes: number): number {
    const start = this.used;
    this.used += headerBytes + keyBytes + valueBytes;
    if (this.used > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 * this.used);
      this.bytes.copy(larger, 0, 0, start);
      this.bytes = larger;
    }
    this.bytes[start] = tables.indexOf(table);
    this.bytes.writeUInt16LE(keyBytes, start + 1);
    this.bytes.writeUInt16LE(valueBytes, start + 3);
    return start + headerBytes;
  }
}
