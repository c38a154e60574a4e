import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { flagOf, keys, variableOf } from '../../src/config/settings';
import { runSluice } from './process';

describe('the command line', () => {
  test('--help shows every setting and the exit codes', async () => {
    const { code, stdout, stderr } = await runSluice(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const key of keys) expect(stdout).toContain(`${flagOf(key)}, ${variableOf(key)}\n`);
    for (const exitCode of ['0', '1', '2', '3', '4'])
      expect(stdout).toMatch(new RegExp(`^  ${exitCode}  \\w`, 'm'));
    expect(stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });

  test('--help and --version answer whatever the settings are', async () => {
    expect((await runSluice(['--help', '--listen=nonsense'], { SLUICE_LISTEN: 'nonsense' })).code).toBe(0);
    expect((await runSluice(['--version'], { SLUICE_LISTEN: 'nonsense' })).code).toBe(0);
  });

  test('--version tells the version of the package', async () => {
    const packageFile = readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8');
    const { code, stdout } = await runSluice(['--version']);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `${(JSON.parse(packageFile) as { version: string }).version}\n`,
    });
  });

  test('--print-config shows values and where they come from, but no secrets', async () => {
    const { code, stdout } = await runSluice(['--print-config', '--listen', '127.0.0.1:1'], {
      SLUICE_NATS_URL: 'nats://someone:hush1@127.0.0.1:4222',
      SLUICE_STORE_NAME: 'ORDERS',
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^SLUICE_LISTEN=127\.0\.0\.1:1 +# --listen$/m);
    expect(stdout).toMatch(/^SLUICE_STORE_NAME=ORDERS +# SLUICE_STORE_NAME$/m);
    expect(stdout).toMatch(/^SLUICE_NATS_URL=nats:\/\/\*\*\*@127\.0\.0\.1:4222 +# SLUICE_NATS_URL$/m);
    expect(stdout).toMatch(/^SLUICE_STORE_PREFIX=es +# default$/m);
    expect(stdout).not.toMatch(/hush|someone/);
  });

  test('bad settings are all listed, with exit code 2 and nothing started', async () => {
    const { code, stdout, stderr } = await runSluice(['--listen', 'nowhere', '--stor-name=X', 'stray'], {
      SLUICE_STORE_REPLICAS: '2',
      SLUICE_NATS_TOKEN: 'hush',
      SLUICE_NATSURL: 'x',
    });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.split('\n').slice(1, -1)).toEqual([
      '  unknown flag --stor-name; did you mean --store-name?',
      '  unexpected argument "stray"',
      '  unknown variable SLUICE_NATSURL; did you mean SLUICE_NATS_URL?',
      '  --listen must be host:port, such as 0.0.0.0:50051 or [::1]:50051, or unix: and an absolute path of at most 92 bytes; found "nowhere"',
      '  SLUICE_STORE_REPLICAS must be 1, 3 or 5; found "2"',
      '  SLUICE_NATS_TOKEN needs --nats-url (SLUICE_NATS_URL): without it the gateway runs an embedded nats-server',
    ]);
    expect(stderr).not.toContain('hush');
  });
});
