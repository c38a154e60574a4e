import fc from 'fast-check';
import { NumberSet } from '../../src/collections/number-set';

const number = fc.integer({ min: 0, max: 2 ** 48 - 1 });

test('has the numbers that were added, and no others', () => {
  fc.assert(
    fc.property(fc.uniqueArray(number, { maxLength: 100 }), fc.array(number), (added, others) => {
      const set = new NumberSet(100);
      for (const one of added)
        expect([set.has(one), set.add(one), set.add(one)]).toEqual([false, true, true]);
      expect(set.size).toBe(added.length);
      for (const one of [...added, ...others]) expect(set.has(one)).toBe(added.includes(one));
      set.clear();
      expect([set.size, ...added.map((one) => set.has(one))]).toEqual([0, ...added.map(() => false)]);
    }),
  );
});

test('has space for its maximum, whatever the numbers have in common', () => {
  for (const factor of [1, 2 ** 16, 2 ** 31, 2 ** 32 - 1]) {
    const set = new NumberSet(10_000);
    let added = 0;
    for (let i = 0; i < 10_000; i++) if (set.add(i * factor)) added++;
    expect(added).toBeGreaterThan(9_900);
    expect(set.size).toBe(added);
  }
});

test('searches a slot only a bounded time', () => {
  const set = new NumberSet(1_000);
  let added = 0;
  for (let i = 0; i < 1_000_000; i++) if (set.add(i)) added++;
  expect(added).toBeLessThanOrEqual(2_048);
});
