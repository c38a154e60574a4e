import type { StreamDescription } from '../../src/client/client';
import { CommandError } from '../../src/cli/failure';
import { ageText, changeOf, streamOptions, type StreamOptions } from '../../src/cli/stream-options';
import { planText, resultText } from '../../src/cli/stream-text';
import { parseArguments } from '../../src/cli/arguments';

const stream: StreamDescription = {
  stream: 'order.1',
  state: 'active',
  version: 10n,
  firstVersion: 4n,
  position: 20n,
  commitTime: new Date(0),
  commitTimeNanos: 0n,
  truncatedBefore: 4n,
  retention: { maxCount: undefined, maxAgeMs: undefined },
  controlPosition: 7n,
  erased: [],
};

/** Of an erasure that begins before the first version that can be read. */
const notOverwritten =
  'what was hidden before may be removed from the log already, and is not overwritten there then';

function given(...argv: string[]): StreamOptions {
  return parseArguments(argv, streamOptions).given;
}

test.each([
  [changeOf('truncate', given('--before=8')), 'hides versions 4 to 7 of order.1'],
  [changeOf('truncate', given('--before=5')), 'hides version 4 of order.1'],
  [changeOf('truncate', given('--before=2')), 'hides no further version of order.1'],
  [changeOf('retain', given('--max-count=3')), 'hides versions 4 to 7 of order.1'],
  [
    changeOf('retain', given('--max-age=90d')),
    'hides no further version of order.1, and what is older than 90d',
  ],
  [changeOf('retain', given('--all')), 'hides no further version of order.1'],
  [changeOf('delete', given()), 'hides versions 4 to 10 of order.1'],
  [
    changeOf('tombstone', given()),
    'hides versions 4 to 10 of order.1, and refuses every later append, for ever',
  ],
  [
    changeOf('erase', given('--from=4', '--to=5', '--reason=asked for')),
    'erases versions 4 to 5 of order.1, for ever',
  ],
  [
    changeOf('erase', given('--from=3', '--to=5', '--reason=asked for')),
    `erases versions 3 to 5 of order.1, for ever; ${notOverwritten}`,
  ],
  [
    changeOf('erase', given('--from=10', '--to=10', '--reason=asked for')),
    'erases version 10 of order.1, for ever',
  ],
  [
    changeOf('erase', given('--all', '--reason=asked for')),
    `erases versions 1 to 10 of order.1, for ever; ${notOverwritten}`,
  ],
])('what %j would do', (change, text) => {
  expect(planText(stream, change)).toBe(text);
});

test('what the gateway would refuse has no plan', () => {
  const truncate = { verb: 'truncate', before: 12n } as const;
  expect(() => planText(stream, truncate)).toThrow(new CommandError('stream order.1 ends at version 10'));
  const erasure = changeOf('erase', given('--from=2', '--to=11', '--reason=why'));
  expect(() => planText(stream, erasure)).toThrow(new CommandError('stream order.1 ends at version 10'));
  const tombstoned = { ...stream, state: 'tombstoned' } as const;
  const all = changeOf('erase', given('--all', '--reason=why'));
  expect(planText(tombstoned, all)).toBe(`erases versions 1 to 10 of order.1, for ever; ${notOverwritten}`);
  expect(() => planText(tombstoned, { verb: 'delete' })).toThrow(CommandError);
  expect(planText({ ...tombstoned, firstVersion: 11n }, { verb: 'tombstone' })).toMatch(/^hides no further/);
});

test.each([
  [{ verb: 'retain', retention: { maxCount: 1n } }, 'order.1 keeps its newest event'],
  [
    { verb: 'retain', retention: { maxCount: 9n, maxAgeMs: 1000 } },
    'order.1 keeps its newest 9 events for 1s',
  ],
  [{ verb: 'retain', retention: { maxAgeMs: 5_400_000 } }, 'order.1 keeps events for 90m'],
  [{ verb: 'retain', retention: {} }, 'order.1 keeps all events'],
  [{ verb: 'truncate', before: 4n }, 'order.1 begins at version 4'],
  [
    { verb: 'erase', range: { fromVersion: 2n, toVersion: 3n }, reason: 'why' },
    'versions 2 to 3 of order.1 are erased',
  ],
  [
    { verb: 'erase', range: { fromVersion: 2n, toVersion: 2n }, reason: 'why' },
    'version 2 of order.1 is erased',
  ],
] as const)('what holds after %j', (change, text) => {
  const result = { stream, changed: true, replayed: false, commitId: '' };
  expect(resultText(change, result)).toBe(text);
  expect(resultText(change, { ...result, replayed: true })).toBe(`${text} (already stored)`);
});

test.each([
  [1, '1ms'],
  [1_000, '1s'],
  [90_000, '90s'],
  [86_400_000, '1d'],
])('%d ms are %s', (ms, text) => {
  expect(ageText(ms)).toBe(text);
});

test.each([
  [['--max-count=0'], '--max-count must be at least 1; --all keeps all events'],
  [['--max-age=1.5h'], '--max-age must be a time such as 30m, 12h or 90d; found "1.5h"'],
  [['--all', '--max-count=1'], 'retain needs --max-count, --max-age or both, or --all'],
  [[], 'retain needs --max-count, --max-age or both, or --all'],
])('retain refuses %j', (argv, message) => {
  expect(() => changeOf('retain', given(...argv))).toThrow(message);
});

test.each([
  [['--from=1', '--to=2'], '--reason is missing'],
  [['--reason=why'], 'erase needs --from and --to, or --all'],
  [['--from=1', '--reason=why'], 'erase needs --from and --to, or --all'],
  [['--all', '--to=2', '--reason=why'], 'erase needs --from and --to, or --all'],
  [['--from=0', '--to=2', '--reason=why'], '--from must be at least 1, and --to at least --from'],
  [['--from=3', '--to=2', '--reason=why'], '--from must be at least 1, and --to at least --from'],
])('erase refuses %j', (argv, message) => {
  expect(() => changeOf('erase', given(...argv))).toThrow(message);
});
