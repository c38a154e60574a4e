import fc from 'fast-check';
import { CommitIdFilter, noIdTimes } from '../../src/replica/index/commit-id-filter';
import { uuidV7 } from '../../src/store/ids';

const nowMs = Date.parse('2026-01-01T00:00:00Z');

type Step =
  { readonly kind: 'add'; readonly madeMs: number; readonly clockMs: number } | { readonly kind: 'restart' };

/** How far an id, and the gateway's clock, are from a time that goes on: mostly a little. */
const shift = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -1_000, max: 1_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: -200_000, max: 200_000 }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({ kind: fc.constant('add' as const), madeMs: shift, clockMs: shift }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

test('no id that was added is taken for a new one, whatever clocks and restarts do', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), fc.array(shift), (steps, askedMs) => {
      let ids = new CommitIdFilter(noIdTimes, 8);
      const added: string[] = [];
      for (const [index, one] of steps.entries()) {
        if (one.kind === 'restart') {
          ids = new CommitIdFilter(ids.times, 8);
          continue;
        }
        const id = uuidV7(nowMs + index * 500 + one.madeMs);
        ids.add(id, nowMs + index * 500 + one.clockMs);
        added.push(id);
      }
      for (const laterMs of [...askedMs, 300_000])
        for (const id of added) expect(ids.mayContain(id, nowMs + laterMs)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('an id that was made later than the others is known to be new, also after a restart', () => {
  let ids = new CommitIdFilter(noIdTimes, 1_000);
  for (let i = 0; i < 10_000; i++) {
    const id = uuidV7(nowMs + i);
    expect(ids.mayContain(id, nowMs + i)).toBe(false);
    ids.add(id, nowMs + i);
    expect(ids.mayContain(id, nowMs + i)).toBe(true);
    if (i === 5_000) ids = new CommitIdFilter(ids.times, 1_000);
  }
});

test('of an id without a time, or that is older than what is remembered, nothing is known', () => {
  const ids = new CommitIdFilter({ ...noIdTimes, newestMs: nowMs });
  expect(ids.mayContain('7d444840-9dc0-41d1-b245-5ffdce74fad2', nowMs)).toBe(true);
  expect(ids.mayContain(uuidV7(nowMs), nowMs)).toBe(true);
  expect(ids.mayContain(uuidV7(nowMs + 1), nowMs)).toBe(false);
});

test('an id that is far ahead of the clock does not make all others look old', () => {
  let ids = new CommitIdFilter(noIdTimes);
  const ahead = uuidV7(nowMs + 1_000_000);
  ids.add(ahead, nowMs);
  expect(ids.mayContain(uuidV7(nowMs), nowMs)).toBe(false);
  expect(ids.mayContain(ahead, nowMs)).toBe(true);
  ids = new CommitIdFilter(ids.times);
  expect(ids.mayContain(uuidV7(nowMs), nowMs)).toBe(false);
  expect(ids.mayContain(ahead, nowMs + 1_000_000)).toBe(true);
  expect(ids.mayContain(uuidV7(nowMs + 1_000_001), nowMs + 1_000_000)).toBe(false);
});

test('what somebody else has put in the place of an id is passed over', () => {
  const ids = new CommitIdFilter(noIdTimes);
  for (const text of ['', 'x', 'order-1-of-7-is-7-of-all', `${'z'.repeat(14)}7${'z'.repeat(21)}`])
    ids.add(text, nowMs);
  expect(ids.times).toEqual(noIdTimes);
});
