import { randomBytes } from 'node:crypto';
import type { HidingRules } from '../../store/stream-rules';
import { version } from '../../store/values';
import { nameHash, nameKey } from '../segments/name-key';

/** Bounds of what is in memory: the names of this many streams, with this many bytes. The rest is looked up in the index. */
export interface FirstVersionBounds {
  readonly streamsMax: number;
  readonly nameBytesMax: number;
}

/** With its names and numbers, a table is at most 18 MB. */
export const firstVersionBounds: FirstVersionBounds = { streamsMax: 1 << 17, nameBytesMax: 8 << 20 };

/** Ages are compared as numbers, which are not exact: what is closer than a millisecond has to be judged. */
const inexactNanos = 1_000_000;

/** What `find` returns for a stream without rules, and for one that is not in memory and may have rules. */
export const without = -1;
export const unknown = -2;

const initialStreams = 64;
/** Bits of the filter for each stream, so that it lets few others pass. */
const filterBits = 64;

/**
 * What the rules of each stream hide, in memory, for reads over all streams: these meet every commit of the store, and most streams
 * have no rules. A filter over a few bytes of the name comes first; only for what passes it, the name is looked up. There
 * are no strings and no objects per stream.
 */
export class FirstVersions {
  private filter = new Uint32Array((initialStreams * filterBits) / 32);
  private slots = new Int32Array(4 * initialStreams);
  private names = Buffer.allocUnsafeSlow(32 * initialStreams);
  private view = new DataView(this.names.buffer);
  /** Where the name of each stream ends in `names`; it begins where the one before ends. */
  private ends = new Uint32Array(initialStreams);
  private firstVersions = new Float64Array(initialStreams);
  /** 0: no bound. */
  private maxCounts = new Float64Array(initialStreams);
  /** In nanoseconds; 0: no bound. */
  private maxAges = new BigUint64Array(initialStreams);
  private retained = new Uint8Array(initialStreams);
  /** In nanoseconds: no commit of this age is hidden for its age. */
  private shownAges = new Float64Array(initialStreams);
  /** With the growth of all versions: no version from this one on is hidden by a count. */
  private countedFrom = new Float64Array(initialStreams);
  private size = 0;
  private isFull = false;
  /** How often rules were set. */
  revision = 0;
  private readonly seed = randomBytes(4).readInt32LE();

  constructor(private readonly bounds: FirstVersionBounds = firstVersionBounds) {}

  set(stream: string, { firstVersion, maxCount = 0n, maxAgeNanos = 0n }: HidingRules): void {
    this.revision++;
    const name = Buffer.from(stream, 'latin1');
    const view = new DataView(name.buffer, name.byteOffset, name.length);
    const found = this.find(view, 0, name.length);
    const entry = found >= 0 ? found : this.add(name, view);
    if (entry < 0) return;
    this.firstVersions[entry] = Number(firstVersion);
    this.maxCounts[entry] = Number(maxCount);
    this.maxAges[entry] = maxAgeNanos;
    this.retained[entry] = maxCount === 0n && maxAgeNanos === 0n ? 0 : 1;
    this.shownAges[entry] = maxAgeNanos === 0n ? Infinity : Number(maxAgeNanos) - inexactNanos;
    this.countedFrom[entry] = maxCount === 0n ? -Infinity : Infinity;
  }

  /** A stream has at most this version. `growth`: of StreamVersions, now. */
  noteVersion(entry: number, version: number, growth: number): void {
    const maxCount = this.maxCounts[entry] as number;
    if (maxCount > 0) this.countedFrom[entry] = version - maxCount + 1 - growth;
  }

  /** Whether a stream whose name lies between two offsets may have rules. Of the others it lets few pass. */
  mayHave(view: DataView, start: number, end: number): boolean {
    const { filter } = this;
    const key = nameKey(view, start, end);
    return (((filter[(key >>> 5) & (filter.length - 1)] as number) >>> (key & 31)) & 1) === 1;
  }

  /** The entry of a stream whose name lies between two offsets; or `without`, or `unknown`. */
  find(view: DataView, start: number, end: number): number {
    return this.mayHave(view, start, end) ? this.lookUp(view, start, end) : without;
  }

  firstVersionOf(entry: number): number {
    return this.firstVersions[entry] as number;
  }

  /** Whether retention may hide more than the versions before the first one. */
  hasRetention(entry: number): boolean {
    return this.retained[entry] === 1;
  }

  /**
   * Whether nothing of a commit is hidden, by what is in memory; false: that has to be judged. The age is in nanoseconds, within a
   * microsecond; `growth`: of StreamVersions, now; Infinity: it is not known.
   */
  isShown(entry: number, firstVersion: number, ageNanos: number, growth: number): boolean {
    return (
      firstVersion >= (this.firstVersions[entry] as number) &&
      ageNanos <= (this.shownAges[entry] as number) &&
      firstVersion - growth >= (this.countedFrom[entry] as number)
    );
  }

  rulesOf(entry: number): HidingRules {
    const [maxCount, maxAgeNanos] = [this.maxCounts[entry] as number, this.maxAges[entry] as bigint];
    return {
      firstVersion: version(BigInt(this.firstVersionOf(entry))),
      maxCount: maxCount === 0 ? undefined : BigInt(maxCount),
      maxAgeNanos: maxAgeNanos === 0n ? undefined : maxAgeNanos,
    };
  }

  private lookUp(view: DataView, start: number, end: number): number {
    const { slots } = this;
    let slot = nameHash(view, start, end, this.seed) & (slots.length - 1);
    for (; slots[slot] !== 0; slot = (slot + 1) & (slots.length - 1)) {
      const entry = (slots[slot] as number) - 1;
      if (this.isName(entry, view, start, end)) return entry;
    }
    return this.isFull ? unknown : without;
  }

  private isName(entry: number, view: DataView, start: number, end: number): boolean {
    const from = this.startOf(entry);
    const length = end - start;
    if ((this.ends[entry] as number) - from !== length) return false;
    let at = 0;
    for (; at + 4 <= length; at += 4)
      if (this.view.getUint32(from + at) !== view.getUint32(start + at)) return false;
    for (; at < length; at++) if (this.view.getUint8(from + at) !== view.getUint8(start + at)) return false;
    return true;
  }

  private startOf(entry: number): number {
    return entry === 0 ? 0 : (this.ends[entry - 1] as number);
  }

  /** Returns the new entry; `unknown`: there is no space, so that only the filter has the stream. */
  private add(name: Buffer, view: DataView): number {
    const { size, bounds } = this;
    const start = this.startOf(size);
    // The filter cannot grow any more: the names that only it has are not known.
    if (this.isFull || size === bounds.streamsMax || start + name.length > bounds.nameBytesMax)
      this.isFull = true;
    else {
      if (size === this.ends.length) this.grow();
      this.reserveName(start + name.length);
      name.copy(this.names, start);
      this.ends[size] = start + name.length;
      this.size++;
      this.addSlot(size);
    }
    this.addToFilter(nameKey(view, 0, name.length));
    return this.isFull ? unknown : size;
  }

  private addSlot(entry: number): void {
    const { slots } = this;
    let slot = nameHash(this.view, this.startOf(entry), this.ends[entry] as number, this.seed);
    for (slot &= slots.length - 1; slots[slot] !== 0;) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = entry + 1;
  }

  private addToFilter(key: number): void {
    const word = (key >>> 5) & (this.filter.length - 1);
    this.filter[word] = (this.filter[word] as number) | (1 << (key & 31));
  }

  private reserveName(bytes: number): void {
    if (bytes <= this.names.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * this.names.length));
    this.names.copy(larger);
    this.names = larger;
    this.view = new DataView(larger.buffer);
  }

  private grow(): void {
    const streams = 2 * this.ends.length;
    this.ends = copyTo(new Uint32Array(streams), this.ends);
    this.firstVersions = copyTo(new Float64Array(streams), this.firstVersions);
    this.maxCounts = copyTo(new Float64Array(streams), this.maxCounts);
    this.maxAges = copyTo(new BigUint64Array(streams), this.maxAges);
    this.retained = copyTo(new Uint8Array(streams), this.retained);
    this.shownAges = copyTo(new Float64Array(streams), this.shownAges);
    this.countedFrom = copyTo(new Float64Array(streams), this.countedFrom);
    this.slots = new Int32Array(4 * streams);
    this.filter = new Uint32Array((streams * filterBits) / 32);
    for (let entry = 0; entry < this.size; entry++) {
      this.addSlot(entry);
      this.addToFilter(nameKey(this.view, this.startOf(entry), this.ends[entry] as number));
    }
  }
}

function copyTo<Numbers extends { set(numbers: Numbers): void }>(target: Numbers, source: Numbers): Numbers {
  target.set(source);
  return target;
}
