import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { patience } from '../support/patience';

const root = join(__dirname, '..', '..');
/** Under node_modules, so that what is compiled finds its packages. */
const cache = join(root, 'node_modules', '.cache');
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, 'sluice-bench-'));
const timeoutMs = 180_000 * patience;

beforeAll(async () => {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = ['-p', join(root, 'tsconfig.bench.json'), '--outDir', folder, '--noCheck'];
  await promisify(execFile)(process.execPath, [tsc, ...options]);
  // Where it writes its results.
  mkdirSync(join(folder, 'cwd', 'bench'), { recursive: true });
}, timeoutMs);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where there is no Go, the table that needs it is left out. */
const hasGo = spawnSync('go', ['version']).status === 0;

/** Runs the harness to its end. */
function bench(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd: join(folder, 'cwd'), timeout: timeoutMs };
    execFile(
      process.execPath,
      [join(folder, 'bench', 'main.js'), ...args],
      options,
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      },
    );
  });
}

/** The cells of the rows of all tables, by what they are about. */
function rowsOf(markdown: string): [string, string[]][] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| what') && !line.startsWith('| ---'))
    .map((line) => {
      const [what = '', ...cells] = line
        .slice(2, -2)
        .split(' | ')
        .map((cell) => cell.trim());
      return [what, cells];
    });
}

test(
  'a quick run measures every row of every table, and writes what it prints',
  async () => {
    const { code, stdout, stderr } = await bench('--quick', '--rounds=1', '--write');
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('npm run bench -- --quick --rounds=1 --write');
    expect(stdout.match(/^## .*$/gm)).toEqual([
      '## Table 1: fsync at intervals',
      '## Table 2: fsync on every write',
      '## Table 3: long and short streams',
      '## Table 4: large and small stores',
      '## Table 5: commit ids that are looked up',
      '## Table 6: gateway and bare gRPC',
      '## Table 7: subscriptions',
      '## Table 8: a sync for many appends',
      ...(hasGo
        ? [
            '## Table 9: a sync for many appends, called from Go',
            '## Table 10: called from Go and from Node',
            '## Table 11: overload',
          ]
        : []),
      '## Memory of the gateways',
    ]);
    const rows = rowsOf(stdout);
    const names = rows.map(([what]) => what);
    for (const what of [
      'append of 1,000 events',
      'GetVersion',
      'ReadByCorrelation of 10 events',
      'ReadStream of 20 events, each read',
      ...(hasGo ? ['catch-up of 500 events: stubs / stubs again'] : []),
    ])
      expect(names).toContain(what);
    const figures = rows.filter(([, cells]) => cells.length === 9);
    expect(figures.length).toBeGreaterThan(30);
    for (const [, [callers, ...cells]] of figures) {
      expect(Number(callers)).toBeGreaterThan(0);
      for (const cell of cells) expect(cell).toMatch(/^(-|[\d,.]*[1-9][\d,.]*( \([\d.]+-[\d.]+\))?)$/);
    }
    expect(readFileSync(join(folder, 'cwd', 'bench', 'RESULTS.md'), 'utf8').trim()).toBe(stdout.trim());
  },
  timeoutMs,
);

test('--only chooses rows, which are written beside those of other runs', async () => {
  const only = '--only=intervals: getversion, 1$';
  const { stdout } = await bench('--quick', '--rounds=1', only, '--write');
  const rows = rowsOf(stdout).filter(([, cells]) => cells.length === 9);
  expect(rows.map(([what, [callers]]) => [what, callers])).toEqual([['GetVersion', '1']]);
  const written = readFileSync(join(folder, 'cwd', 'bench', 'RESULTS.md'), 'utf8');
  expect(written.match(/^# .*$/gm)).toContain('# Results: fsync at intervals');
  expect(await bench('--quick', '--only=no such row')).toMatchObject({ code: 2 });
});

test.each([
  ['--rond=3', '--rond'],
  ['--rounds=many', '--rounds'],
  ['--only=(', '--only'],
  ['stray', 'stray'],
])('%s is refused before anything starts', async (arg, named) => {
  const { code, stdout, stderr } = await bench(arg);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(named);
});

test('--help explains every flag', async () => {
  const { code, stdout } = await bench('--help');
  expect(code).toBe(0);
  for (const flag of ['rounds', 'only', 'large', 'clients', 'write', 'quick', 'help'])
    expect(stdout).toContain(`--${flag}`);
});
