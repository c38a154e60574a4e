import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { HealthCheckResponse_ServingStatus as Serving } from '../../generated/grpc/health/v1/health';
import { serves } from '../acceptance/environment';
import { runSluice } from '../cli/process';
import { readCredentials } from '../../src/jetstream/nats/credentials';
import { blocks, document, section } from '../docs/markdown';
import { newEvents } from '../support/attempts';
import { buildOnce } from '../support/build';
import { makeAuthority, type Authority, type Certificate } from '../support/certificates';
import { startTestGateway } from '../support/gateway';
import { connectionsOf } from '../support/monitor';
import { makeJwtLogins } from '../support/nats-jwt';
import { startNats, until, type TestNats } from '../support/nats-server';
import { haveOpenssl } from '../support/tools';

/** Each way to log in to NATS, and TLS. */

const folder = mkdtempSync(join(tmpdir(), 'sluice-login-'));
// Compiling must not count as part of a start.
beforeAll(buildOnce);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function fileWith(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** Appends and reads through a gateway with these flags; resolves with the connections that it has meanwhile. */
async function works(nats: TestNats, flags: readonly string[], url = nats.url): Promise<unknown[]> {
  await using gateway = await startTestGateway([url], flags);
  const { client } = gateway;
  const { version } = await client.append({ stream: 'login', events: newEvents(2) });
  expect((await client.readStream({ stream: 'login' })).header.version).toBe(version);
  return await connectionsOf([nats]);
}

/** A gateway process that is refused ends with exit code 3 and says why, without secrets. */
async function isRefused(
  nats: TestNats,
  flags: readonly string[],
  secret: string,
  reason: RegExp,
  connectTimeoutMs = 60_000,
): Promise<void> {
  const startedAt = performance.now();
  const fixed = ['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, '--create-store'];
  const timeout = `--connect-timeout-ms=${connectTimeoutMs.toString()}`;
  const { code, stdout, stderr } = await runSluice([...fixed, ...flags, timeout]);
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
  expect(stderr).toContain(`cannot connect to NATS at ${nats.url}: `);
  expect(stderr).toMatch(reason);
  expect(stderr).not.toContain(secret);
  // A refused login is retried for a shorter time than a server that does not run.
  expect(performance.now() - startedAt).toBeLessThan(30_000);
}

test('user and password, as flags and in the URL', async () => {
  await using nats = await startNats({ extraConfig: 'authorization { user: someone, password: hush }' });
  const used = [1, 2, 3].map(() => expect.objectContaining({ authorized_user: 'someone' }) as unknown);
  expect(await works(nats, ['--nats-user=someone', '--nats-password=hush'])).toEqual(used);
  expect(await works(nats, [], nats.url.replace('//', '//someone:hush@'))).toEqual(used);
  const file = join(folder, 'password');
  writeFileSync(file, 'hush\n');
  expect(await works(nats, ['--nats-user=someone', `--nats-password-file=${file}`])).toEqual(used);
  await isRefused(nats, ['--nats-user=someone', '--nats-password=wrong'], 'wrong', /authorization/i);
  await isRefused(nats, [], 'hush', /authorization/i);
}, 90_000);

test('a token, as a flag and in the URL', async () => {
  await using nats = await startNats({ extraConfig: 'authorization { token: "hush-hush" }' });
  await works(nats, ['--nats-token=hush-hush']);
  await works(nats, [], nats.url.replace('//', '//hush-hush@'));
  await isRefused(nats, ['--nats-token=wrong-one'], 'wrong-one', /authorization/i);
}, 90_000);

test('a credentials file, with the permissions of docs/operations/security.md in its JWT', async () => {
  const [block] = blocks(section(document('docs/operations/security.md'), '## NATS permissions'));
  const publish = Array.from(block?.code.matchAll(/^ +"([^"]+)"/gm) ?? [], ([, subject = '']) => subject);
  const logins = makeJwtLogins();
  await using nats = await startNats({ extraConfig: logins.serverConfig });
  const good = fileWith('good.creds', logins.credentials({ publish, subscribe: ['_INBOX.>'] }));
  await works(nats, [`--nats-creds=${good}`]);
  // Line ends as from an editor on Windows, a secret store or a copy by hand.
  const text = readFileSync(good, 'utf8');
  for (const as of [text.replaceAll('\n', '\r\n'), text.trimEnd(), text.trimEnd().replaceAll('\n', '\r\n')]) {
    await works(nats, [`--nats-creds=${fileWith('other.creds', as)}`]);
  }
  const none = fileWith('none.creds', 'something else\n');
  await expect(readCredentials(none)).rejects.toThrow(`${none} is not a file of NATS credentials`);
  const stranger = makeJwtLogins().credentials({ publish, subscribe: ['_INBOX.>'] });
  const bad = fileWith('bad.creds', stranger);
  await isRefused(nats, [`--nats-creds=${bad}`], stranger.split('\n')[1] ?? '', /authorization/i);
}, 90_000);

test('a login that NATS refuses for a while is retried until it is accepted', async () => {
  await using nats = await startNats({ extraConfig: 'authorization { user: someone, password: hush }' });
  await using gateway = await startTestGateway([nats.url], ['--nats-user=someone', '--nats-password=hush']);
  const { client } = gateway;
  await client.append({ stream: 's', events: newEvents(1) });
  const restartWith = async (password: string): Promise<void> => {
    await nats.stop();
    const config = join(nats.dataDir, 'nats.conf');
    writeFileSync(config, readFileSync(config, 'utf8').replace(/password: \w+/, `password: ${password}`));
    await nats.start();
  };
  await restartWith('changed');
  const refusals = (): number =>
    readFileSync(join(nats.dataDir, 'nats.log'), 'utf8').split('authentication error').length - 1;
  // By default the package gives up at the second refusal; there are three connections.
  await until(() => refusals() >= 12, 30_000);
  expect(await client.health()).toBe(Serving.NOT_SERVING);
  await restartWith('hush');
  await serves(client);
  expect((await client.append({ stream: 's', events: newEvents(1) })).version).toBe(2n);
}, 90_000);

(haveOpenssl() ? describe : describe.skip)('TLS', () => {
  let authority: Authority;
  let server: Certificate;
  let gatewayCertificate: Certificate;
  beforeAll(async () => {
    authority = await makeAuthority();
    server = await authority.issue('server');
    gatewayCertificate = await authority.issue('gateway');
  });
  afterAll(() => {
    authority[Symbol.dispose]();
  });

  /** A server that requires TLS, with or without a client certificate of the authority. */
  const startTls = (verify: boolean): Promise<TestNats> =>
    startNats({
      extraConfig:
        `tls { cert_file: "${server.cert}", key_file: "${server.key}", ` +
        `ca_file: "${authority.ca}", verify: ${String(verify)} }`,
    });

  test('to a server whose certificate is checked', async () => {
    await using nats = await startTls(false);
    const ca = `--nats-tls-ca=${authority.ca}`;
    const encrypted = [1, 2, 3].map(() => expect.objectContaining({ tls_version: '1.3' }) as unknown);
    expect(await works(nats, [ca])).toEqual(encrypted);
    expect(await works(nats, [ca], nats.url.replace('nats:', 'tls:'))).toEqual(encrypted);
    using stranger = await makeAuthority();
    await isRefused(nats, [`--nats-tls-ca=${stranger.ca}`], 'PRIVATE', /certificate/i, 1_500);
    await isRefused(nats, [], 'PRIVATE', /certificate/i, 1_500);
  }, 90_000);

  test('to a server that requires a certificate', async () => {
    await using nats = await startTls(true);
    const ca = `--nats-tls-ca=${authority.ca}`;
    const own = [`--nats-tls-cert=${gatewayCertificate.cert}`, `--nats-tls-key=${gatewayCertificate.key}`];
    await works(nats, [ca, ...own]);
    // The server closes the connection, and logs the reason only in its own log.
    await isRefused(nats, [ca], 'PRIVATE', /\w/, 1_500);
    expect(readFileSync(join(nats.dataDir, 'nats.log'), 'utf8')).toMatch(/didn't provide a certificate/);
  }, 90_000);
});

test('tls:// requires TLS, even if the server does not', async () => {
  await using nats = await startNats();
  const url = nats.url.replace('nats:', 'tls:');
  await expect(startTestGateway([url], ['--connect-timeout-ms=2000'])).rejects.toThrow(/tls/i);
}, 60_000);
