import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Credentials, Identity } from '../../src/auth/identity';
import { digestOfToken, makeToken } from '../../src/auth/token';
import { makeKey, seconds } from '../support/oidc-issuer';
import { makeAuthority } from '../support/certificates';
import { haveOpenssl } from '../support/tools';
import { peerOf } from './peers';
import { openGuardFile, temporaryFolder, type GuardFile } from './guard-file';
import { issuerEntry } from './jwts';
import { refusal } from './refusal';

/** What a new generation of the auth file does to identities that an earlier one has accepted. */

function bearer(token: string): Credentials {
  return { authorization: `Bearer ${token}`, certificate: undefined };
}

async function reloaded(file: GuardFile, content: object): Promise<void> {
  const before = file.guard.generation;
  file.write(content);
  await file.guard.reload();
  expect(file.guard.generation).toBe(before + 1);
}

/** Why an identity is not accepted any more; "": it is. */
async function causeOf({ guard }: GuardFile, identity: Identity): Promise<string> {
  try {
    guard.check(identity);
    return '';
  } catch {
    const [cause] = await refusal(() => {
      guard.check(identity);
    });
    return cause;
  }
}

const reads = (...streams: readonly string[]) => ({ grants: [{ actions: ['read'], streams }] });
const roles = { orders: reads('order.>'), invoices: reads('invoice.>') };

function patternsOf({ guard }: GuardFile, identity: Identity): readonly string[] {
  return guard.permissionsOf(identity).patternsOf('read');
}

describe('an API token', () => {
  const [first, second] = [makeToken(), makeToken()];
  const entry = (token: string, more: object = {}) => ({
    id: token === first ? 'first' : 'second',
    sha256: digestOfToken(token),
    principal: 'ci',
    ...more,
  });

  test('is replaced without a gap by a second one of the same principal', async () => {
    const principals = { 'token:ci': reads('build.>') };
    using file = await openGuardFile({ tokens: [entry(first)], principals });
    const old = await file.guard.identify(bearer(first));
    expect(await refusal(() => file.guard.identify(bearer(second)))).toMatchObject({ 0: 'invalid' });
    await reloaded(file, { tokens: [entry(first), entry(second)], principals });
    const next = await file.guard.identify(bearer(second));
    expect([old.principal, next.principal]).toEqual(['token:ci', 'token:ci']);
    expect(file.guard.permissionsOf(next)).toBe(file.guard.permissionsOf(old));
    expect([await causeOf(file, old), await causeOf(file, next)]).toEqual(['', '']);
    await reloaded(file, { tokens: [entry(second)], principals });
    expect([await causeOf(file, old), await causeOf(file, next)]).toEqual(['invalid', '']);
    expect([patternsOf(file, old), patternsOf(file, next)]).toEqual([[], ['build.>']]);
    expect(await refusal(() => file.guard.identify(bearer(first)))).toMatchObject({ 0: 'invalid' });
  });

  test('has the roles that the file gives it now', async () => {
    using file = await openGuardFile({ roles, tokens: [entry(first, { roles: ['orders'] })] });
    const identity = await file.guard.identify(bearer(first));
    expect(patternsOf(file, identity)).toEqual(['order.>']);
    await reloaded(file, { roles, tokens: [entry(first, { roles: ['invoices'] })] });
    expect(patternsOf(file, identity)).toEqual(['invoice.>']);
    await reloaded(file, {
      roles: { ...roles, invoices: {} },
      tokens: [entry(first, { roles: ['invoices'] })],
    });
    expect(patternsOf(file, identity)).toEqual([]);
    expect(await causeOf(file, identity)).toBe('');
  });

  test.each([
    ['with the id of another one', [{ ...entry(second), id: 'first' }]],
    ['for another principal', [entry(first, { principal: 'cd' })]],
    ['that is not there', []],
  ])('%s is not accepted any more', async (_, tokens) => {
    using file = await openGuardFile({ tokens: [entry(first)], defaults: reads('>') });
    const identity = await file.guard.identify(bearer(first));
    await reloaded(file, { tokens, defaults: reads('>') });
    expect(await causeOf(file, identity)).toBe('invalid');
    expect(file.guard.permissionsOf(identity).allows('read', 'a')).toBe(false);
    expect(file.guard.permissionsOf(identity).mayUseStore('info')).toBe(false);
  });

  test('expires while it is in use', async () => {
    const expires = new Date(Date.now() + 300).toISOString();
    using file = await openGuardFile({ tokens: [entry(first, { expires })] });
    const identity = await file.guard.identify(bearer(first));
    expect(await causeOf(file, identity)).toBe('');
    await new Promise((resolve) => setTimeout(resolve, 310));
    expect(await causeOf(file, identity)).toBe('expired');
    expect(await refusal(() => file.guard.identify(bearer(first)))).toMatchObject({ 0: 'expired' });
  });
});

describe('a JWT', () => {
  async function openIssuer(change: object = {}, more: object = {}) {
    const folder = temporaryFolder();
    const key = await makeKey();
    writeFileSync(join(folder, 'keys.json'), JSON.stringify({ keys: [key.jwk] }));
    const content = (entry: object, others: object = {}) => ({
      roles,
      issuers: [issuerEntry({ file: 'keys.json' }, entry)],
      ...others,
    });
    const file = await openGuardFile(content(change, more), { folder });
    const token = await key.sign({ roles: ['orders', 'unknown'], tenant: 'acme' });
    const dispose = (): void => {
      file[Symbol.dispose]();
    };
    return { file, folder, key, token, content, [Symbol.dispose]: dispose };
  }

  test('has the roles of its claim and of its issuer, by the file as it is now', async () => {
    using opened = await openIssuer();
    const { file, token, content } = opened;
    const identity = await file.guard.identify(bearer(token));
    expect(identity.principal).toBe('corp:alice');
    expect(patternsOf(file, identity)).toEqual(['order.>']);
    await reloaded(file, content({ roles: ['invoices'] }));
    expect([...patternsOf(file, identity)].sort()).toEqual(['invoice.>', 'order.>']);
    await reloaded(file, content({ roles: ['invoices'], roles_claim: undefined }));
    expect(patternsOf(file, identity)).toEqual(['invoice.>']);
    await reloaded(file, content({}, { principals: { 'corp:alice': reads('alice.>') } }));
    expect([...patternsOf(file, identity)].sort()).toEqual(['alice.>', 'order.>']);
  });

  test('has the grants of its claims', async () => {
    using opened = await openIssuer({}, { defaults: reads('tenant.{tenant}.>') });
    const { file, key, token, content } = opened;
    const acme = await file.guard.identify(bearer(token));
    expect(patternsOf(file, acme)).toEqual(['order.>', 'tenant.acme.>']);
    for (const tenant of ['>', '*', 'a.b', '', 7, ['acme'], null, { acme: true }, true]) {
      const other = await file.guard.identify(bearer(await key.sign({ tenant })));
      expect(patternsOf(file, other)).toEqual([]);
    }
    await reloaded(file, content({}, { defaults: reads('of.{tenant}') }));
    expect(patternsOf(file, acme)).toEqual(['order.>', 'of.acme']);
  });

  test.each([
    ['the issuer is not there', { issuer: 'https://other.example.com/' }],
    ['the issuer has another name', { name: 'crop' }],
    ['the audience is another one', { audience: 'other' }],
    ['the algorithm is not accepted', { algorithms: ['RS256'] }],
    ['another claim names the principal', { principal_claim: 'tenant' }],
    ['its life is too long', { life_max_s: 60 }],
  ])('is not accepted any more when %s', async (_, change) => {
    using opened = await openIssuer();
    const { file, token, content } = opened;
    const identity = await file.guard.identify(bearer(token));
    await reloaded(file, content(change));
    expect(await causeOf(file, identity)).toBe('invalid');
    expect(patternsOf(file, identity)).toEqual([]);
  });

  test('is not accepted any more when its key has been taken out of the file of keys', async () => {
    using opened = await openIssuer();
    const { file, folder, token } = opened;
    const identity = await file.guard.identify(bearer(token));
    const other = await makeKey();
    writeFileSync(join(folder, 'keys.json'), JSON.stringify({ keys: [other.jwk] }));
    await file.guard.reload();
    expect(file.guard.generation).toBe(2);
    expect(await causeOf(file, identity)).toBe('invalid');
    const next = await file.guard.identify(bearer(await other.sign()));
    expect(await causeOf(file, next)).toBe('');
  });

  test('that one generation begins to verify is not accepted by the next one', async () => {
    using opened = await openIssuer();
    const { file, key, content } = opened;
    const tokens = await Promise.all(
      Array.from({ length: 300 }, (__, i) => key.sign({ exp: seconds() + 600 + i })),
    );
    file.write(content({ audience: 'other' }));
    const reload = file.guard.reload();
    const outcomes = await Promise.allSettled(
      tokens.map(async (token) => file.guard.identify(bearer(token))),
    );
    await reload;
    expect(file.guard.generation).toBe(2);
    const refused = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
    );
    expect(refused.length).toBeGreaterThan(0);
    for (const reason of refused)
      expect(reason).toMatchObject({ code: 'UNAUTHENTICATED', reason: 'invalid' });
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') expect(await causeOf(file, outcome.value)).toBe('invalid');
    }
  });
});

const whenOpenssl = haveOpenssl() ? describe : describe.skip;

whenOpenssl('a client certificate', () => {
  const rule = { dns: 'orders.internal', principal: 'orders', roles: ['orders'] };
  const withRules = (rules: readonly object[], more: object = {}) => ({
    roles,
    certificates: { rules, ...more },
  });

  async function openWithPeer(content: object) {
    const authority = await makeAuthority();
    const certificate = await authority.issue('orders', 'DNS:orders.internal');
    const peer = await peerOf(authority, certificate);
    const file = await openGuardFile(content);
    const dispose = (): void => {
      file[Symbol.dispose]();
      authority[Symbol.dispose]();
    };
    return {
      file,
      authority,
      certificate,
      presented: { authorization: undefined, certificate: peer },
      [Symbol.dispose]: dispose,
    };
  }

  test('is not accepted any more without its rule, or as another principal', async () => {
    using opened = await openWithPeer(withRules([rule]));
    const { file, presented } = opened;
    const identity = await file.guard.identify(presented);
    expect([identity.principal, patternsOf(file, identity)]).toEqual(['cert:orders', ['order.>']]);
    await reloaded(file, withRules([{ ...rule, roles: ['invoices'] }]));
    expect([await causeOf(file, identity), patternsOf(file, identity)]).toEqual(['', ['invoice.>']]);
    for (const rules of [[], [{ ...rule, principal: 'others' }], [{ ...rule, dns: 'other.internal' }]]) {
      await reloaded(file, withRules(rules));
      expect([await causeOf(file, identity), patternsOf(file, identity)]).toEqual(['invalid', []]);
    }
    await reloaded(file, { roles });
    expect([await causeOf(file, identity), patternsOf(file, identity)]).toEqual(['invalid', []]);
  });

  test('is not accepted any more once it is revoked', async () => {
    using opened = await openWithPeer(withRules([rule]));
    const { file, authority, certificate, presented } = opened;
    const identity = await file.guard.identify(presented);
    const list = join(file.folder, 'crl.pem');
    copyFileSync(await authority.revoke([]), list);
    await reloaded(file, withRules([rule], { crl_file: 'crl.pem' }));
    expect(await causeOf(file, identity)).toBe('');
    // Only the list changes.
    copyFileSync(await authority.revoke([certificate]), list);
    await file.guard.reload();
    expect([file.guard.generation, await causeOf(file, identity), patternsOf(file, identity)]).toEqual([
      3,
      'invalid',
      [],
    ]);
    expect(await refusal(() => file.guard.identify(presented))).toMatchObject({ 0: 'invalid' });
    writeFileSync(list, 'broken');
    await file.guard.reload();
    expect([file.guard.generation, await causeOf(file, identity)]).toEqual([3, 'invalid']);
  });

  test('gives way to a credential in the metadata, whether that is accepted or not', async () => {
    using opened = await openWithPeer({
      ...withRules([rule]),
      tokens: [{ id: 'a', sha256: digestOfToken('slu_x'), principal: 'ci' }],
    });
    const { file, presented } = opened;
    const both = (authorization: string): Credentials => ({ ...presented, authorization });
    expect((await file.guard.identify(both('Bearer slu_x'))).principal).toBe('token:ci');
    for (const authorization of ['Bearer slu_y', 'Bearer a.b.c', 'Bearer', 'Basic YTpi', '']) {
      expect(await refusal(() => file.guard.identify(both(authorization)))).toMatchObject({ 0: 'invalid' });
    }
  });

  test('without a rule is refused, not anonymous; without `certificates` it says nothing', async () => {
    const anonymous = { principals: { anonymous: reads('open.>') } };
    using opened = await openWithPeer({ ...withRules([]), ...anonymous });
    const { file, presented } = opened;
    expect(await refusal(() => file.guard.identify(presented))).toMatchObject({ 0: 'invalid' });
    await reloaded(file, { roles, ...anonymous });
    expect((await file.guard.identify(presented)).principal).toBe('anonymous');
  });
});
