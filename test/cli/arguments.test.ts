import { UsageError } from '../../src/cli/failure';
import { commands } from '../../src/cli/run';

/** A command line is checked before anything is opened. */

function refusalOf([name = '', ...argv]: readonly string[]): string {
  const command = commands.find((candidate) => candidate.name === name);
  try {
    command?.prepare(argv);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return '';
}

test.each<[readonly string[], string]>([
  [
    ['read', 'a', '--revers', '--jsn=1'],
    'unknown option --revers; did you mean --reverse?\nunknown option --jsn',
  ],
  [['read', 'a', '-f'], 'unknown option -f'],
  [['read'], 'STREAM is missing'],
  [['correlation'], 'ID is missing'],
  [['import'], 'FILE is missing'],
  [['read', 'a', 'b'], 'unexpected argument "b"'],
  [['doctor', 'x'], 'unexpected argument "x"'],
  [['read', 'a', '--from', 'x'], '--from must be a whole number; found "x"'],
  [['read', 'a', '--from=18446744073709551616'], '--from must be a whole number'],
  [['read', 'a', '--from', '1', '--from', '2'], '--from can be used only once'],
  [['read', 'a', '--json=yes'], '--json takes no value'],
  [['read', 'a', '--type'], '--type needs a value'],
  [['read', 'a', '--type', '--json'], '--type needs a value; write one that begins with "-" as --type=-...'],
  [['read', 'a', '--follow', '--reverse'], '--follow cannot be combined with --to or --reverse'],
  [['read', 'a', '--follow', '--to', '3'], '--follow cannot be combined with --to or --reverse'],
  [['append', 'a', '--data', 'x'], '--data needs --type'],
  [['append', 'a', '--tag', 'x'], '--tag needs --type'],
  [['append', 'a', '--type', 'A', '--binary'], '--binary needs --data-file'],
  [
    ['append', 'a', '--type', 'A', '--data', 'x', '--data-file', 'y'],
    '--data and --data-file cannot be combined',
  ],
  [['append', 'a', '--type', 'A', '--metadata', 'x'], '--metadata must be KEY=VALUE; found "x"'],
  [
    ['append', 'a', '--expected-version=-1'],
    '--expected-version must be a whole number or "exists"; found "-1"',
  ],
  [
    ['tail', '--from', 'yesterday'],
    '--from must be a position, a time such as 2026-11-25T12:00:00Z, a time ago such as 30s, 15m, 1h or 2d, or now',
  ],
  [['tail', '--from', '2026-11-25'], '--from must be a position'],
  [['tail', '--from', '2026-13-25T12:00:00Z'], '--from must be a position'],
])('%j', (argv, message) => {
  expect(refusalOf(argv)).toContain(message);
});

test.each<[readonly string[]]>([
  [['read', '--', '-a']],
  [['append', 'a', '--type=-', '--data-file', '-', '--binary']],
  [['read', 'a', '--from=18446744073709551615']],
  [['tail', '--from', '2026-11-25T12:00:00.123456789+02:00']],
  [['tail', 'order.*', 'invoice.>', '--from', '0']],
])('%j is valid', (argv) => {
  expect(refusalOf(argv)).toBe('');
});
