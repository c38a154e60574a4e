import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runSluice } from './process';

const folder = mkdtempSync(join(tmpdir(), 'sluice-auth-'));
const path = join(folder, 'auth.json');
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const sha256 = (digit: string): string => digit.repeat(64);
writeFileSync(
  path,
  JSON.stringify({
    roles: {
      tenant: { grants: [{ actions: ['append', 'read'], streams: ['tenant.{tenant}.>', 'of.{sub}'] }] },
      admin: { grants: [{ actions: ['admin'] }, { actions: ['read'], streams: ['>'] }] },
    },
    tokens: [
      { id: 'old', sha256: sha256('1'), principal: 'ci', roles: ['admin'], expires: '2020-01-01T00:00:00Z' },
      { id: 'a', sha256: sha256('2'), principal: 'ci' },
      { id: 'b', sha256: sha256('3'), principal: 'ci', roles: ['admin'] },
    ],
    issuers: [
      {
        name: 'corp',
        issuer: 'https://id.example.com/',
        audience: 'sluice',
        algorithms: ['RS256'],
        keys: { url: 'https://id.example.com/keys' },
        roles_claim: 'roles',
        roles: ['tenant'],
      },
    ],
    certificates: { rules: [{ dns: 'orders', principal: 'orders', roles: ['admin'] }] },
    principals: {
      'token:ci': { grants: [{ actions: ['append'], streams: ['build.*'] }] },
      anonymous: { grants: [{ actions: ['info'] }] },
    },
    defaults: {
      grants: [
        { actions: ['subscribe'], streams: ['news.>'] },
        { actions: ['manage'], streams: ['ads.>'] },
      ],
    },
  }),
);

const check = (...args: string[]) => runSluice(['auth', 'check', '--auth-file', path, ...args]);

const alice = ['--as', 'corp:alice'];
const acme = [...alice, '--claim', 'tenant=acme'];

test.each<[string[], number, string[]]>([
  [
    [...acme, 'append', 'tenant.acme.order.1'],
    0,
    ['yes\troles.tenant.grants[0].streams[0]\ttenant.acme.>\tissuers[0]'],
  ],
  [[...acme, 'append', 'tenant.acme2.order.1'], 1, ['no\t\t\tissuers[0]']],
  [
    [...acme, 'read', 'tenant.acme.*.>'],
    0,
    ['yes\troles.tenant.grants[0].streams[0]\ttenant.acme.>\tissuers[0]'],
  ],
  [[...acme, 'read', 'tenant.>'], 1, ['no\t\t\tissuers[0]']],
  [[...acme, 'subscribe', 'tenant.acme.x'], 1, ['no\t\t\tissuers[0]']],
  [[...alice, '--claim', 'tenant=>', 'append', 'tenant.acme.order.1'], 1, ['no\t\t\tissuers[0]']],
  [[...alice, 'append', 'of.alice'], 0, ['yes\troles.tenant.grants[0].streams[1]\tof.alice\tissuers[0]']],
  [[...alice, '--role', 'admin', 'info'], 0, ['yes\troles.admin.grants[0]\t\tissuers[0]']],
  [[...alice, 'info'], 1, ['no\t\t\tissuers[0]']],
  [[...alice, 'subscribe', 'news.1'], 0, ['yes\tdefaults.grants[0].streams[0]\tnews.>\tissuers[0]']],
  [
    ['--as', 'token:ci', 'append', 'build.1'],
    0,
    [1, 2].map((i) => `yes\tprincipals.token:ci.grants[0].streams[0]\tbuild.*\ttokens[${i}]`),
  ],
  [
    ['--as', 'token:ci', 'read', 'order.1'],
    1,
    ['no\t\t\ttokens[1]', 'yes\troles.admin.grants[1].streams[0]\t>\ttokens[2]'],
  ],
  [['--as', 'cert:orders', 'admin'], 0, ['yes\troles.admin.grants[0]\t\tcertificates.rules[0]']],
  [[...alice, 'manage', 'ads.*'], 0, ['yes\tdefaults.grants[1].streams[0]\tads.>\tissuers[0]']],
  [[...alice, 'manage', 'news.1'], 1, ['no\t\t\tissuers[0]']],
  [['--as', 'anonymous', 'info'], 0, ['yes\tprincipals.anonymous.grants[0]\t\t']],
  [['--as', 'anonymous', 'subscribe', 'news.1'], 1, ['no\t\t\t']],
])('auth check %j', async (args, code, lines) => {
  const result = await check(...args);
  expect(result).toEqual({ code, stdout: lines.map((line) => `${line}\n`).join(''), stderr: '' });
});

test('a principal that no credential makes may do nothing, and a role that is not there is reported', async () => {
  for (const principal of ['token:ic', 'cert:ci', 'crop:alice']) {
    expect(await check('--as', principal, 'subscribe', 'news.1')).toEqual({
      code: 1,
      stdout: 'no\t\t\t\n',
      stderr: `sluice: the file has no credential that makes ${principal}\n`,
    });
  }
  const { stderr } = await check(...alice, '--role', 'admn', 'info');
  expect(stderr).toBe('sluice: the file has no role admn; did you mean admin?\n');
});

test('prints JSON', async () => {
  const { stdout } = await check('--json', ...acme, 'append', 'tenant.acme.order.1');
  expect(JSON.parse(stdout)).toEqual({
    permitted: true,
    grant: 'roles.tenant.grants[0].streams[0]',
    pattern: 'tenant.acme.>',
    credential: 'issuers[0]',
  });
  const no = await check('--json', '--as', 'anonymous', 'admin');
  expect(JSON.parse(no.stdout)).toEqual({ permitted: false });
});

test('checks a file alone', async () => {
  const stdout = `${path} can be used: 3 tokens, 1 issuer, 1 certificate rule, 2 roles, 2 principals\n`;
  expect(await check()).toEqual({ code: 0, stdout, stderr: '' });
  const broken = join(folder, 'broken.json');
  writeFileSync(broken, '{ "tokens": 1 }');
  for (const more of [[], [...alice, 'info']]) {
    expect(await runSluice(['auth', 'check', '--auth-file', broken, ...more])).toEqual({
      code: 1,
      stdout: '',
      stderr: `sluice: the auth file ${broken} cannot be used:\n  tokens must be a list\n`,
    });
  }
});

test('checks the files that the file names', async () => {
  const naming = join(folder, 'naming.json');
  const issuer = { issuer: 'c', audience: 's', algorithms: ['ES256'] };
  const named = {
    issuers: [{ ...issuer, name: 'c', keys: { file: 'missing.json' } }],
    certificates: { crl_file: 'crl.pem' },
  };
  writeFileSync(join(folder, 'crl.pem'), 'no list');
  writeFileSync(naming, JSON.stringify(named));
  const run = async (): Promise<string> => {
    const { code, stderr } = await runSluice(['auth', 'check', '--auth-file', naming]);
    expect(code).toBe(1);
    return stderr;
  };
  expect(await run()).toContain('  issuers[0].keys.file cannot be read: ENOENT\n');
  writeFileSync(join(folder, 'missing.json'), '{"keys": 1}');
  const stderr = await run();
  expect(stderr).toMatch(/^ {2}issuers\[0\]\.keys\.file \w/m);
  expect(stderr).toContain(
    '  certificates.crl_file has something other than complete lists of revoked certificates\n',
  );
});

test.each([
  [[], 'auth needs check'],
  [['chek'], 'auth needs check; did you mean check?'],
  [['check'], '--auth-file is missing'],
  [['check', '--auth-file', path, 'append', 'a'], '--as is missing'],
  [['check', '--auth-file', path, '--as', 'token:ci'], 'ACTION is missing'],
  [['check', '--auth-file', path, '--as', 'ci', 'info'], '--as must be anonymous or <source>:<name>'],
  [['check', '--auth-file', path, ...alice, 'apend', 'a'], 'unknown action apend; did you mean append?'],
  [['check', '--auth-file', path, ...alice, 'append'], 'append needs a stream or a pattern'],
  [
    ['check', '--auth-file', path, ...alice, 'append', 'a..b'],
    'append needs a stream or a pattern; found "a..b"',
  ],
  [['check', '--auth-file', path, ...alice, 'info', 'a'], 'info concerns the whole store; found "a"'],
  [['check', '--auth-file', path, ...alice, 'append', 'a', 'b'], 'unexpected argument "b"'],
  [['check', '--auth-file', path, ...alice, '--claim', 'x', 'info'], '--claim must be NAME=VALUE; found "x"'],
  [
    ['check', '--auth-file', path, '--as', 'token:ci', '--role', 'admin', 'info'],
    '--role and --claim are for JWTs',
  ],
])('%j is not a command line', async (args, message) => {
  const { code, stdout, stderr } = await runSluice(['auth', ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(`sluice: ${message}`);
});
