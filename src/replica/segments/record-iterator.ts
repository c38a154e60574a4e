import { crc32 } from 'node:zlib';
import { DamagedReplicaError } from './damage';
import { at, checksumBytes, checksumOfChecked, flag, headerBytes, kindByte } from './record-layout';

/** Checks records that follow one another. Throws DamagedReplicaError. */
export function checkRecords(bytes: Buffer): void {
  // Node.js 20 and 22 find something else for an empty view.
  if (bytes.length > 0 && crc32(bytes, checksumOfChecked) !== checksumOfChecked)
    throw new DamagedReplicaError('a record does not have its checksum');
}

/** The records of all groups that lie whole in the bytes, and the position of the last one. Throws DamagedReplicaError. */
export function wholeGroups(bytes: Buffer): { readonly whole: Buffer; readonly last: bigint } {
  const walk = new RecordWalk(bytes);
  let end = 0;
  let last = 0;
  while (walk.next()) {
    if (walk.continues) continue;
    end = walk.end;
    last = walk.position;
  }
  const whole = bytes.subarray(0, end);
  checkRecords(whole);
  return { whole, last: BigInt(last) };
}

/** Goes from record to record, without an object for each. */
export class RecordWalk {
  private readonly view: DataView;
  start = 0;
  end = 0;

  constructor(private readonly bytes: Buffer) {
    // Several times as fast as the methods of a Buffer.
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Goes to the next one; false: none is left that lies whole in the bytes. Throws DamagedReplicaError. */
  next(): boolean {
    const { view, end } = this;
    if (end + headerBytes > view.byteLength) return false;
    const length = view.getUint32(end + at.length, true);
    if (length < headerBytes + checksumBytes) throw new DamagedReplicaError('a record is cut off');
    if (end + length > view.byteLength) return false;
    this.start = end;
    this.end = end + length;
    return true;
  }

  get continues(): boolean {
    return this.hasFlag(flag.continues);
  }

  get isCommit(): boolean {
    return this.view.getUint8(this.start + at.kind) === kindByte.commit;
  }

  get isTorn(): boolean {
    return this.hasFlag(flag.torn);
  }

  get position(): number {
    return this.uint64(at.position);
  }

  get sequence(): number {
    return this.uint64(at.sequence);
  }

  get firstVersion(): number {
    return this.uint64(at.firstVersion);
  }

  get lastVersion(): number {
    return this.firstVersion + this.count - 1;
  }

  /** Whether it is of the stream of this name. */
  isOf(name: Buffer): boolean {
    const { bytes, start, bodyStart } = this;
    const from = start + headerBytes;
    if (bodyStart - from !== name.length) return false;
    // From the end, where names differ.
    for (let i = name.length - 1; i >= 0; i--) if (bytes[from + i] !== name[i]) return false;
    return true;
  }

  get count(): number {
    return this.view.getUint32(this.start + at.count, true);
  }

  get bodyStart(): number {
    return this.start + headerBytes + this.view.getUint16(this.start + at.nameBytes, true);
  }

  get bodyEnd(): number {
    return this.end - checksumBytes;
  }

  /** As far as a number is exact. */
  private uint64(field: number): number {
    const { view, start } = this;
    return view.getUint32(start + field, true) + view.getUint32(start + field + 4, true) * 2 ** 32;
  }

  private hasFlag(wanted: number): boolean {
    return (this.view.getUint8(this.start + at.flags) & wanted) !== 0;
  }
}
