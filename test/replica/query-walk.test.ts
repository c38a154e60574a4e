import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { hashOf } from '../../src/replica/index/id-hash';
import { IndexEntries } from '../../src/replica/index/index-entries';
import { ReplicaIndex } from '../../src/replica/index/replica-index';
import { QueryWalk } from '../../src/replica/reads/query-walk';
import { position, sequence } from '../../src/store/values';

/** What a walk finds, compared with a search of all records. */

const folder = mkdtempSync(join(tmpdir(), 'sluice-walk-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const tags = ['a', 'b', 'c', 'd'];

/** A record: its tags, whether it is damage, and whether the next one belongs to its transaction. */
const record = fc.record({
  has: fc.subarray(tags),
  isDamage: fc.nat(19).map((number) => number === 0),
  continues: fc.nat(3).map((number) => number === 0),
});
/** Some of them many times, so that lists are longer than pages. */
const log = fc
  .array(fc.tuple(record, fc.nat({ max: 30 })), { maxLength: 30 })
  .map((runs) => runs.flatMap(([one, times]) => Array.from({ length: times + 1 }, () => one)));
const query = fc.array(fc.subarray(tags, { minLength: 1 }), { minLength: 1, maxLength: 3 });

/** Where the transaction of a record begins. */
function firstOf(records: readonly { readonly continues: boolean }[], at: number): number {
  while (records[at - 1]?.continues === true) at--;
  return at;
}

let indexes = 0;

test('a walk finds the records that have all tags of an item, and damage, once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(log, query, fc.nat(700), fc.boolean(), async (records, items, from, reverse) => {
      const index = new ReplicaIndex(join(folder, `${indexes++}`));
      const entries = new IndexEntries();
      const placed = records.map((one, at) => {
        let last = at;
        while (records[last]?.continues === true && records[last + 1] !== undefined) last++;
        // Where a part of a transaction is damage, each of the others is a record of its own.
        if (records.slice(firstOf(records, at), last + 1).some(({ isDamage }) => isDamage)) last = at;
        return { ...one, sequence: sequence(BigInt(at + 1)), position: position(BigInt(last + 1)) };
      });
      for (const { has, isDamage, ...place } of placed) {
        const location = { segment: 0, offset: Number(place.sequence), length: 100 };
        if (isDamage) entries.addKey({ kind: 'damage', hash: 0n, sequence: place.sequence }, location);
        else for (const tag of has) entries.addTag({ hash: hashOf(tag), ...place }, location);
      }
      index.putSync({ entries, state: '' });
      const asked = { items: items.map((all) => ({ eventTypes: new Set<string>(), tags: all })) };
      const walk = new QueryWalk(index.tags, asked, BigInt(from), reverse);
      const found: number[] = [];
      for (;;) {
        const { postings, completeTo } = walk.next(2_000);
        found.push(...postings.map((posting) => Number(posting.sequence)));
        if (completeTo === undefined) break;
        expect(
          postings.every((one) => (reverse ? one.position >= completeTo : one.position <= completeTo)),
        ).toBe(true);
      }
      await index.close();
      const wanted = placed.filter(
        ({ has, isDamage, position: at, sequence: own }) =>
          (isDamage || items.some((all) => all.every((tag) => has.includes(tag)))) &&
          // Damage is by its own sequence.
          (reverse ? (isDamage ? own : at) <= BigInt(from) : (isDamage ? own : at) >= BigInt(from)),
      );
      const expected = wanted.map((one) => Number(one.sequence));
      expect(found).toEqual(reverse ? expected.toReversed() : expected);
    }),
    { numRuns: 100 },
  );
});
