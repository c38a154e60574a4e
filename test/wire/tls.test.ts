import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { runSluice } from '../cli/process';
import { makeAuthority, type Authority, type Certificate } from '../support/certificates';
import { startTestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { haveOpenssl } from '../support/tools';
import { connectWire, wireFailureOf, type WireClient } from '../support/wire-client';

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
});
