import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, status } from '@grpc/grpc-js';
import { makeAuthority, type Certificate } from '../support/certificates';
import { startTestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { makeKey, OidcIssuer, issuerName, audience, type SigningKey } from '../support/oidc-issuer';
import { openCall, openSession, statusOf } from '../support/raw-http2';
import { connectRpc, type RpcClient } from '../support/rpc-client';
import { failureOf, type RpcFailure } from '../support/rpc-failure';
import { haveOpenssl } from '../support/tools';

/** Calls with JWTs and client certificates that lose what they come with, over gRPC. */

let nats: TestNats;
const folder = mkdtempSync(join(tmpdir(), 'sluice-credentials-'));
beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const grants = [{ actions: ['append', 'subscribe'], streams: ['order.*'] }];
const roles = { orders: { grants } };
const append = (client: RpcClient) => client.append({ stream: 'order.1', events: [{ type: 'Placed' }] });

/** Waits until a new subscription is served; resolves with a promise of the reason of its end. */
async function subscribe(client: RpcClient): Promise<{ readonly ended: Promise<RpcFailure> }> {
  const updates = client.subscribe({ patterns: ['order.*'] });
  await updates.next();
  const readOn = async (): Promise<void> => {
    while ((await updates.next()).done !== true);
  };
  return { ended: failureOf(readOn()) };
}

async function isOpen({ ended }: { readonly ended: Promise<unknown> }): Promise<boolean> {
  const open = new Promise((resolve) => setTimeout(resolve, 300, 'open'));
  return (await Promise.race([ended, open])) === 'open';
}

function seen(failure: RpcFailure): unknown {
  const { reason, metadata } = failure.detail('google.rpc.ErrorInfo') ?? {};
  return { reason, metadata };
}

const refused = { reason: 'UNAUTHENTICATED', metadata: new Map([['cause', 'invalid']]) };

test('a key that an issuer withdraws ends the calls of the tokens that it signed, and no others', async () => {
  const [old, young] = [await makeKey(), await makeKey()];
  await using issuer = await OidcIssuer.start(old, young);
  const file = join(folder, 'jwt.json');
  const entry = {
    name: 'corp',
    issuer: issuerName,
    audience,
    algorithms: ['ES256'],
    keys: { url: issuer.url },
  };
  writeFileSync(file, JSON.stringify({ roles, issuers: [{ ...entry, roles: ['orders'] }] }));
  const often = { issuerKeysIntervalMs: 200, issuerKeysRetryMs: 100 };
  await using gateway = await startTestGateway([nats.url], [`--auth-file=${file}`], often);
  const connect = async (key: SigningKey) => connectRpc(gateway.address, await key.sign());
  using byOld = await connect(old);
  using byYoung = await connect(young);
  await append(byOld);
  const [ending, other] = [await subscribe(byOld), await subscribe(byYoung)];
  issuer.publish(young);
  expect(seen(await ending.ended)).toEqual(refused);
  expect(seen(await failureOf(append(byOld)))).toEqual(refused);
  await append(byYoung);
  expect(await isOpen(other)).toBe(true);
});

test('tokens with unknown keys, while the keys are being fetched, do not shut out those with known keys', async () => {
  const [known, unknown] = [await makeKey(), await makeKey()];
  await using issuer = await OidcIssuer.start(known);
  const file = join(folder, 'flood.json');
  const entry = {
    name: 'corp',
    issuer: issuerName,
    audience,
    algorithms: ['ES256'],
    keys: { url: issuer.url },
  };
  writeFileSync(file, JSON.stringify({ roles, issuers: [{ ...entry, roles: ['orders'] }] }));
  const often = { issuerKeysRetryMs: 100 };
  await using gateway = await startTestGateway([nats.url], [`--auth-file=${file}`], often);
  using first = connectRpc(gateway.address, await known.sign({ jti: 'first' }));
  await append(first);
  await sleep(200);
  issuer.serve(() => undefined); // it never answers
  const sessions = [openSession(gateway.address), openSession(gateway.address)];
  try {
    const tokens = await Promise.all(Array.from({ length: 600 }, (_, i) => unknown.sign({ jti: `${i}` })));
    let refused = 0;
    for (const token of tokens) {
      for (const session of sessions) {
        const call = openCall(session, 'Append', { authorization: `Bearer ${token}` });
        void statusOf(call).then((code) => (refused += code === status.RESOURCE_EXHAUSTED ? 1 : 0));
      }
    }
    await until(() => refused > 1_000);
    for (let i = 0; i < 20; i++) {
      using fresh = connectRpc(gateway.address, await known.sign({ jti: `fresh ${i}` }));
      await append(fresh);
    }
  } finally {
    for (const session of sessions) session.destroy();
  }
}, 30_000);

(haveOpenssl() ? test : test.skip)(
  'a certificate that is revoked ends its calls, also on open connections, and no others',
  async () => {
    using authority = await makeAuthority();
    const server = await authority.issue('server');
    const issue = (name: string) => authority.issue(name, `URI:spiffe://example.org/${name}`);
    const [bad, good, other] = [await issue('orders'), await issue('orders-2'), await issue('other')];
    const list = join(folder, 'crl.pem');
    const publish = async (...revoked: readonly Certificate[]) => {
      renameSync(await authority.revoke(revoked), list);
    };
    await publish();
    const file = join(folder, 'certificates.json');
    const rules = ['orders', 'orders-2'].map((name) => ({
      uri: `spiffe://example.org/${name}`,
      principal: name,
      roles: ['orders'],
    }));
    const certificates = { trust_domain: 'example.org', crl_file: 'crl.pem', rules };
    writeFileSync(file, JSON.stringify({ roles, certificates }));
    const tls = ['--tls-cert', server.cert, '--tls-key', server.key, '--tls-client-ca', authority.ca];
    await using gateway = await startTestGateway([nats.url], [...tls, `--auth-file=${file}`]);
    const address = gateway.address.replace('127.0.0.1', 'localhost');
    const connect = ({ cert, key }: Certificate): RpcClient => {
      const [ca, ownKey, own] = [authority.ca, key, cert].map((path) => readFileSync(path));
      return connectRpc(address, undefined, credentials.createSsl(ca, ownKey, own));
    };
    using byBad = connect(bad);
    using byGood = connect(good);
    using byOther = connect(other);
    await append(byBad);
    await append(byGood);
    expect(seen(await failureOf(append(byOther)))).toEqual(refused);
    const ending = await subscribe(byBad);
    const stays = await subscribe(byGood);

    await publish(bad);
    await gateway.reload();
    expect(seen(await ending.ended)).toEqual(refused);
    expect(seen(await failureOf(append(byBad)))).toEqual(refused);
    using again = connect(bad);
    expect(seen(await failureOf(append(again)))).toEqual(refused);
    await append(byGood);
    expect(await isOpen(stays)).toBe(true);

    writeFileSync(list, 'no list');
    await gateway.reload();
    await append(byGood);
    expect(seen(await failureOf(append(byBad)))).toEqual(refused);
  },
);
