import fc from 'fast-check';
import { CompactingMap } from '../../src/collections/compacting-map';

interface Entry {
  readonly key: number;
  readonly round: number;
}

/** Sets or deletes all keys of a range. */
const action = fc.record({
  isSet: fc.boolean(),
  from: fc.integer({ min: 0, max: 4_000 }),
  count: fc.integer({ min: 1, max: 2_000 }),
});

const byKey = (a: Entry, b: Entry): number => a.key - b.key;

test('behaves like a Map', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 20 }), (actions) => {
      const map = new CompactingMap<number, Entry>();
      const model = new Map<number, Entry>();
      for (const [round, { isSet, from, count }] of actions.entries()) {
        for (let key = from; key < from + count; key++) {
          if (isSet) {
            map.set(key, { key, round });
            model.set(key, { key, round });
          } else if (map.delete(key) !== model.delete(key)) throw new Error(`delete of ${key}`);
        }
        expect(map.size).toBe(model.size);
        expect(map.get(from)).toEqual(model.get(from));
        expect(map.values().sort(byKey)).toEqual([...model.values()].sort(byKey));
      }
    }),
    { numRuns: 50 },
  );
});

test('keeps only a bounded number of deleted keys', () => {
  const map = new CompactingMap<number, Entry>();
  const kept = (): number => (map as unknown as { entries: Map<number, unknown> }).entries.size;
  let keptMost = 0;
  for (let key = 0; key < 20_000; key++) {
    map.set(key, { key, round: 0 });
    map.delete(key - 10);
    keptMost = Math.max(keptMost, kept());
  }
  expect(keptMost).toBeLessThan(1_100);
  expect(map.values().map(({ key }) => key)).toEqual(
    Array.from({ length: 10 }, (_, index) => 19_990 + index),
  );
});

test('an abandoned table keeps nothing that was deleted', () => {
  const map = new CompactingMap<number, Entry>();
  const { entries } = map as unknown as { entries: Map<number, unknown> };
  const entry = { key: 0, round: 0 };
  map.set(0, entry);
  const table = [...entries.values()];
  map.delete(0);
  expect(JSON.stringify(table)).not.toContain('round');
});
