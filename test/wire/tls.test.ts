import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { runSluice } from '../cli/process';
import { makeAuthority, type Authority, type Certificate } from '../support/certificates';
import { startGatewayProcess, startTestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { processes } from '../support/one-process';
import { resumes } from '../support/tls-session';
import { haveOpenssl, temporaryFolder } from '../support/tools';
import { connectWire, wireFailureOf, type WireClient, type WireMessage } from '../support/wire-client';

const unavailable = 14;

let nats: TestNats;
let authority: Authority;
let stranger: Authority;
let server: Certificate;

/** What a client trusts, and what it shows. */
function clientOf({ ca }: Authority, own?: Certificate): ChannelCredentials {
  const shown = own && ([readFileSync(own.key), readFileSync(own.cert)] as const);
  return credentials.createSsl(readFileSync(ca), ...(shown ?? []));
}

/** By name: grpc-js of itself reaches no address over TLS on Node 26. */
function connectByName(address: string, security: ChannelCredentials): WireClient {
  return connectWire(address.replace('127.0.0.1', 'localhost'), { security });
}

async function expectServed(address: string, security: ChannelCredentials): Promise<void> {
  using wire = connectByName(address, security);
  const { version } = await wire.unary('Append', { stream: 'tls.1', events: [{ type: 'Fine' }] });
  const [message] = await wire.stream('ReadStream', { stream: 'tls.1', from_version: version });
  expect(message).toMatchObject({ events: [{ type: 'Fine', version }] });
}

async function expectRefused(address: string, security: ChannelCredentials): Promise<void> {
  using wire = connectByName(address, security);
  const failure = await wireFailureOf(wire.unary('GetServerInfo', {}));
  expect(failure).toMatchObject({ code: unavailable, details: [] });
}

(haveOpenssl() ? describe : describe.skip)('the gateway with TLS', () => {
  beforeAll(async () => {
    [nats, authority, stranger] = await Promise.all([startNats(), makeAuthority(), makeAuthority()]);
    server = await authority.issue('server');
  });

  afterAll(async () => {
    authority[Symbol.dispose]();
    stranger[Symbol.dispose]();
    await nats[Symbol.asyncDispose]();
  });

  test('TLS serves clients that trust the certificate, and no others', async () => {
    const flags = ['--tls-cert', server.cert, '--tls-key', server.key];
    await using gateway = await startTestGateway([nats.url], flags);
    await expectServed(gateway.address, clientOf(authority));
    await expectServed(gateway.address, clientOf(authority, await stranger.issue('not-asked-for')));
    await expectRefused(gateway.address, clientOf(stranger));
    await expectRefused(gateway.address, credentials.createInsecure());
    await expectServed(gateway.address, clientOf(authority));
  });

  test('mutual TLS serves clients that show a certificate of the right authority, and no others', async () => {
    const flags = ['--tls-cert', server.cert, '--tls-key', server.key, '--tls-client-ca', authority.ca];
    await using gateway = await startTestGateway([nats.url], flags);
    const client = await authority.issue('client');
    await expectServed(gateway.address, clientOf(authority, client));
    await expectRefused(gateway.address, clientOf(authority));
    await expectRefused(gateway.address, clientOf(authority, await stranger.issue('client')));
    await expectRefused(gateway.address, credentials.createInsecure());
    await expectServed(gateway.address, clientOf(authority, client));
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a session of %s that has a client certificate is never resumed, so that the whole chain is known',
    async (version) => {
      const files = copyOf(server, authority);
      const plain = ['--tls-cert', server.cert, '--tls-key', server.key];
      await using open = await startTestGateway([nats.url], plain);
      expect(await resumes(open.address, version, authority)).toBe(true);
      await using mutual = await startTestGateway([nats.url], flagsOf(files), { authLookIntervalMs: 50 });
      const client = await authority.issue('client');
      expect(await resumes(mutual.address, version, authority, client)).toBe(false);
      files.put(await stranger.issue('server'), stranger);
      const newClient = await stranger.issue('client');
      await until(() => isServed(mutual.address, clientOf(stranger, newClient)));
      expect(await resumes(mutual.address, version, stranger, newClient)).toBe(false);
    },
  );

  test('a connection that is stuck in its handshake does not keep the gateway from stopping', async () => {
    const flags = ['--tls-cert', server.cert, '--tls-key', server.key, '--shutdown-timeout-ms=300'];
    const gateway = await startTestGateway([nats.url], flags);
    const [host = '', port = ''] = gateway.address.split(':');
    const socket = connect(Number(port), host).resume();
    const closed = once(socket, 'close');
    await once(socket, 'connect');
    await expectServed(gateway.address, clientOf(authority));
    await gateway[Symbol.asyncDispose]();
    await closed;
  });

  test('a key that does not belong to the certificate ends the start with exit code 4', async () => {
    const { key } = await authority.issue('another');
    const flags = [
      '--listen=127.0.0.1:0',
      `--nats-url=${nats.url}`,
      '--create-store',
      '--tls-cert',
      server.cert,
      '--tls-key',
      key,
    ];
    const { code, stdout, stderr } = await runSluice(flags);
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toMatch(/^sluice: .*key/m);
  });

  test('where client certificates are optional, a client may come without, but not with one that cannot be verified', async () => {
    const flags = [
      ...['--tls-cert', server.cert, '--tls-key', server.key, '--tls-client-ca', authority.ca],
      '--tls-client-cert=optional',
    ];
    await using gateway = await startTestGateway([nats.url], flags);
    await expectServed(gateway.address, clientOf(authority));
    await expectServed(gateway.address, clientOf(authority, await authority.issue('client')));
    const foreign = clientOf(authority, await stranger.issue('client'));
    const writes = Array.from({ length: 20 }, async () => {
      using wire = connectByName(gateway.address, foreign);
      const event = { type: 'Foreign' };
      return (await wireFailureOf(wire.unary('Append', { stream: 'tls.foreign', events: [event] }))).code;
    });
    expect(await Promise.all(writes)).toEqual(writes.map(() => unavailable));
    using reader = connectByName(gateway.address, clientOf(authority));
    expect(await reader.unary('GetVersion', { stream: 'tls.foreign' })).not.toHaveProperty('version');
    await expectRefused(gateway.address, credentials.createInsecure());
    await expectServed(gateway.address, clientOf(authority));
  });

  test('new certificate files hold for new connections, and open calls go on', async () => {
    const files = copyOf(server, authority);
    await using gateway = await startTestGateway([nats.url], flagsOf(files), { authLookIntervalMs: 50 });
    const client = await authority.issue('client');
    using wire = connectByName(gateway.address, clientOf(authority, client));
    const seen: WireMessage[] = [];
    const open = wire.open('Subscribe', { stream: 'tls.rotated' });
    open.on('data', (message: WireMessage) => seen.push(message)).on('error', () => undefined);
    await until(() => seen.length > 0);

    files.put(await stranger.issue('server'), stranger);
    const newClient = await stranger.issue('client');
    await until(() => isServed(gateway.address, clientOf(stranger, newClient)));
    await expectRefused(gateway.address, clientOf(authority, client));
    await expectRefused(gateway.address, clientOf(stranger, client));
    using fresh = connectByName(gateway.address, clientOf(stranger, newClient));
    await fresh.unary('Append', { stream: 'tls.rotated', events: [{ type: 'Fine' }] });
    await until(() => seen.some(({ events }) => (events as readonly unknown[] | undefined)?.length === 1));
    // The connection of before serves new calls as well.
    await wire.unary('GetServerInfo', {});
    open.cancel();
  });

  test('files that cannot be used change nothing, and SIGHUP has them read at once', async () => {
    const files = copyOf(server, authority);
    await using gateway = await startGatewayProcess([nats.url], flagsOf(files));
    const { process } = gateway;
    const client = clientOf(authority, await authority.issue('client'));
    const hangUp = async (message: string, times: number): Promise<void> => {
      process.signal('SIGHUP');
      await until(() => process.stderr().split(message).length - 1 === times * processes);
      await expectServed(gateway.address, client);
    };
    const refusal = 'the TLS files cannot be used; nothing changes';
    copyFileSync((await authority.issue('another')).key, files.key);
    await hangUp(refusal, 1);
    expect(process.stderr()).toMatch(/"level":50,.*key values mismatch/);
    process.signal('SIGHUP'); // the same content is not reported again
    await until(() => process.stderr().split('SIGHUP: looking').length - 1 === 2);
    await expectServed(gateway.address, client);
    writeFileSync(files.ca, '');
    copyFileSync(server.key, files.key);
    await hangUp(refusal, 2);
    renameSync(files.ca, `${files.ca}.old`);
    await hangUp(refusal, 3);
    files.put(await authority.issue('renewed'), authority);
    await hangUp('new connections get the new TLS files', 1);
    expect(process.stderr().split(refusal)).toHaveLength(1 + 3 * processes);
  });

  test('a certificate that has expired is in force all the same, and the log warns once', async () => {
    const warning = 'the certificate has expired: clients refuse it';
    const warnings = ({ process }: typeof gateway): number => process.stderr().split(warning).length - 1;
    const late = await authority.issueFor('late', -1);
    await using gateway = await startGatewayProcess(
      [nats.url],
      ['--tls-cert', late.cert, '--tls-key', late.key],
    );
    const client = clientOf(authority);
    const hangUp = async (certificate: Certificate, times: number): Promise<void> => {
      copyFileSync(certificate.cert, late.cert);
      copyFileSync(certificate.key, late.key);
      gateway.process.signal('SIGHUP');
      await until(
        () => gateway.process.stderr().split('new connections get').length - 1 === times * processes,
      );
    };
    await until(() => warnings(gateway) === processes);
    await expectRefused(gateway.address, client);
    await hangUp(server, 1);
    await expectServed(gateway.address, client);
    expect(warnings(gateway)).toBe(processes);
    await hangUp(await authority.issueFor('later', -1), 2);
    await until(() => warnings(gateway) === 2 * processes);
    await expectRefused(gateway.address, client);
  });

  test('a file without a certificate of an authority ends the start with exit code 4', async () => {
    const flags = ['--tls-cert', server.cert, '--tls-key', server.key, '--tls-client-ca', server.key];
    const nowhere = ['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, '--create-store'];
    const { code, stdout, stderr } = await runSluice([...nowhere, ...flags]);
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toContain('sluice: the TLS files cannot be used');
  });
});

/** Files that change while a gateway uses them. */
interface ChangingFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly put: (certificate: Certificate, authority: Authority) => void;
}

function copyOf(certificate: Certificate, authority: Authority): ChangingFiles {
  const folder = mkdtempSync(join(temporaryFolder(), 'tls-'));
  const files = {
    cert: join(folder, 'cert.pem'),
    key: join(folder, 'key.pem'),
    ca: join(folder, 'ca.pem'),
  };
  const put: ChangingFiles['put'] = (one, by) => {
    copyFileSync(one.cert, files.cert);
    copyFileSync(one.key, files.key);
    copyFileSync(by.ca, files.ca);
  };
  put(certificate, authority);
  return { ...files, put };
}

function flagsOf({ cert, key, ca }: ChangingFiles): string[] {
  return ['--tls-cert', cert, '--tls-key', key, '--tls-client-ca', ca];
}

async function isServed(address: string, security: ChannelCredentials): Promise<boolean> {
  using wire = connectByName(address, security);
  return await wire.unary('GetServerInfo', {}).then(
    () => true,
    () => false,
  );
}
