import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  readdirSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAuthFile } from '../../src/auth/auth-file';
import { createTokens } from '../../src/auth/token';
import { UsageError } from '../../src/cli/failure';
import { tokenCommand } from '../../src/cli/token';
import { runSluice } from './process';

const folder = mkdtempSync(join(tmpdir(), 'sluice-token-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

let files = 0;
const written = '{\n  "roles": { "writer": { "grants": [{ "actions": ["info"] }] } },\n  "tokens": [ ]\n}\n';

function newFile(content = written): string {
  const path = join(folder, `auth-${(files++).toString()}.json`);
  writeFileSync(path, content);
  return path;
}

const today = new Date().toISOString().slice(0, 10);
const inFile = (path: string) => parseAuthFile(readFileSync(path), path).tokens;

test('create prints the token on stdout, and its entry on stderr', async () => {
  const { code, stdout, stderr } = await runSluice([
    'token',
    'create',
    '--principal',
    'ci',
    '--role',
    'writer',
  ]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^slu_[A-Za-z0-9_-]{49}\n$/);
  const path = newFile(written.replace('[ ]', `[${stderr}]`));
  const entries = inFile(path);
  expect(entries).toMatchObject([{ id: `ci-${today}`, principal: 'ci', roles: ['writer'] }]);
  expect(entries[0]?.expires).toBeUndefined();
  expect((await createTokens(entries).identify(stdout.trim())).principal).toBe('token:ci');
});

test('create adds the entry to an auth file, whose link, owner, mode and other text stay', async () => {
  const path = newFile();
  chmodSync(path, 0o640);
  const link = join(folder, 'link.json');
  symlinkSync(path, link);
  const args = [
    'token',
    'create',
    '--principal',
    'ci',
    '--id',
    'ci-1',
    '--expires',
    '90d',
    '--auth-file',
    link,
  ];
  const { code, stdout, stderr } = await runSluice(args);
  expect([code, stderr]).toEqual([0, `sluice: ci-1 was added to ${link}\n`]);
  const text = readFileSync(path, 'utf8');
  expect(text.replace(/\[\{ "id".*\}\]/, '[ ]')).toBe(written);
  expect(statSync(path).mode & 0o777).toBe(0o640);
  const [entry] = inFile(path);
  expect(Math.abs((entry?.expires ?? 0) - Date.now() - 90 * 86_400_000)).toBeLessThan(60_000);
  expect((await createTokens(inFile(link)).identify(stdout.trim())).credential.id).toBe('ci-1');
  expect(text).not.toContain(stdout.trim());
  const second = await runSluice([...args.slice(0, 5), 'ci-2', '--auth-file', link, '--json']);
  const { token, entry: shown } = JSON.parse(second.stdout) as { token: string; entry: object };
  expect(shown).toMatchObject({ id: 'ci-2', principal: 'ci', roles: [] });
  for (const one of [stdout.trim(), token]) {
    expect((await createTokens(inFile(path)).identify(one)).principal).toBe('token:ci');
  }
  expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
});

test.each<[string, string, string[], RegExp]>([
  [
    'a role that it does not have',
    written,
    ['--role', 'other'],
    /tokens\[0\]\.roles\[0\] must be one of the roles/,
  ],
  [
    'an id that it has',
    written.replace('[ ]', `[{ "id": "a", "sha256": "${'1'.repeat(64)}", "principal": "b" }]`),
    ['--id', 'a'],
    /tokens\[1\]\.id is that of tokens\[0\]/,
  ],
  ['an error', '{', [], /must be JSON/],
])('create changes nothing in a file with %s', async (_, content, args, error) => {
  const path = newFile(content);
  const { code, stdout, stderr } = await runSluice([
    'token',
    'create',
    '--principal',
    'ci',
    '--auth-file',
    path,
    ...args,
  ]);
  expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(error)]);
  expect(readFileSync(path, 'utf8')).toBe(content);
});

test('a second command at the same time changes nothing', async () => {
  const path = newFile();
  writeFileSync(`${path}.new`, '');
  const { code, stdout, stderr } = await runSluice([
    'token',
    'create',
    '--principal',
    'ci',
    '--auth-file',
    path,
  ]);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toContain(`is being changed by another command; if it was interrupted, remove ${path}.new`);
  rmSync(`${path}.new`);
  const all = await Promise.all(
    Array.from({ length: 4 }, (_, i) =>
      runSluice(['token', 'create', '--principal', 'ci', '--id', `ci-${i.toString()}`, '--auth-file', path]),
    ),
  );
  const created = all.flatMap(({ code }, i) => (code === 0 ? [`ci-${i.toString()}`] : []));
  expect(created.length).toBeGreaterThan(0);
  expect(
    inFile(path)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(created);
});

test('list shows ids, principals, roles and expiry, and nothing of the tokens', async () => {
  const entries = [
    { id: 'a', principal: 'ci', roles: ['writer'], expires: '2020-01-01T00:00:00Z' },
    { id: 'b', principal: 'ci', expires: '2999-01-01T01:00:00+01:00' },
    { id: 'c', principal: 'other' },
  ].map((entry, index) => ({ ...entry, sha256: index.toString().repeat(64) }));
  const path = newFile(JSON.stringify({ roles: { writer: {} }, tokens: entries }));
  const { code, stdout } = await runSluice(['token', 'list', '--auth-file', path]);
  expect(code).toBe(0);
  expect(stdout.split('\n')).toEqual([
    'a\tci\twriter\t2020-01-01T00:00:00.000Z\texpired',
    'b\tci\t\t2999-01-01T00:00:00.000Z\t',
    'c\tother\t\t\t',
    '',
  ]);
  const json = (await runSluice(['token', 'list', '--auth-file', path, '--json'])).stdout;
  expect(JSON.parse(json.split('\n')[0] ?? '')).toEqual({
    id: 'a',
    principal: 'ci',
    roles: ['writer'],
    expires: '2020-01-01T00:00:00.000Z',
    expired: true,
  });
  expect(stdout + json).not.toContain('000000000000');
});

test.each<[string[], string]>([
  [[], 'token needs create or list'],
  [['crate'], 'token needs create or list; did you mean create?'],
  [['create'], '--principal is missing'],
  [['create', '--principal', 'a b'], '--principal must be 1 to 128 characters'],
  [['create', '--principal', 'token:ci'], 'did you mean ci?'],
  [['create', '--principal', 'ci', '--role', ''], '--role must be 1 to 128 characters'],
  [['create', '--principal', 'ci', '--expires', 'soon'], '--expires must be a duration'],
  [['create', '--principal', 'ci', '--expires', '2027-02-30x'], '--expires must be a duration'],
  [['create', '--principal', 'ci', '--expires', '2027-13-01'], '--expires must be a duration'],
  [['create', '--principal', 'ci', '--expires', '2020-01-01'], '--expires must be in the future'],
  [['create', '--principal', 'ci', '--expires', '0d'], '--expires must be in the future'],
  [['list'], '--auth-file is missing'],
  [['list', '--auth-file', 'x', '--role', 'y'], 'are for create'],
  [['list', 'x', '--auth-file', 'x'], 'unexpected argument "x"'],
])('sluice token %j is not valid', (args, message) => {
  expect(() => tokenCommand.prepare(args)).toThrow(UsageError);
  expect(() => tokenCommand.prepare(args)).toThrow(message);
});
