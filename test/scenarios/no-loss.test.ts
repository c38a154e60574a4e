import * as fc from 'fast-check';
import { canRun, commands } from './commands';
import { headAt, ModelledAppend } from './modelled-append';

/**
 * The rule of all appends, over random sequences of what the scenarios tell: no acknowledged event is lost, none is stored twice,
 * and an error that says "nothing was stored" is true, whatever is still on its way.
 */

interface Case {
  /** How many commits each stream has. */
  readonly lengths: readonly number[];
  /** How many of them this gateway knows; undefined: it knows nothing of the streams. */
  readonly known: number | undefined;
  /** Whether the append expects the versions that the streams have at first. */
  readonly expectsHeads: boolean;
  readonly happenings: readonly string[];
}

const anotherAppends = 'another appends to stream ';

function casesWith(names: readonly string[]): fc.Arbitrary<Case> {
  return fc.record({
    lengths: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 3 }),
    known: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    expectsHeads: fc.boolean(),
    happenings: fc.array(fc.constantFrom(...names), { maxLength: 25 }),
  });
}

/** The append once it is decided: after all that happens nothing gets lost any more. */
function run({ lengths, known, expectsHeads, happenings }: Case): ModelledAppend {
  const streams = lengths.map((length) => Array.from({ length }, () => 'o'));
  const append = new ModelledAppend(streams, expectsHeads ? lengths : undefined);
  append.begin(known === undefined ? undefined : lengths.map((length) => headAt(Math.min(length, known))));
  for (const happening of happenings) {
    const command = commands[happening];
    if (command === undefined) append.otherAppends('o', Number(happening.at(-1)) % lengths.length);
    else if (canRun(command, append)) command.run(append);
  }
  for (let rounds = 0; !append.isDecided; rounds++) {
    if (rounds > 50) throw new Error('it is never decided');
    append.arrives();
  }
  return append;
}

const isOnce = (append: ModelledAppend): boolean => append.copies.every((copies) => copies === 1);
const isAbsent = (append: ModelledAppend): boolean => append.copies.every((copies) => copies === 0);

function holds(append: ModelledAppend): boolean {
  switch (append.action?.kind) {
    case 'acknowledge':
      return isOnce(append);
    case 'giveUp':
      return isOnce(append) || isAbsent(append);
    default:
      return isAbsent(append);
  }
}

test('no acknowledged event is lost, none is stored twice, and no error lies', () => {
  const all = [...Object.keys(commands), `${anotherAppends}1`, `${anotherAppends}2`];
  const ends = new Map<string | undefined, number>();
  fc.assert(
    fc.property(casesWith(all), (given) => {
      const append = run(given);
      const end = append.action?.kind;
      ends.set(end, (ends.get(end) ?? 0) + 1);
      const before = holds(append);
      append.remembered.clear();
      append.lateOnesArrive();
      expect([before, holds(append)]).toEqual([true, true]);
    }),
    { numRuns: 20_000 },
  );
  // Or the property would hold of nothing.
  for (const end of ['acknowledge', 'giveUp', 'leave', 'reject', 'expire'] as const)
    expect(ends.get(end)).toBeGreaterThan(100);
});

test('an append that is not refused and has no rival is stored in the end, whatever gets lost', () => {
  const losses = [
    'the request arrives',
    'the request arrives, the answer is lost',
    'the request is lost',
    'the request is late',
    'the late request arrives',
    'the server forgets ids',
    'the server refuses messages of this size',
  ];
  fc.assert(
    fc.property(casesWith(losses), (given) => {
      const append = run(given);
      expect([append.action?.kind, isOnce(append)]).toEqual(['acknowledge', true]);
    }),
    { numRuns: 5_000 },
  );
});
