import fc from 'fast-check';
import { NumberSet } from '../../src/collections/number-set';

const number = fc.integer({ min: 0, max: 2 ** 48 - 1 });

test('has what was added, and nothing else', () => {
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

test('takes all that it has room for, whatever they have in common', () => {
  for (const step of [1, 2 ** 16, 2 ** 31, 2 ** 32 - 1]) {
    const set = new NumberSet(10_000);
    let taken = 0;
    for (let i = 0; i < 10_000; i++) if (set.add(i * step)) taken++;
    expect(taken).toBeGreaterThan(9_900);
    expect(set.size).toBe(taken);
  }
});

test('does not look for a slot without end', () => {
  const set = new NumberSet(1_000);
  let taken = 0;
  for (let i = 0; i < 1_000_000; i++) if (set.add(i)) taken++;
  expect(taken).toBeLessThanOrEqual(2_048);
});
