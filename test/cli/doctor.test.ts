import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'nats';
import { Durability } from '../../src/client/client';
import type { Finding } from '../../src/cli/finding';
import { findings } from '../../src/cli/findings';
import { version } from '../../src/version';
import { digestOfToken, makeToken } from '../../src/auth/token';
import {
  AccessInfo,
  AuthFileInfo,
  GetServerInfoResponse,
  ReflectionMode,
} from '../../generated/sluice/v1/event_store_service';
import { makeAuthority } from '../support/certificates';
import { startGatewayProcess, startTestGateway } from '../support/gateway';
import { infoNow } from '../support/info-now';
import { haveOpenssl, temporaryFolder } from '../support/tools';
import { startCluster, startNats, until } from '../support/nats-server';
import { linesOf, startCommandGateway } from './gateway-commands';
import { runSluice } from './process';

interface Diagnosis {
  readonly code: number | NodeJS.Signals;
  readonly found: readonly Finding[];
}

async function diagnose(address: string): Promise<Diagnosis> {
  const { code, stdout, stderr } = await runSluice(['doctor', '--json', '--address', address]);
  expect(stderr).toBe('');
  return { code, found: linesOf(stdout) as unknown as Finding[] };
}

/** Waits until no check fails; doctor reports some troubles for a minute after their end. */
async function becomesHealthy(address: string): Promise<readonly Finding[]> {
  const giveUpMs = Date.now() + 100_000;
  for (;;) {
    const { code, found } = await diagnose(address);
    if (code === 0) return found;
    if (Date.now() > giveUpMs) expect(found.filter(({ level }) => level === 'fail')).toEqual([]);
    await sleep(100);
  }
}

const levels = (found: readonly Finding[], check: string): string[] =>
  found.filter((finding) => finding.check === check).map(({ level }) => level);

test('a store without an id', () => {
  const info = GetServerInfoResponse.fromPartial({ version, store: { name: 'OLD' } });
  expect(findings(info, version).find(({ check }) => check === 'store id')).toEqual({
    check: 'store id',
    level: 'warn',
    message: 'the store has no id, so that it cannot refuse a position of another store',
    remedy: 'nats stream edit OLD --metadata sluice-store-id=$(uuidgen)',
  });
});

type PartialAccess = Partial<Omit<AccessInfo, 'authFile'>> & { readonly authFile?: Partial<AuthFileInfo> };

/** What doctor says of access, apart from what is in order. */
function openness({ authFile, ...access }: PartialAccess): string[] {
  const info = {
    ...GetServerInfoResponse.fromPartial({ version }),
    access: {
      ...AccessInfo.fromPartial({}),
      ...access,
      authFile: authFile && { ...AuthFileInfo.fromPartial({}), ...authFile },
    },
  };
  const found = findings(info, version).filter(({ check, level }) => check === 'access' && level !== 'ok');
  return found.map(({ level, message }) => `${level} ${message}`);
}

describe('what is open', () => {
  test.each<[string, PartialAccess, string[]]>([
    ['loopback', { local: true }, []],
    [
      'TLS with required certificates',
      { tls: true, clientCertificateRequired: true },
      ['warn every caller with a client certificate may do everything: there is no auth file'],
    ],
    [
      'anything else',
      { reflection: ReflectionMode.ON },
      [
        'warn everyone on the network can read what is sent, credentials too: there is no TLS',
        'warn everyone may do everything: there is no auth file',
      ],
    ],
  ])('on %s without an auth file', (_address, access, expected) => {
    expect(openness(access)).toEqual(expected);
  });

  const controlled = { controlled: true, tls: true, principal: 'token:ops' };

  test('to a caller without admin: no more than the gateway shows it', () => {
    const access = AccessInfo.fromPartial({ ...controlled, principal: 'token:ci' });
    const found = findings(GetServerInfoResponse.fromPartial({ version, access, store: {} }), version);
    expect(found.map(({ check, level }) => `${check} ${level}`)).toEqual([
      'gateway ok',
      'access warn',
      'durability ok',
    ]);
    expect(found[1]?.message).toMatch(/^token:ci has no grant of admin/);
  });

  test('by the auth file', () => {
    expect(openness({ ...controlled, authFile: { generation: 3n } })).toEqual([]);
    const inTwoDays = BigInt(Math.floor(Date.now() / 1_000) + 2 * 86_400 - 60);
    const authFile = {
      generation: 3n,
      problems: ['roles must be an object', 'tokens must be a list'],
      anonymousGrants: ['info', 'read order.>'],
      allStreamsByDefault: true,
      allStreamsPrincipals: 6,
      tokensWithoutExpiry: 2,
      tokensExpiring: [{ id: 'ci-2026', expiresTime: { seconds: inTwoDays, nanos: 0 } }],
      tokensExpired: 1,
      unusedRoles: ['a', 'b'],
    };
    expect(openness({ ...controlled, reflection: ReflectionMode.ON, authFile })).toEqual([
      'warn callers without a credential can ask for the services and messages (reflection)',
      'fail the newest auth file, or what it names, is not in force: roles must be an object and 1 more',
      'warn callers without a credential may: info, read order.>',
      'warn everyone with a credential, or with one of some issuer, has a grant on all streams (`>`)',
      'warn 6 principals have a grant on all streams (`>`)',
      'warn API tokens that never expire: 2',
      'warn the API token ci-2026 expires within 2 days',
      'warn API tokens that have expired: 1',
      'warn nobody has the roles a, b',
    ]);
  });

  test('as a gateway tells it to an administrator, and to another caller', async () => {
    await using nats = await startNats();
    const folder = mkdtempSync(join(temporaryFolder(), 'doctor-'));
    const [admin, reader] = ['admin', 'reader'].map((name) => {
      const value = makeToken();
      const path = join(folder, name);
      writeFileSync(path, value);
      return { id: name, sha256: digestOfToken(value), principal: name, path };
    });
    const file = {
      roles: { idle: {} },
      tokens: [admin, reader].map((token) => ({ ...token, path: undefined })),
      principals: {
        'token:admin': { grants: [{ actions: ['admin'] }] },
        'token:reader': { grants: [{ actions: ['info'] }] },
      },
    };
    const path = join(folder, 'auth.json');
    writeFileSync(path, JSON.stringify(file));
    await using gateway = await startTestGateway([nats.url], ['--auth-file', path, '--reflection=on']);
    const as = async (token = ''): Promise<string[]> => {
      const args = ['doctor', '--json', '--address', gateway.address, '--token-file', token];
      const { code, stdout } = await runSluice(args);
      expect(code).toBe(0);
      const found = linesOf(stdout) as unknown as Finding[];
      return found.filter(({ check }) => check === 'access').map(({ message }) => message);
    };
    const open = 'callers without a credential can ask for the services and messages (reflection)';
    expect(await as(admin?.path)).toEqual([
      'generation 1 of the auth file decides; you are token:admin',
      open,
      'API tokens that never expire: 2',
      'nobody has the roles idle',
    ]);
    expect(await as(reader?.path)).toEqual([
      'token:reader has no grant of admin, and the gateway shows the rest only to those that have it',
      open,
    ]);
  });
});

(haveOpenssl() ? test : test.skip)(
  'the certificate that clients get',
  async () => {
    await using nats = await startNats();
    using authority = await makeAuthority();
    const seen = async (
      days: number,
      host = '127.0.0.1',
    ): Promise<[Diagnosis['code'], Finding[], string]> => {
      const { cert, key } = await authority.issueFor(`for-${days}`, days);
      await using gateway = await startTestGateway([nats.url], ['--tls-cert', cert, '--tls-key', key]);
      const address = gateway.address.replace('127.0.0.1', host);
      const args = ['doctor', '--json', '--address', address, '--tls-ca', authority.ca];
      const { code, stdout, stderr } = await runSluice(args);
      return [code, linesOf(stdout) as unknown as Finding[], stderr];
    };
    const message = (state: string): string => `the certificate of the gateway ${state}`;
    for (const [days, level] of [
      [22, 'ok'],
      [21, 'warn'],
      [1, 'warn'],
    ] as const) {
      const [code, [first, ...more], stderr] = await seen(days, days === 1 ? 'localhost' : '127.0.0.1');
      expect([code, stderr]).toEqual([0, '']);
      expect(first).toMatchObject({
        check: 'tls',
        level,
        message: message(`expires within ${days} day${days === 1 ? '' : 's'}`),
      });
      expect(more.length).toBeGreaterThan(5);
    }
    const [code, found, stderr] = await seen(-1);
    expect([code, stderr]).toEqual([1, '']);
    expect(found).toMatchObject([
      { check: 'tls', level: 'fail', message: expect.stringContaining(message('expired at 20')) as string },
    ]);
  },
  120_000,
);

test('a healthy store', async () => {
  await using gateway = await startCommandGateway();
  await gateway.client.append('a', [{ type: 'A' }]);
  const { code, found } = await diagnose(gateway.address);
  expect(code).toBe(0);
  expect(found.filter(({ level }) => level !== 'ok')).toEqual([]);
  expect(new Set(found.map(({ check }) => check))).toEqual(
    new Set([
      'gateway',
      'access',
      'nats',
      'settings',
      'log',
      'durability',
      'replicas',
      'size',
      'consumers',
      'subscribe',
      'replica',
    ]),
  );
  expect(found[0]).toEqual({ check: 'gateway', level: 'ok', message: `version ${version}` });
  const text = await gateway.output(['doctor']);
  expect(text.trimEnd().split('\n')).toHaveLength(found.length);
  expect(text).toMatch(/^ok {4}size {8}1 message, \d+ bytes$/m);
});

test('changed settings of the JetStream stream, and a store that is almost full', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const connection = await connect({ servers: nats.url });
  const { streams } = await connection.jetstreamManager();
  await gateway.client.append({ stream: 'a', events: [{ type: 'A' }] });
  const bytes = Number((await gateway.client.serverInfo()).store?.bytes);
  await streams.update('EVENTS', { max_age: 3_600_000_000_000, max_bytes: bytes + 1 });
  await connection.close();
  await infoNow(gateway.client);
  const { code, found } = await diagnose(gateway.address);
  expect(code).toBe(1);
  expect(found.filter(({ level }) => level !== 'ok')).toEqual([
    {
      check: 'settings',
      level: 'fail',
      message:
        'the JetStream stream EVENTS on es.> has wrong settings: max_age: found 3600000000000, needed 0',
      remedy: expect.stringContaining('nats command line') as string,
    },
    {
      check: 'size',
      level: 'fail',
      message: `1 message, ${bytes} bytes of at most ${bytes + 1}`,
      remedy: expect.stringContaining('max_bytes') as string,
    },
  ]);
  const { stdout } = await runSluice(['doctor', '--address', gateway.address]);
  expect(stdout).toMatch(/^fail {2}settings {4}the JetStream stream .*\n +-> restore them/m);
});

const isOfConsumer = (check: string): boolean => ['subscribe', 'replica'].includes(check);

test('one server of three is gone, until it is back', async () => {
  await using cluster = await startCluster(3);
  await using gateway = await startTestGateway(cluster.urls, ['--store-replicas=3']);
  await gateway.client.append({ stream: 'a', events: [{ type: 'A' }] });
  const found = await becomesHealthy(gateway.address);
  expect(levels(found, 'replicas')).toEqual(['ok', 'ok', 'ok']);
  const leader = (await gateway.client.serverInfo()).store?.replicaInfos.find((info) => info.leader)?.name;
  const victim = cluster.nodes.find(({ port }) => `n${port}` !== leader);
  await victim?.kill();
  // Its connection is lost at once; the leader may take a while to report which of the two it is.
  let diagnosis: Diagnosis | undefined;
  await until(
    async () => levels((diagnosis = await diagnose(gateway.address)).found, 'replicas').includes('fail'),
    60_000,
  );
  const name = `n${String(victim?.port)}`;
  // The consumer of the replica may have been on it; doctor reports that for a minute.
  const wrong = diagnosis?.found.filter(({ check, level }) => level !== 'ok' && !isOfConsumer(check));
  expect(wrong).toEqual([
    {
      check: 'replicas',
      level: 'fail',
      message: expect.stringMatching(`^${name} is (offline|not current), \\d+ operations behind$`) as string,
      remedy: expect.stringContaining(name) as string,
    },
  ]);
  await victim?.start();
  await becomesHealthy(gateway.address);
}, 300_000);

test('without NATS the exit code is 4', async () => {
  await using nats = await startNats();
  await using gateway = await startGatewayProcess([nats.url]);
  await nats.kill();
  await until(() => gateway.process.stderr().includes('is lost'));
  const { code, stdout, stderr } = await runSluice(['doctor', '--address', gateway.address]);
  expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
  expect(stderr).toMatch(/^sluice: /);
});

describe('states that are hard to cause', () => {
  const healthy = GetServerInfoResponse.fromPartial({
    version,
    store: {
      storeId: '0190f3a1-5555-7000-8000-000000000001',
      natsVersion: '2.15.3',
      durability: Durability.FSYNC_ALWAYS,
      replicas: 3,
      replicaInfos: [
        { name: 'a', leader: true, current: true },
        { name: 'b', current: true, lag: 0n },
        { name: 'c', current: true, lag: 3n },
      ],
    },
  });
  const store = healthy.store as NonNullable<typeof healthy.store>;
  const replica = { position: 1n, lag: 0n, filled: true, bytes: 1n, trouble: '', eventsReceived: 0n };
  const notOk = (info: GetServerInfoResponse): Finding[] =>
    findings(info, version).filter(({ level }) => level !== 'ok');

  test('a healthy store has no findings', () => {
    expect(notOk(healthy)).toEqual([]);
  });

  test.each<[string, GetServerInfoResponse, Partial<Finding>]>([
    ['another version', { ...healthy, version: '0.0.1' }, { check: 'gateway', level: 'warn' }],
    [
      'an old NATS',
      { ...healthy, store: { ...store, natsVersion: '2.15.2' } },
      { check: 'nats', level: 'warn' },
    ],
    [
      'lazy sync',
      { ...healthy, store: { ...store, durability: Durability.FSYNC_INTERVAL } },
      { check: 'durability', level: 'warn' },
    ],
    [
      'a replica that is behind',
      {
        ...healthy,
        store: {
          ...store,
          replicaInfos: store.replicaInfos.map((info) => ({ ...info, current: info.name !== 'c' })),
        },
      },
      { check: 'replicas', level: 'fail', message: 'c is not current, 3 operations behind' },
    ],
    [
      'a replica that is missing',
      { ...healthy, store: { ...store, replicaInfos: store.replicaInfos.slice(0, 2) } },
      { check: 'replicas', level: 'fail', message: '2 of 3 servers keep the store' },
    ],
    [
      'no leader',
      { ...healthy, store: { ...store, replicaInfos: store.replicaInfos.slice(1) } },
      { check: 'replicas', level: 'fail', message: 'the store has no leader' },
    ],
    [
      'many consumers',
      { ...healthy, store: { ...store, consumerCount: 50 } },
      { check: 'consumers', level: 'warn' },
    ],
    [
      'subscribers that get no new commits',
      { ...healthy, store: { ...store, subscriptionsTrouble: 'the consumer stands still' } },
      { check: 'subscribe', level: 'fail' },
    ],
    [
      'a replica far behind',
      { ...healthy, replica: { ...replica, lag: 10_000n } },
      { check: 'replica', level: 'warn', message: 'the replica of the log is 10000 positions behind' },
    ],
    [
      'a replica that is filled',
      { ...healthy, replica: { ...replica, lag: 7n, filled: false } },
      {
        check: 'replica',
        level: 'warn',
        message: 'the replica of the log is being filled: it is at position 1, 7 are left',
      },
    ],
    [
      'a replica that stalled',
      { ...healthy, replica: { ...replica, trouble: 'it stood still' } },
      {
        check: 'replica',
        level: 'warn',
        message: 'the replica of the log is 0 positions behind and stalled for a while: it stood still',
      },
    ],
  ])('%s', (_name, info, expected) => {
    const found = notOk(info);
    expect(found).toMatchObject([expected]);
    expect(found[0]?.remedy).toBeTruthy();
  });

  test('a replica that stalls is reported twice', () => {
    const trouble = 'it stands still';
    const found = notOk({
      ...healthy,
      store: { ...store, subscriptionsTrouble: trouble },
      replica: { ...replica, trouble },
    });
    expect(found.map(({ check, level, message }) => `${check} ${level} ${message}`)).toEqual([
      'subscribe fail subscribers get no new commits: it stands still',
      'replica warn the replica of the log is 0 positions behind: it stands still',
    ]);
  });

  test('a later NATS is fine', () => {
    for (const natsVersion of ['2.15.3', '2.15.4-RC.1', '2.16.0', '3.0.0'])
      expect(notOk({ ...healthy, store: { ...store, natsVersion } })).toEqual([]);
  });
});
