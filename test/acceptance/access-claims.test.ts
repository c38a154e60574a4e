import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { audience, issuerName, makeKey, type SigningKey } from '../support/oidc-issuer';
import { connectRpc } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';

/** Tenants by a claim of their JWTs: one role for all of them. */

const folder = mkdtempSync(join(tmpdir(), 'sluice-claims-'));
let nats: TestNats;
let gateway: TestGateway;
let key: SigningKey;

beforeAll(async () => {
  key = await makeKey();
  writeFileSync(join(folder, 'keys.json'), JSON.stringify({ keys: [key.jwk] }));
  const path = join(folder, 'auth.json');
  const grants = [{ actions: ['append', 'read', 'subscribe'], streams: ['tenant.{tenant}.>'] }];
  const issuer = {
    name: 'corp',
    issuer: issuerName,
    audience,
    algorithms: ['ES256'],
    keys: { file: 'keys.json' },
  };
  writeFileSync(
    path,
    JSON.stringify({ roles: { tenant: { grants } }, issuers: [{ ...issuer, roles: ['tenant'] }] }),
  );
  nats = await startNats();
  gateway = await startTestGateway([nats.url], [`--auth-file=${path}`]);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function clientOf(tenant: unknown) {
  return connectRpc(gateway.address, await key.sign(tenant === undefined ? {} : { tenant }));
}

/** What the error of a call says that was denied. */
async function denialOf(call: Promise<unknown>): Promise<object> {
  const failure = await failureOf(call);
  expect(failure.reason).toBe('ACCESS_DENIED');
  return Object.fromEntries(failure.detail('google.rpc.ErrorInfo')?.metadata ?? []);
}

const append = (stream: string) => ({ stream, events: [{ type: 'Placed' }] });

test('each tenant has its own streams', async () => {
  using acme = await clientOf('acme');
  using acme2 = await clientOf('acme2');
  expect((await acme.append(append('tenant.acme.order.1'))).version).toBe(1n);
  expect((await acme2.append(append('tenant.acme2.order.1'))).version).toBe(1n);
  const read = await acme.readAll({ patterns: ['tenant.acme.>'] });
  expect(read.events.map(({ stream }) => stream)).toEqual(['tenant.acme.order.1']);
  for (const stream of ['tenant.acme2.order.1', 'tenant.acme', 'tenant.acme2.new', 'acme.order.1']) {
    expect(await denialOf(acme.append(append(stream)))).toEqual({ action: 'append', stream });
    expect(await denialOf(acme.getVersion({ stream }))).toEqual({ action: 'read', stream });
  }
  for (const pattern of ['>', 'tenant.>', 'tenant.*.order.1', 'tenant.acme2.>']) {
    expect(await denialOf(acme.readAll({ patterns: [pattern] }))).toEqual({ action: 'read', pattern });
  }
});

test.each(['>', '*', 'a.b', '', 7, ['acme'], { acme: true }, null, undefined])(
  'a tenant %j has no grant at all',
  async (tenant) => {
    using client = await clientOf(tenant);
    for (const stream of ['tenant.acme.order.1', 'tenant.a.b.order', 'tenant.7.order', 'tenant.order']) {
      expect(await failureOf(client.append(append(stream)))).toMatchObject({ reason: 'ACCESS_DENIED' });
    }
    expect(await failureOf(client.readAll({ patterns: ['tenant.>'] }))).toMatchObject({
      reason: 'ACCESS_DENIED',
    });
    expect((await client.readAll({ permittedOnly: true })).events).toEqual([]);
  },
);
