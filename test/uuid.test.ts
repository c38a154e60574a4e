import { uuidV7 } from '../src/uuid';

test('a UUID v7 begins with the time, names its version and variant, and is never the same twice', () => {
  const ids = Array.from({ length: 5_000 }, () => uuidV7(0x0190f3a1beef));
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^0190f3a1-beef-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  // Every bit that may be random is.
  const bits = (id: string): bigint => BigInt(`0x${id.slice(14).replaceAll('-', '')}`);
  const [ones, zeros] = ids.reduce(([or, and], id) => [or | bits(id), and & bits(id)], [0n, 2n ** 80n - 1n]);
  expect(ones.toString(16)).toBe('7fffbfffffffffffffff');
  expect(zeros.toString(16)).toBe('70008000000000000000');
});

test('UUIDs of later times are greater', () => {
  const ids = [0, 1, 0xffff, 0x10000, Date.now(), 2 ** 48 - 1].map((ms) => uuidV7(ms));
  expect(ids.toSorted()).toEqual(ids);
  expect(ids[5]).toMatch(/^ffffffff-ffff-7/);
});

test('without a time it is that of now', () => {
  const before = Date.now();
  const ms = parseInt(uuidV7().replace('-', '').slice(0, 12), 16);
  expect(ms).toBeGreaterThanOrEqual(before);
  expect(ms).toBeLessThanOrEqual(Date.now());
});
