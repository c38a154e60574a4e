import { randomUUID } from 'node:crypto';
import { hashOf } from '../../src/replica/index/id-hash';
import { uuidV7 } from '../../src/uuid';

const nowMs = Date.UTC(2026, 0, 1);

test('ids made later have hashes that come later', () => {
  const hashes = [0, 64, 128, 1_000, 3_600_000].map((laterMs) => hashOf(uuidV7(nowMs + laterMs)));
  expect([...hashes].sort((a, b) => (a < b ? -1 : 1))).toEqual(hashes);
});

test('ids made in the same moment nearly all have hashes of their own', () => {
  const hashes = Array.from({ length: 1_000 }, () => hashOf(uuidV7(nowMs)));
  expect(new Set(hashes).size).toBeGreaterThan(990);
});

test('the hash of any other id is chance in all of its 64 bits', () => {
  const ids = Array.from({ length: 10_000 }, (_, index) =>
    index % 2 === 0 ? randomUUID() : `order-${index}`,
  );
  const hashes = ids.map(hashOf);
  expect(new Set(hashes).size).toBe(ids.length);
  for (let bit = 0n; bit < 64n; bit++) {
    const set = hashes.filter((hash) => (hash >> bit) % 2n === 1n).length;
    expect(set).toBeGreaterThan(4_500);
    expect(set).toBeLessThan(5_500);
  }
});

test.each(['', 'ffffffff-ffff-7fff-bfff-ffffffffffff', '00000000-0000-7000-8000-000000000000', 'ä'])(
  'the hash of %j is one of 64 bits',
  (id) => {
    expect(hashOf(id)).toBe(BigInt.asUintN(64, hashOf(id)));
  },
);
