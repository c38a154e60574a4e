import fc from 'fast-check';
import { CompactingMap } from '../../src/collections/compacting-map';

interface Entry {
  readonly key: number;
  readonly step: number;
}

/** Sets or deletes all keys of a range. */
const step = fc.record({
  isSet: fc.boolean(),
  from: fc.integer({ min: 0, max: 4_000 }),
  count: fc.integer({ min: 1, max: 2_000 }),
});

const byKey = (a: Entry, b: Entry): number => a.key - b.key;

test('is a Map to those who use it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const map = new CompactingMap<number, Entry>();
      const model = new Map<number, Entry>();
      for (const [number, { isSet, from, count }] of steps.entries()) {
        for (let key = from; key < from + count; key++) {
          if (isSet) {
            map.set(key, { key, step: number });
            model.set(key, { key, step: number });
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

test('keeps of what is gone no more than some keys', () => {
  const map = new CompactingMap<number, Entry>();
  const kept = (): number => (map as unknown as { entries: Map<number, unknown> }).entries.size;
  let keptMost = 0;
  for (let key = 0; key < 20_000; key++) {
    map.set(key, { key, step: 0 });
    map.delete(key - 10);
    keptMost = Math.max(keptMost, kept());
  }
  expect(keptMost).toBeLessThan(1_100);
  expect(map.values().map(({ key }) => key)).toEqual(
    Array.from({ length: 10 }, (_, index) => 19_990 + index),
  );
});

test('a table that was given up keeps nothing of what is gone', () => {
  const map = new CompactingMap<number, Entry>();
  const { entries } = map as unknown as { entries: Map<number, unknown> };
  const entry = { key: 0, step: 0 };
  map.set(0, entry);
  const table = [...entries.values()];
  map.delete(0);
  expect(JSON.stringify(table)).not.toContain('step');
});
