import { FirstVersions, unknown, without } from '../../src/replica/index/first-versions';
import type { HidingRules } from '../../src/store/stream-rules';
import { version } from '../../src/store/values';
import { randomFrom } from '../support/random';

const seed = Number(process.env['TEST_SEED'] ?? Date.now());

/** Looks a name up that lies between other bytes. */
function found(firstVersions: FirstVersions, name: string): number {
  const bytes = Buffer.from(`#!${name}!#`);
  return firstVersions.find(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 2, 2 + name.length);
}

function someName(random: () => number): string {
  const length = 1 + Math.floor(random() * 40);
  return Array.from({ length }, () => 'ab.0'[Math.floor(random() * 4)]).join('');
}

/** Rules with each kind of retention, and without any. */
function rules(firstVersion: number): HidingRules {
  return {
    firstVersion: version(BigInt(firstVersion)),
    maxCount: firstVersion % 2 === 0 ? BigInt(firstVersion) + 1n : undefined,
    // Up to a hundred years, which no number of nanoseconds has exactly.
    maxAgeNanos: firstVersion % 3 === 0 ? 3_155_760_000_000_000_000n - BigInt(firstVersion) : undefined,
  };
}

test('it says of each stream what was set last, and of others nothing', () => {
  const random = randomFrom(seed);
  const [firstVersions, expected] = [new FirstVersions(), new Map<string, number>()];
  for (let i = 0; i < 3_000; i++) {
    const [name, firstVersion] = [someName(random), 1 + Math.floor(random() * 1e9)];
    expected.set(name, firstVersion);
    firstVersions.set(name, rules(firstVersion));
  }
  for (const [name, firstVersion] of expected) {
    const entry = found(firstVersions, name);
    const { maxCount, maxAgeNanos } = rules(firstVersion);
    expect(firstVersions.rulesOf(entry)).toEqual(rules(firstVersion));
    expect(firstVersions.firstVersionOf(entry)).toBe(firstVersion);
    expect(firstVersions.hasRetention(entry)).toBe(maxCount !== undefined || maxAgeNanos !== undefined);
  }
  for (let i = 0; i < 3_000; i++) {
    const name = someName(random);
    if (!expected.has(name)) expect([name, found(firstVersions, name)]).toEqual([name, without]);
  }
});

test.each([
  { streamsMax: 100, nameBytesMax: 1 << 20 },
  { streamsMax: 1_000, nameBytesMax: 900 },
])('what has no space in it has to be looked up: %j', (bounds) => {
  const firstVersions = new FirstVersions(bounds);
  const names = Array.from({ length: 300 }, (_, index) => `stream.${index}`);
  for (const name of names) firstVersions.set(name, rules(7));
  const entries = names.map((name) => found(firstVersions, name));
  const known = entries.filter((entry) => entry >= 0).length;
  expect(known).toBeGreaterThan(50);
  expect(known).toBeLessThan(110);
  expect(entries.filter((entry) => entry === unknown)).toHaveLength(300 - known);
  // What has space stays as it is set.
  firstVersions.set('stream.1', rules(9));
  expect(firstVersions.firstVersionOf(found(firstVersions, 'stream.1'))).toBe(9);
});
