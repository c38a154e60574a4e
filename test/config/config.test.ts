import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError, loadConfig, printConfig, type Config } from '../../src/config/config';
import { brokenRelations, relations } from '../../src/config/limit-relations';
import { defaultLimits, type Limits } from '../../src/limits';
import { keys, variableOf } from '../../src/config/settings';

const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
const pem = join(folder, 'some.pem');
writeFileSync(pem, 'pem');
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const natsUrl = '--nats-url=nats://127.0.0.1:4222';

function problemsOf(argv: readonly string[], env: Record<string, string> = {}): readonly string[] {
  try {
    loadConfig(argv, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

function natsOf(config: Config) {
  if (config.nats.kind !== 'external') throw new Error('embedded');
  return config.nats.options;
}

describe('values', () => {
  test('without settings: an embedded nats-server, synced always, on loopback', () => {
    const { env, ...nats } = loadConfig([], { HOME: folder }).nats as Config['nats'] & { kind: 'embedded' };
    expect(nats).toEqual({
      kind: 'embedded',
      dataDir: resolve('data'),
      sync: 'always',
      serverPath: undefined,
      cacheDir: join(folder, '.cache', 'sluice'),
      releaseMirror: undefined,
      releaseSha256: undefined,
      connections: { connectTimeoutMs: 10_000, appendConnections: 1, readConnections: 1 },
    });
    expect(env).toEqual({ HOME: folder });
    expect(loadConfig([], {})).toMatchObject({
      address: '127.0.0.1:50051',
      tls: undefined,
      store: { name: 'EVENTS', prefix: 'es', replicas: 1 },
      limits: defaultLimits,
      logLevel: 'info',
    });
  });

  test('a flag wins over its variable; an empty variable is not set', () => {
    expect(loadConfig([], { SLUICE_LISTEN: '' }).address).toBe('127.0.0.1:50051');
    expect(loadConfig([], { SLUICE_LISTEN: '[::1]:0' }).address).toBe('[::1]:0');
    expect(loadConfig(['--listen=[::1]:1'], { SLUICE_LISTEN: 'localhost:2' }).address).toBe('[::1]:1');
  });

  test('a switch: by its flag alone, with a value, and by its variable', () => {
    expect(loadConfig([], {}).insecure).toBe(false);
    expect(loadConfig(['--insecure', natsUrl], {}).insecure).toBe(true);
    expect(loadConfig(['--insecure=false'], { SLUICE_INSECURE: 'true' }).insecure).toBe(false);
    expect(loadConfig([], { SLUICE_INSECURE: 'true' }).insecure).toBe(true);
    expect(problemsOf(['--insecure=yes'])).toEqual(['--insecure must be one of true, false; found "yes"']);
    expect(problemsOf(['--insecure', 'true'])).toEqual(['unexpected argument "true"']);
  });

  test('limits can be set, and dependent ones follow', () => {
    const { limits } = loadConfig(['--append-bytes-max', '2000000', '--reads-max=7'], {});
    expect(limits).toEqual({
      ...defaultLimits,
      appendBytesMax: 2_000_000,
      readsMax: 7,
      connectionReadsMax: 4,
      requestBytesMax: 4_000_000,
    });
  });

  test.each<[string[], Partial<Limits>]>([
    [['--stream-queue-max=8'], { streamQueueMax: 8, sessionAppendsMax: 8 }],
    [['--appends-max=100'], { streamQueueMax: 100, connectionAppendsMax: 50, sessionAppendsMax: 50 }],
    [['--appends-max=1'], { streamQueueMax: 1, connectionAppendsMax: 1, sessionAppendsMax: 1 }],
    [['--connection-appends-max=3'], { connectionAppendsMax: 3, sessionAppendsMax: 3, appendsMax: 8_192 }],
    [['--append-bytes-max=2000'], { eventBytesMax: 2_000, requestBytesMax: 256 << 10 }],
    [['--append-bytes-max=16777216'], { connectionAppendsBytesMax: 20 << 20, requestBytesMax: 32 << 20 }],
    [['--append-bytes-max=67108864'], { connectionAppendsBytesMax: 64 << 20, sessionBytesMax: 1 }],
    [
      ['--append-bytes-max=2000', '--appends-bytes-max=9000'],
      { connectionAppendsBytesMax: 4_500, sessionBytesMax: 2_500 },
    ],
    [['--subscriptions-max=9'], { connectionSubscriptionsMax: 5 }],
    [
      ['--calls-max=100'],
      {
        subscriptionsMax: 100,
        connectionSubscriptionsMax: 50,
        readsMax: 100,
        sessionsMax: 100,
        lookupsMax: 100,
      },
    ],
    [['--calls-max=60000', '--subscriptions-max=50000'], { connectionSubscriptionsMax: 25_000 }],
    [['--append-bytes-max=33554432'], { connectionHeldBytesMax: 128 << 20 }],
    [['--held-bytes-max=16777216'], { connectionHeldBytesMax: 16 << 20 }],
    [['--replica-bytes-max=67108864'], { segmentBytesMax: 8 << 20 }],
    [['--sessions-max=4', '--connection-sessions-max=4'], { sessionsMax: 4, connectionSessionsMax: 4 }],
  ])('%j', (flags, followed) => {
    const { limits } = loadConfig(flags, {});
    expect(limits).toMatchObject(followed);
    expect(brokenRelations(limits)).toEqual([]);
  });

  test('every relation between limits holds for the defaults', () => {
    expect(loadConfig([], {}).limits).toEqual(defaultLimits);
    expect(brokenRelations(defaultLimits)).toEqual([]);
  });

  test.each(relations)('limits with $smaller too large for $larger are refused', (relation) => {
    const { smaller, larger, least } = relation;
    const edge = least?.(defaultLimits) ?? defaultLimits[smaller];
    expect(brokenRelations({ ...defaultLimits, [larger]: edge })).not.toContain(relation);
    expect(brokenRelations({ ...defaultLimits, [larger]: edge - 1 })).toContain(relation);
  });

  test('--print-config shows every limit in force, and where it comes from', () => {
    const argv = ['--reads-max=7', '--append-bytes-max=2000000', '--stream-queue-max=8'];
    const printed = printConfig(argv, {});
    const { limits } = loadConfig(argv, {});
    for (const [key, value] of Object.entries(limits)) {
      const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      expect(printed).toMatch(new RegExp(`^(SLUICE_${name.toUpperCase()}|# ${name})=${value} +#`, 'm'));
    }
    expect(printed).toMatch(/^SLUICE_CONNECTION_READS_MAX=4 +# follows other limits$/m);
    expect(printed).toMatch(/^# session_appends_max=8 +# follows other limits$/m);
    expect(printed).toMatch(/^# request_bytes_max=4000000 +# follows other limits$/m);
    expect(printed).toMatch(/^# tags_max=16 +# fixed$/m);
    expect(printConfig([], {})).toMatch(/^SLUICE_CONNECTION_READS_MAX=128 +# default$/m);
    expect(printConfig([], {})).toMatch(/^# session_appends_max=512 +# default$/m);
  });

  test('TLS of the gateway', () => {
    const { tls } = loadConfig(['--tls-cert', pem, '--tls-key', pem, '--tls-client-ca', pem], {});
    expect(tls).toEqual({ certFile: pem, keyFile: pem, clientCaFile: pem, clientCert: 'required' });
  });
});

describe('NATS URLs', () => {
  test('several servers, with default scheme and port', () => {
    const { servers, tls } = natsOf(loadConfig(['--nats-url', 'a, nats://b:4333,nats://[::1]:4222'], {}));
    expect(servers).toEqual(['nats://a', 'nats://b:4333', 'nats://[::1]:4222']);
    expect(tls).toBeUndefined();
  });

  test('credentials are taken out of the URLs', () => {
    const withPassword = natsOf(loadConfig(['--nats-url=nats://me:p%40ss@a:1,nats://b:2'], {}));
    expect(withPassword).toMatchObject({
      servers: ['nats://a:1', 'nats://b:2'],
      user: 'me',
      password: 'p@ss',
    });
    const withToken = natsOf(loadConfig(['--nats-url=nats://t0ken@a:1'], {}));
    expect(withToken).toMatchObject({ servers: ['nats://a:1'], token: 't0ken', user: undefined });
  });

  test('tls:// and certificates insist on TLS', () => {
    const none = { caFile: undefined, certFile: undefined, keyFile: undefined };
    expect(natsOf(loadConfig(['--nats-url=tls://a'], {})).tls).toEqual(none);
    expect(natsOf(loadConfig([natsUrl, '--nats-tls-ca', pem], {})).tls).toEqual({ ...none, caFile: pem });
  });

  test.each([
    '',
    'nats://',
    'http://a',
    'nats://a/b',
    'nats://a:x',
    'a,,b',
    'nats://u:hush@a:x',
    'nats://%zz:hush@a',
  ])('%j is refused without showing credentials', (url) => {
    const [problem = '', ...others] = problemsOf([`--nats-url=${url}`]);
    expect(problem).toMatch(/^--nats-url (must be URLs|has credentials)/);
    expect(problem).not.toContain('hush');
    expect(others).toEqual([]);
  });

  test.each(['nats://@a', 'nats://me:@a', 'nats://:hush@a', 'me:@a', 'nats://b:4222,nats://me:@a'])(
    'a part of a login that is empty in %s is refused',
    (url) => {
      const problems = problemsOf([`--nats-url=${url}`]);
      expect(problems.join()).toMatch(/^--nats-url has an empty user, password or token( \(URL 2\))?$/);
    },
  );

  test('different credentials are refused', () => {
    expect(problemsOf(['--nats-url=nats://a:b@c,nats://d:e@f'])).toEqual([
      '--nats-url must not have different credentials in its URLs',
    ]);
  });
});

describe('an address that other machines can reach', () => {
  const otherwise = 'listen on 127.0.0.1 or a Unix socket, or accept this with --insecure (SLUICE_INSECURE)';
  const plain = (listen: string): string =>
    `${listen} is not loopback: plain text shows everyone on the network what is sent, credentials too. Give ` +
    `--tls-cert and --tls-key, ${otherwise}`;
  const open = (listen: string): string =>
    `${listen} is not loopback: without authentication anyone who reaches it can read and write. Give --auth-file, ` +
    `or --tls-client-ca for callers with certificates only, ${otherwise}`;
  const tls = [`--tls-cert=${pem}`, `--tls-key=${pem}`];
  const auth = `--auth-file=${pem}`;
  const clientCa = `--tls-client-ca=${pem}`;

  test.each(['127.0.0.1:1', '127.8.0.1:1', '[::1]:1', 'localhost:1', 'unix:/run/sluice.sock'])(
    'is not %s, which needs nothing',
    (address) => {
      expect(problemsOf([`--listen=${address}`])).toEqual([]);
    },
  );

  test.each([
    '0.0.0.0:1',
    '[::]:1',
    '10.0.0.1:1',
    '[::ffff:10.0.0.1]:1',
    'gateway.internal:1',
    'localhost.internal:1',
  ])('such as %s needs TLS and authentication, or --insecure', (address) => {
    const listen = `--listen=${address}`;
    const name = `--listen (${address})`;
    expect(problemsOf([listen])).toEqual([plain(name), open(name)]);
    expect(problemsOf([listen, ...tls])).toEqual([open(name)]);
    expect(problemsOf([listen, auth])).toEqual([plain(name)]);
    expect(problemsOf([listen, ...tls, auth])).toEqual([]);
    expect(problemsOf([listen, '--insecure'])).toEqual([]);
    expect(problemsOf([listen, '--insecure=false', ...tls])).toEqual([open(name)]);
  });

  test('client certificates are authentication if they are required', () => {
    const listen = ['--listen=0.0.0.0:1', ...tls];
    expect(problemsOf([...listen, clientCa])).toEqual([]);
    expect(problemsOf([...listen, clientCa, '--tls-client-cert=required'])).toEqual([]);
    expect(problemsOf([...listen, clientCa, '--tls-client-cert=optional'])).toEqual([
      open('--listen (0.0.0.0:1)'),
    ]);
    expect(problemsOf([...listen, clientCa, '--tls-client-cert=optional', auth])).toEqual([]);
    expect(loadConfig([...listen, clientCa], {}).authenticates).toBe(true);
    const optional = ['--tls-client-cert=optional', '--insecure'];
    expect(loadConfig([...listen, clientCa, ...optional], {}).authenticates).toBe(false);
    expect(loadConfig([auth], {}).authenticates).toBe(true);
    expect(loadConfig([], {}).authenticates).toBe(false);
  });

  const guarded = keys.filter((key) => /^(auth|tls|nats[A-Z])/.test(key) && key !== 'natsServer');
  test.each(guarded.map(variableOf))('an empty %s is an error', (name) => {
    expect(problemsOf([], { [name]: '' })).toEqual([
      `${name} is set but empty: give it a value, or unset it`,
    ]);
  });
});

describe('a Unix socket', () => {
  const path = `/${'a'.repeat(91)}`;
  test.each(['unix:/a', 'unix:/run/sluice/sluice.sock', 'unix:/with space/ü.sock', `unix:${path}`])(
    '%s is taken',
    (address) => {
      expect(loadConfig([`--listen=${address}`], {}).address).toBe(address);
    },
  );

  test.each([
    'unix:',
    'unix:50051',
    'unix:a.sock',
    'unix:./a.sock',
    'unix:/',
    'unix://a/b',
    'unix:/a/',
    'unix:/a/../b',
    'unix:/a\0b',
    `unix:${path}a`,
    `unix:/${'ü'.repeat(46)}`,
  ])('%s is refused', (address) => {
    expect(problemsOf([`--listen=${address}`])).toEqual(
      [
        'must be host:port, such as 0.0.0.0:50051 or [::1]:50051, or unix: and an absolute path of at most 92 bytes',
      ].map((must) => `--listen ${must}; found "${address}"`),
    );
  });

  test('has no TLS', () => {
    const tls = [`--tls-cert=${pem}`, `--tls-key=${pem}`, `--tls-client-ca=${pem}`];
    const reason = 'is for host:port: nothing leaves this machine by a Unix socket';
    expect(problemsOf(['--listen=unix:/a', ...tls])).toEqual(
      ['--tls-cert', '--tls-key', '--tls-client-ca'].map((flag) => `${flag} ${reason}`),
    );
  });
});

test('the access of callers, and reflection, which follows it', () => {
  expect(loadConfig([], {})).toMatchObject({ authFile: undefined, reflection: 'on' });
  expect(loadConfig([`--auth-file=${pem}`], {})).toMatchObject({
    authFile: pem,
    reflection: 'authenticated',
  });
  expect(loadConfig([`--auth-file=${pem}`, '--reflection=on'], {}).reflection).toBe('on');
  expect(loadConfig(['--reflection=off'], {}).reflection).toBe('off');
  expect(problemsOf(['--record-principal'])).toEqual([
    '--record-principal needs --auth-file (SLUICE_AUTH_FILE)',
  ]);
  expect(loadConfig(['--record-principal=false'], {}).recordPrincipal).toBe(false);
  expect(problemsOf(['--reflection=authenticated'])).toEqual([
    '--reflection (authenticated) needs --auth-file (SLUICE_AUTH_FILE)',
  ]);
});

describe('what is refused', () => {
  test.each([
    ['--listen', '50051'],
    ['--listen', 'a:65536'],
    ['--store-name', 'a.b'],
    ['--store-name', ''],
    ['--store-prefix', 'ix'],
    ['--store-prefix', '_INBOX'],
    ['--store-prefix', 'a.b'],
    ['--store-replicas', '4'],
    ['--store-replicas', '1.0'],
    ['--sync', 'sometimes'],
    ['--log-level', 'loud'],
    ['--connect-timeout-ms', '0'],
    ['--append-events-max', '1e3'],
    ['--release-mirror', 'ftp://a'],
    ['--release-mirror', 'https://a/?key=hush'],
    ['--release-mirror', 'https://me:hu,sh@a/'],
    ['--release-mirror', 'https://me:hush%@a/'],
    ['--release-sha256', 'abc'],
    ['--tls-cert', join(folder, 'missing')],
    ['--tls-client-cert', 'maybe'],
    ['--auth-file', join(folder, 'missing')],
    ['--reflection', 'anonymous'],
  ])('%s=%s', (flag, value) => {
    expect(problemsOf([`${flag}=${value}`])[0]).toMatch(new RegExp(`^${flag} (must|is reserved)`));
  });

  test.each([
    [
      ['--nats-user=a', '--nats-password=b'],
      ['--nats-user needs --nats-url', '--nats-password needs --nats-url'],
    ],
    [[natsUrl, '--nats-user=a'], ['--nats-user needs --nats-password']],
    [
      [natsUrl, '--data-dir=a'],
      ['--data-dir is for the embedded nats-server, which does not run with --nats-url'],
    ],
    [[natsUrl, '--sync=always'], ['--sync is for']],
    [['--tls-cert', pem], ['--tls-cert needs --tls-key']],
    [['--tls-key', pem], ['--tls-key needs --tls-cert']],
    [['--tls-client-ca', pem], ['--tls-client-ca needs --tls-cert']],
    [['--tls-client-cert=required'], ['--tls-client-cert needs --tls-client-ca']],
    [[natsUrl, '--nats-tls-key', pem], ['--nats-tls-key needs --nats-tls-cert']],
    [
      [natsUrl, '--nats-token=a', '--nats-creds', pem],
      ['--nats-token and --nats-creds contradict each other'],
    ],
    [
      [natsUrl, '--nats-token=a', '--nats-token-file', pem],
      ['--nats-token and --nats-token-file contradict each other'],
    ],
    [
      [natsUrl, '--nats-user=a', '--nats-password=b', '--nats-password-file', pem],
      ['--nats-password and --nats-password-file contradict each other'],
    ],
    [[natsUrl, '--nats-password-file', pem], ['--nats-password-file needs --nats-user']],
    [
      ['--nats-url=nats://a@b', '--nats-token=c'],
      ['--nats-token and the credentials in --nats-url contradict'],
    ],
    [['--store-replicas=3'], ['--store-replicas above 1 needs --nats-url']],
    [
      ['--append-bytes-max=2000', '--event-bytes-max=3000'],
      ['--event-bytes-max (3000) must not be above --append-bytes-max (2000)'],
    ],
    [
      [
        '--appends-bytes-max=2000',
        '--appends-max=7',
        '--stream-queue-max=8',
        '--reads-max=2',
        '--connection-reads-max=3',
      ],
      [
        '--append-bytes-max (8388608 by default) must not be above --appends-bytes-max (2000)',
        '--stream-queue-max (8) must not be above --appends-max (7)',
        '--connection-reads-max (3) must not be above --reads-max (2)',
      ],
    ],
    [
      ['--connection-appends-max=9000'],
      ['--connection-appends-max (9000) must not be above --appends-max (8192 by default)'],
    ],
    [
      ['--subscriptions-max=50000', '--sessions-max=30000', '--reads-max=30000', '--lookups-max=30000'],
      [
        '--sessions-max (30000)',
        '--reads-max (30000)',
        '--subscriptions-max (50000)',
        '--lookups-max (30000)',
      ].map((bound) => `${bound} must not be above --calls-max (20000 by default)`),
    ],
    [
      ['--held-bytes-max=1048576'],
      ['--append-bytes-max (8388608 by default) must not be above --held-bytes-max (1048576)'],
    ],
    [
      ['--calls-max=50', '--connection-reads-max=100'],
      ['--connection-reads-max (100) must not be above --reads-max (50 from other limits)'],
    ],
  ])('contradiction %j', (argv, starts) => {
    const problems = problemsOf(argv);
    expect(problems).toHaveLength(starts.length);
    for (const [i, start] of starts.entries()) expect(problems[i]?.slice(0, start.length)).toBe(start);
  });

  test('flags that are unknown, repeated or without a value', () => {
    expect(problemsOf(['--lisen', 'a:1', '--zzzzzzzzzz=1', '-x', '--sync=always', '--sync=always'])).toEqual([
      'unknown flag --lisen; did you mean --listen?',
      'unknown flag --zzzzzzzzzz',
      'unknown flag -x',
      '--sync is given twice',
    ]);
    expect(problemsOf(['--data-dir', '--sync', 'always'])).toHaveLength(2);
    expect(problemsOf(['--data-dir'])).toHaveLength(1);
  });

  test('a switch needs no value', () => {
    const createStore = (...argv: string[]): boolean => loadConfig(argv, {}).createStore;
    expect(createStore()).toBe(false);
    expect(createStore('--create-store')).toBe(true);
    expect(createStore('--create-store', '--sync=always')).toBe(true);
    expect(createStore('--create-store=false')).toBe(false);
    expect(loadConfig([], { SLUICE_CREATE_STORE: 'true' }).createStore).toBe(true);
    expect(problemsOf(['--create-store=yes', '--create-store=true', '--sync'])).toHaveLength(3);
    expect(problemsOf(['--create-store', 'true'])).toEqual(['unexpected argument "true"']);
  });

  test('unknown variables, but not those that Kubernetes sets for a service named sluice', () => {
    expect(problemsOf([], { SLUICE_SINK: 'always', OTHER: 'x' })).toEqual([
      'unknown variable SLUICE_SINK; did you mean SLUICE_SYNC?',
    ]);
    const fromKubernetes = {
      SLUICE_SERVICE_HOST: '10.0.0.1',
      SLUICE_SERVICE_PORT: '50051',
      SLUICE_SERVICE_PORT_GRPC: '50051',
      SLUICE_PORT: 'tcp://10.0.0.1:50051',
      SLUICE_PORT_50051_TCP_ADDR: '10.0.0.1',
      SLUICE_NATS_SERVICE_HOST: '10.0.0.2',
    };
    expect(problemsOf([], fromKubernetes)).toEqual([]);
  });
});

describe('a secret in a file', () => {
  const file = (text: string): string => {
    const path = join(mkdtempSync(join(folder, 'secret-')), 'file');
    writeFileSync(path, text);
    return path;
  };
  const passwordIn = (text: string): string | undefined =>
    natsOf(loadConfig([natsUrl, '--nats-user=me', '--nats-password-file', file(text)], {})).password;

  test('is read without the end of its last line, and unchanged otherwise', () => {
    for (const secret of ['hush', ' hush ', 'hü\nsh', '\n']) {
      for (const end of ['', '\n', '\r\n']) {
        if (secret + end === '\n') continue;
        expect(passwordIn(secret + end)).toBe(secret);
      }
    }
    const token = { SLUICE_NATS_URL: 'nats://a', SLUICE_NATS_TOKEN_FILE: file('hush\n') };
    expect(natsOf(loadConfig([], token)).token).toBe('hush');
  });

  test('must exist and not be empty, and is not shown', () => {
    for (const path of ['hush', folder, file(''), file('\n'), file('x'.repeat(4_097))]) {
      const [problem] = problemsOf([natsUrl, `--nats-token-file=${path}`]);
      expect(problem).toMatch(/^--nats-token-file must be a file .* secret of 1 to 4096 bytes$/);
    }
    expect(printConfig([natsUrl, '--nats-token-file', file('hush')], {})).not.toContain('hush');
  });
});

test('secrets are never shown', () => {
  const secrets = { SLUICE_NATS_PASSWORD: 'hush', SLUICE_NATS_USER: 'me', SLUICE_NATS_URL: 'nats://a' };
  expect(printConfig([], secrets)).toMatch(/^SLUICE_NATS_PASSWORD=\*\*\* +# SLUICE_NATS_PASSWORD$/m);
  const inMirror = printConfig(['--release-mirror=https://me:hush@mirror/x'], {});
  expect(inMirror).toContain('SLUICE_RELEASE_MIRROR=https://***@mirror/x');
  expect(printConfig([], secrets) + inMirror).not.toContain('hush');
});
