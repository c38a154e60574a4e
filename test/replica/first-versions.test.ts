import { FirstVersions, unknown, without } from '../../src/replica/index/first-versions';
import { hiddenBy, type HidingRules } from '../../src/store/stream-rules';
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

test('the filter lets few names pass that differ from those with rules in their numbers only', () => {
  const firstVersions = new FirstVersions();
  const names = Array.from({ length: 5_000 }, (_, index) => `order.${String(index).padStart(8, '0')}`);
  const withRules = names.filter((_, index) => index % 10 === 0);
  for (const name of withRules) firstVersions.set(name, rules(1));
  const passed = names.filter((name) => {
    const bytes = Buffer.from(name);
    return firstVersions.mayHave(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
  });
  expect(passed).toEqual(expect.arrayContaining(withRules));
  expect(passed.length - withRules.length).toBeLessThan(0.05 * names.length);
});

describe('a commit that is shown for certain', () => {
  const yearNanos = 31_557_600_000_000_000n;
  const nowNanos = 1_796_000_000_123_456_789n;
  const growth = 1_000;

  /** Whether a commit is hidden, exactly. */
  function isHidden(kept: HidingRules, newest: number, commit: { first: number; time: bigint }): boolean {
    const { firstVersion, fromTime } = hiddenBy(kept, version(BigInt(newest)), nowNanos);
    return BigInt(commit.first) < firstVersion || (fromTime !== undefined && commit.time < fromTime);
  }

  test('is not hidden by any rules, whatever the stream has got since', () => {
    const random = randomFrom(seed);
    const upTo = (max: number): number => Math.floor(random() * (max + 1));
    let shown = 0;
    for (let round = 0; round < 20_000; round++) {
      const noted = 1 + upTo(60);
      const kept: HidingRules = {
        firstVersion: version(BigInt(1 + upTo(20))),
        maxCount: random() < 0.3 ? undefined : BigInt(1 + upTo(60)),
        maxAgeNanos: random() < 0.3 ? undefined : BigInt(1 + upTo(50)) * yearNanos + BigInt(upTo(100)),
      };
      const firstVersions = new FirstVersions();
      firstVersions.set('stream', kept);
      const entry = found(firstVersions, 'stream');
      if (random() < 0.9) firstVersions.noteVersion(entry, noted, growth);
      // Other streams have got versions as well.
      const own = upTo(20);
      const grown = growth + own + upTo(10);
      const first = 1 + upTo(noted + own);
      // Many are within a few nanoseconds of the age: a number has every 256th.
      const near = (kept.maxAgeNanos ?? yearNanos) + BigInt(upTo(1_000) - 500);
      const time = nowNanos - (random() < 0.5 ? near : BigInt(upTo(50)) * yearNanos);
      const ageNanos = Number(nowNanos) - Number(time);
      if (!firstVersions.isShown(entry, first, ageNanos, grown)) continue;
      shown++;
      expect([kept, first, time, isHidden(kept, noted + own, { first, time })]).toEqual([
        kept,
        first,
        time,
        false,
      ]);
    }
    expect(shown).toBeGreaterThan(1_000);
  });

  test('is one that is far from what is hidden', () => {
    const firstVersions = new FirstVersions();
    const kept = { firstVersion: version(5n), maxCount: 100n, maxAgeNanos: 1_000_000_000n };
    firstVersions.set('stream', kept);
    const entry = found(firstVersions, 'stream');
    const isShown = (first: number, ageNanos: number, grown: number): boolean =>
      firstVersions.isShown(entry, first, ageNanos, grown);
    expect(isShown(5, 0, growth)).toBe(false);
    firstVersions.noteVersion(entry, 104, growth);
    expect([isShown(5, 0, growth), isShown(5, 990_000_000, growth), isShown(6, 0, growth + 1)]).toEqual([
      true,
      true,
      true,
    ]);
    expect([isShown(4, 0, growth), isShown(5, 1_000_000_001, growth), isShown(5, 0, growth + 1)]).toEqual([
      false,
      false,
      false,
    ]);
    expect(isShown(104, 0, Infinity)).toBe(false);
    // What was noted does not hold for the next rules.
    firstVersions.set('stream', { ...kept, maxCount: 50n });
    expect(isShown(104, 0, growth)).toBe(false);
    firstVersions.set('stream', { ...kept, maxCount: undefined });
    expect(isShown(5, 0, Infinity)).toBe(true);
  });
});
