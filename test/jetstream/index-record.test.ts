import fc from 'fast-check';
import { IndexRecord } from '../../generated/sluice/v1/index';
import {
  bucketByte,
  bucketOf,
  cellByte,
  cellOf,
  decodeIndexRecord,
  distribute,
  divide,
  encodeIndexRecord,
  EntryList,
  hashKey,
  hashKeys,
  matches,
  type Entries,
} from '../../src/jetstream/index-record';
import { bounded } from '../store/recorded-events';

type Entry = [hash: bigint, position: bigint];

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
/** Few hashes that differ in one half only, so that they meet. */
const hash = fc.oneof(uint64, fc.constantFrom(0n, 1n, 1n << 32n, (1n << 32n) | 1n, 2n ** 64n - 1n));
const entries = fc.array(fc.tuple(hash, uint64), { maxLength: 600, size: 'max' });
const noBytes = Buffer.alloc(0);

function listOf(given: readonly Entry[]): EntryList {
  const list = new EntryList();
  for (const [key, position] of given) list.add(key, position);
  return list;
}

function entriesOf({ hashes, positions }: Entries): Entry[] {
  return Array.from({ length: hashes.length / 8 }, (_, index) => [
    hashes.readBigUInt64LE(8 * index),
    positions.readBigUInt64LE(8 * index),
  ]);
}

test('a record comes back as it was written, and is what the contract says', () => {
  fc.assert(
    fc.property(entries, uint64, uint64, (given, after, through) => {
      const list = listOf(given);
      expect(list.length).toBe(given.length);
      const logEnd = { sequence: through, timeNanos: after };
      const bytes = encodeIndexRecord({
        hashes: list.hashes,
        positions: list.positions,
        after,
        through,
        logEnd,
      });
      const record = decodeIndexRecord(bytes);
      expect(entriesOf(record)).toEqual(given);
      expect([record.after, record.through]).toEqual([after, through]);
      expect(record.logEnd).toEqual(through === 0n ? undefined : logEnd);
      expect(IndexRecord.decode(bytes)).toEqual({
        keyHashes: given.map(([key]) => key),
        positions: given.map(([, position]) => position),
        afterPosition: after,
        throughPosition: through,
        logSequence: through,
        logTimeNanos: after,
      });
      const encoded = IndexRecord.encode(IndexRecord.decode(bytes)).finish();
      expect(entriesOf(decodeIndexRecord(encoded))).toEqual(given);
    }),
    { ...bounded, numRuns: 50 },
  );
});

test('a hash finds its positions, in order, and no others', () => {
  fc.assert(
    fc.property(entries, hash, (given, wanted) => {
      const found = given.filter(([key]) => key === wanted).map(([, position]) => position);
      expect([...matches(listOf(given), wanted)]).toEqual(found);
    }),
    { ...bounded, numRuns: 200 },
  );
});

test('entries are divided into groups that are full but for the last', () => {
  fc.assert(
    fc.property(entries, fc.integer({ min: 1, max: 50 }), (given, most) => {
      const groups = [...divide(listOf(given), most)].map((some) => entriesOf(some));
      expect(groups.flat()).toEqual(given);
      for (const [index, group] of groups.entries()) {
        const isLast = index === groups.length - 1;
        expect(group).toHaveLength(isLast ? given.length - index * most : most);
      }
    }),
    { ...bounded, numRuns: 100 },
  );
});

test('entries are distributed by hash to those that have a list, and keep their order', () => {
  fc.assert(
    fc.property(entries, entries, fc.uint8Array({ maxLength: 256 }), (some, more, wanted) => {
      for (const [byte, valueOf] of [
        [bucketByte, bucketOf],
        [cellByte, cellOf],
      ] as const) {
        const lists = new Map(Array.from(wanted, (value) => [value, new EntryList()]));
        for (const given of [some, more]) distribute(listOf(given), byte, (value) => lists.get(value));
        const all = [...some, ...more];
        for (const [value, list] of lists)
          expect(entriesOf(list)).toEqual(all.filter(([key]) => valueOf(key) === value));
      }
    }),
    { ...bounded, numRuns: 50 },
  );
});

test('bytes that are no record are refused', () => {
  const eight = Buffer.alloc(8);
  const encode = (hashes: Buffer, positions: Buffer): Uint8Array =>
    encodeIndexRecord({ hashes, positions, after: 0n, through: 0n });
  expect(() => decodeIndexRecord(encode(eight, noBytes))).toThrow(/as many positions as hashes/);
  expect(() => decodeIndexRecord(encode(Buffer.alloc(9), Buffer.alloc(9)))).toThrow(/as many/);
  const good = encode(eight, eight);
  for (let end = 1; end < good.length; end++) {
    // The last two fields may be left out.
    if (end === 20 || end === 22) continue;
    expect(() => decodeIndexRecord(good.subarray(0, end))).toThrow();
  }
});

test('keys that are alike have hashes that are not', () => {
  const keys = new Set<string>();
  for (let number = 0; number < 10_000; number++) {
    for (const key of [
      `order-${number}`,
      `${number}`,
      `0190f3a1-0000-7000-8000-${number.toString().padStart(12, '0')}`,
    ])
      keys.add(key);
  }
  for (let length = 1; length <= 128; length++) keys.add('a'.repeat(length));
  const hashes = hashKeys([...keys]);
  expect(new Set(hashes).size).toBe(keys.size);
  // Buckets are taken from the low bits, and are evenly full.
  const buckets = new Map<bigint, number>();
  for (const key of hashes) buckets.set(key & 0xffn, (buckets.get(key & 0xffn) ?? 0) + 1);
  const mean = hashes.length / 256;
  expect(buckets.size).toBe(256);
  for (const count of buckets.values()) {
    expect(count).toBeGreaterThan(mean / 2);
    expect(count).toBeLessThan(mean * 2);
  }
});

test('a key has the same hash in every version of Sluice, because indexes are kept', () => {
  expect(
    ['', 'a', 'order-1', '0190f3a1-0000-7000-8000-000000000001'].map((key) => hashKey(key).toString(16)),
  ).toEqual(['cb72770f92ca2f0e', 'd87c7d684322885b', '982d56f9598f809d', 'b5dc2d333b6648d5']);
  expect(hashKeys(['a', 'b', 'a'])).toEqual([hashKey('a'), hashKey('b')]);
});
