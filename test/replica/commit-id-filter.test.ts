import fc from 'fast-check';
import { CommitIdFilter, noIdTimes } from '../../src/replica/index/commit-id-filter';
import { uuidV7 } from '../../src/uuid';

const nowMs = Date.parse('2026-01-01T00:00:00Z');

type Action =
  { readonly kind: 'add'; readonly madeMs: number; readonly clockMs: number } | { readonly kind: 'restart' };

/** How far an id, or the gateway's clock, is off the real time: mostly a little. */
const shift = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -1_000, max: 1_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: -200_000, max: 200_000 }) },
);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({ kind: fc.constant('add' as const), madeMs: shift, clockMs: shift }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

test('an id that was added never looks new, whatever clocks and restarts do', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 150 }), fc.array(shift), (actions, shiftsMs) => {
      let ids = new CommitIdFilter(noIdTimes, 8);
      const added: string[] = [];
      for (const [index, one] of actions.entries()) {
        if (one.kind === 'restart') {
          ids = new CommitIdFilter(ids.times, 8);
          continue;
        }
        const id = uuidV7(nowMs + index * 500 + one.madeMs);
        ids.add(id, nowMs + index * 500 + one.clockMs);
        added.push(id);
      }
      for (const laterMs of [...shiftsMs, 300_000])
        for (const id of added) expect(ids.mayContain(id, nowMs + laterMs)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('an id that was made later than all others looks new, also after a restart', () => {
  let ids = new CommitIdFilter(noIdTimes, 1_000);
  for (let i = 0; i < 10_000; i++) {
    const id = uuidV7(nowMs + i);
    expect(ids.mayContain(id, nowMs + i)).toBe(false);
    ids.add(id, nowMs + i);
    expect(ids.mayContain(id, nowMs + i)).toBe(true);
    if (i === 5_000) ids = new CommitIdFilter(ids.times, 1_000);
  }
});

test('an id without a time, or older than the filter, may be in the log', () => {
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

test('a foreign text in place of an id is ignored', () => {
  const ids = new CommitIdFilter(noIdTimes);
  for (const text of ['', 'x', 'order-1-of-7-is-7-of-all', `${'z'.repeat(14)}7${'z'.repeat(21)}`])
    ids.add(text, nowMs);
  expect(ids.times).toEqual(noIdTimes);
});
