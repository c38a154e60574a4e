import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { DetailedPeerCertificate } from 'node:tls';
import { promisify } from 'node:util';
import { parseAuthFile } from '../../src/auth/auth-file';
import { createCertificateRules } from '../../src/auth/certificate';
import { rootsOf } from '../../src/auth/certificate-chain';
import { namesOf, type SerialNumber } from '../../src/auth/certificate-names';
import { parseRevocationLists } from '../../src/auth/crl';
import type { Verifier } from '../../src/auth/verifier';
import { makeAuthority, type Authority, type Certificate } from '../support/certificates';
import { haveOpenssl } from '../support/tools';
import { peerOf } from './peers';
import { refusal } from './refusal';

const run = promisify(execFile);
const whenOpenssl = haveOpenssl() ? describe : describe.skip;

const noRule = ['invalid', 'no rule accepts a name of the certificate'];
const foreign = ['invalid', 'the certificate is of another trust domain'];
const revoked = ['invalid', 'the certificate is revoked'];

const unknownAuthority = ['invalid', 'the certificate does not lead to an authority of client certificates'];

const rules = [
  { uri: 'spiffe://example.org/orders', principal: 'orders', roles: ['writer'] },
  { uri: 'spiffe://example.org/team/*', principal: 'team' },
  { dns: 'orders.internal', principal: 'by-dns' },
  { dns: '*.wild.internal', principal: 'by-wildcard' },
  { common_name: 'orders', principal: 'by-cn' },
];

function rulesOf(
  certificates: object,
  revoked?: readonly SerialNumber[],
  authority?: Authority,
): Verifier<DetailedPeerCertificate> {
  const content = JSON.stringify({ roles: { writer: {} }, certificates });
  const { certificates: entry } = parseAuthFile(Buffer.from(content), 'auth.json');
  if (entry === undefined) throw new Error('there are no rules');
  const roots = authority && rootsOf([new X509Certificate(readFileSync(authority.ca))]);
  return createCertificateRules(entry, revoked && { serials: new Set(revoked), roots });
}

whenOpenssl('certificates', () => {
  let authority: Authority;
  const verifier = rulesOf({ trust_domain: 'example.org', rules });
  let issued = 0;

  beforeAll(async () => {
    authority = await makeAuthority();
  });
  afterAll(() => {
    authority[Symbol.dispose]();
  });

  async function peer(
    names: string | readonly string[],
    subject = '/O=test',
  ): Promise<DetailedPeerCertificate> {
    return peerOf(authority, await authority.issue(`client-${++issued}`, names, subject));
  }

  test('a certificate identifies the principal of its rule, until it expires', async () => {
    const certificate = await peer('URI:spiffe://example.org/orders');
    const identity = await verifier.identify(certificate);
    expect(identity).toEqual({
      principal: 'cert:orders',
      credential: { kind: 'certificate', id: certificate.serialNumber },
      roles: ['writer'],
      claims: new Map(),
      expiresAtMs: Date.parse(new X509Certificate(certificate.raw).validTo),
    });
    expect(identity.expiresAtMs).toBeGreaterThan(Date.now() + 86_400_000);
    expect(verifier.identify(certificate)).toBe(identity);
    const late = createCertificateRules({ rules: [], trust_domain: undefined }, undefined);
    expect(await refusal(() => late.identify(certificate))).toEqual(noRule);
  });

  test.each<[string, string | readonly string[], string | undefined, string]>([
    ['a SPIFFE id', 'URI:spiffe://example.org/orders', undefined, 'cert:orders'],
    ['a SPIFFE id below that of a rule', 'URI:spiffe://example.org/team/a/b', undefined, 'cert:team'],
    [
      'a SPIFFE id before DNS',
      'DNS:orders.internal,URI:spiffe://example.org/orders',
      undefined,
      'cert:orders',
    ],
    [
      'DNS beside a URI of another kind',
      'URI:https://example.org/,DNS:orders.internal',
      undefined,
      'cert:by-dns',
    ],
    [
      'DNS if no rule has its SPIFFE id',
      'URI:spiffe://example.org/x,DNS:orders.internal',
      undefined,
      'cert:by-dns',
    ],
    ['DNS in capital letters', 'DNS:Orders.Internal', undefined, 'cert:by-dns'],
    ['one DNS name of several', 'DNS:a.internal,DNS:orders.internal', undefined, 'cert:by-dns'],
    ['a DNS name with a wildcard as it is', 'DNS:*.wild.internal', undefined, 'cert:by-wildcard'],
    ['DNS before the common name', 'DNS:orders.internal', '/CN=orders', 'cert:by-dns'],
    ['the common name', '', '/CN=orders', 'cert:by-cn'],
    ['the common name among others', 'DNS:other.internal', '/O=x/CN=orders/OU=y', 'cert:by-cn'],
  ])('it is identified by %s', async (_, names, subject, principal) => {
    expect((await verifier.identify(await peer(names, subject))).principal).toBe(principal);
  });

  test.each<[string, string | readonly string[], string | undefined, string[]]>([
    ['no name', '', undefined, noRule],
    ['names without a rule', 'URI:spiffe://example.org/other,DNS:x.internal', '/CN=x', noRule],
    ['the folder of a rule alone', 'URI:spiffe://example.org/team/', undefined, noRule],
    ['a longer SPIFFE id', 'URI:spiffe://example.org/orders/x', undefined, noRule],
    ['a SPIFFE id with other letters', 'URI:spiffe://example.org/Orders', undefined, noRule],
    [
      'a SPIFFE id of another trust domain',
      'URI:spiffe://example.com/orders,DNS:orders.internal',
      '/CN=orders',
      foreign,
    ],
    ['a trust domain that only begins as ours', 'URI:spiffe://example.org.evil/orders', undefined, foreign],
    ['a SPIFFE id in capital letters', 'URI:SPIFFE://EXAMPLE.ORG/orders', undefined, foreign],
    [
      'two SPIFFE ids',
      'URI:spiffe://example.org/orders,URI:spiffe://example.org/team/a',
      undefined,
      ['invalid', 'the certificate has several SPIFFE ids'],
    ],
    ['a name that a wildcard would match', 'DNS:a.wild.internal', undefined, noRule],
    ['two common names', '', '/CN=orders/CN=x', noRule],
    ['the common name in other letters', '', '/CN=Orders', noRule],
    ['an email address', 'email:orders@orders.internal', undefined, noRule],
    ['names inside of a DNS name', ['DNS:x, DNS:orders.internal'], undefined, noRule],
    ['names inside of a URI', ['URI:https://x/, URI:spiffe://example.org/orders'], undefined, noRule],
    ['a quoted name', ['DNS:"orders.internal"'], undefined, noRule],
  ])('it is refused with %s, and never anonymous', async (_, names, subject, expected) => {
    const certificate = await peer(names, subject);
    expect(await refusal(() => verifier.identify(certificate))).toEqual(expected);
  });

  test('without a rule for common names, they are nothing', async () => {
    const certificate = await peer('', '/CN=orders');
    const others = rulesOf({ trust_domain: 'example.org', rules: rules.slice(0, 4) });
    expect(await refusal(() => others.identify(certificate))).toEqual(noRule);
  });

  test('it is refused after its time, though TLS looked at it before', async () => {
    const certificate = await peer('', '/CN=orders');
    const late = createCertificateRules(
      { trust_domain: undefined, rules: [{ common_name: 'orders', principal: 'orders', roles: [] }] },
      undefined,
      () => Date.now() + 3 * 86_400_000,
    );
    expect(await refusal(() => late.identify(certificate))).toEqual([
      'expired',
      'the certificate has expired',
    ]);
  });

  test('an identity has the roles of the next generation, and ends without a rule for it', async () => {
    const identity = await verifier.identify(await peer('URI:spiffe://example.org/orders'));
    const uri = 'spiffe://example.org/orders';
    const next = (rule: object) => rulesOf({ trust_domain: 'example.org', rules: [rule] });
    expect(next({ uri, principal: 'orders' }).rolesOf(identity)).toEqual([]);
    for (const other of [next({ uri, principal: 'x' }), next({ uri: `${uri}/x`, principal: 'orders' })]) {
      expect((await refusal(() => other.rolesOf(identity)))[0]).toBe('invalid');
    }
  });

  test('a certificate that is revoked is refused, another one of its issuer is not, and identities end', async () => {
    const names = 'URI:spiffe://example.org/orders';
    const [bad, good] = [await authority.issue('bad', names), await authority.issue('good', names)];
    const [badPeer, goodPeer] = [await peerOf(authority, bad), await peerOf(authority, good)];
    const identity = await verifier.identify(badPeer);
    const [list] = parseRevocationLists(readFileSync(await authority.revoke([bad])), undefined);
    const next = rulesOf({ trust_domain: 'example.org', rules }, list?.revoked);
    expect(await refusal(() => next.identify(badPeer))).toEqual(revoked);
    expect(await refusal(() => next.rolesOf(identity))).toEqual(revoked);
    expect((await next.identify(goodPeer)).principal).toBe('cert:orders');
  });

  test('a certificate is refused if the authority between it and the root is revoked', async () => {
    const between = await authority.issueAuthority('between');
    const client = await between.issue('client', 'URI:spiffe://example.org/orders');
    const certificate = await peerOf(authority, client, between);
    expect((await verifier.identify(certificate)).principal).toBe('cert:orders');
    const [list] = parseRevocationLists(readFileSync(await authority.revoke([between])), undefined);
    const next = rulesOf({ trust_domain: 'example.org', rules }, list?.revoked);
    expect(await refusal(() => next.identify(certificate))).toEqual(revoked);
  });

  test('with a list, a certificate whose authorities are not all known is refused, also after one with them', async () => {
    const between = await authority.issueAuthority('known');
    const client = await between.issue('client', 'URI:spiffe://example.org/orders');
    const whole = await peerOf(authority, client, between);
    // What TLS knows of a session that is resumed.
    const { issuerCertificate, ...resumed } = whole;
    expect(issuerCertificate.raw).toBeInstanceOf(Buffer);
    const alone = resumed as DetailedPeerCertificate;
    for (const by of [undefined, authority]) {
      const strict = rulesOf({ trust_domain: 'example.org', rules }, [], by);
      expect((await strict.identify(whole)).principal).toBe('cert:orders');
      expect(await refusal(() => strict.identify(alone))).toEqual(unknownAuthority);
    }
    const identity = await verifier.identify(alone);
    const next = rulesOf({ trust_domain: 'example.org', rules }, [], authority);
    expect(await refusal(() => next.rolesOf(identity))).toEqual(unknownAuthority);
  });

  test('a client cannot hide that its authority is revoked behind other certificates with the same name', async () => {
    const between = await authority.issueAuthority('hidden');
    const client = await between.issue('client', 'URI:spiffe://example.org/orders');
    const [list] = parseRevocationLists(readFileSync(await authority.revoke([between])), undefined);
    const next = rulesOf({ trust_domain: 'example.org', rules }, list?.revoked, authority);
    using stranger = await makeAuthority();
    const other = await authority.issue('other');
    for (const key of [other.key, between.key]) {
      const decoy = await expiredOf(stranger, key);
      const seen = await peerOf(authority, client, decoy, between);
      expect((await verifier.identify(seen)).principal).toBe('cert:orders');
      expect((await refusal(() => next.identify(seen)))[0]).toBe('invalid');
    }
  });

  test('a client may send another certificate of an authority, by one that is not known', async () => {
    using stranger = await makeAuthority();
    const cross = await expiredOf(stranger, keyOf(authority.ca), 'authority of a test');
    const client = await authority.issue('crossed', 'URI:spiffe://example.org/orders');
    const seen = await peerOf(authority, client, cross);
    expect(namesOf(seen.issuerCertificate.raw).serial).toBe(serialOf(cross));
    const next = rulesOf({ trust_domain: 'example.org', rules }, [], authority);
    expect((await next.identify(seen)).principal).toBe('cert:orders');
    const after = rulesOf({ trust_domain: 'example.org', rules }, [serialOf(cross)], authority);
    expect(await refusal(() => after.identify(seen))).toEqual(revoked);
  });

  test('names are read as openssl wrote them', async () => {
    const names = ['DNS:a, b', 'URI:https://x/"q"', 'DNS:c', 'email:a@b', 'IP:127.0.0.1', 'URI:spiffe://a/b'];
    const { raw } = await peer(names, '/CN=one/O=x/CN=zw\u00f6lf');
    expect(namesOf(raw)).toMatchObject({
      dns: ['a, b', 'c'],
      uris: ['https://x/"q"', 'spiffe://a/b'],
      commonNames: ['one', expect.stringMatching(/^zw/)],
    });
  });

  /** A certificate of `key` by an authority. It has expired, so that TLS takes another one with its name. */
  async function expiredOf({ ca }: Authority, key: string, name = 'hidden'): Promise<Certificate> {
    const [request, cert] = [`${ca}.csr`, `${ca}-${++issued}.pem`];
    await run('openssl', ['req', '-new', '-key', key, '-out', request, '-subj', `/CN=${name}`]);
    const by = ['-CA', ca, '-CAkey', keyOf(ca), '-CAcreateserial', '-days', '-1'];
    await run('openssl', ['x509', '-req', '-in', request, '-out', cert, ...by]);
    return { cert, key };
  }

  function serialOf({ cert }: Certificate): SerialNumber {
    return namesOf(new X509Certificate(readFileSync(cert)).raw).serial;
  }

  function keyOf(ca: string): string {
    return ca.replace('.pem', '.key');
  }

  test('a certificate that cannot be read is refused', async () => {
    const certificate = await peer('', '/CN=orders');
    for (let length = 0; length < certificate.raw.length; length += 7) {
      const cut = { ...certificate, raw: certificate.raw.subarray(0, length) };
      const fingerprint256 = `cut at ${length}`;
      expect((await refusal(() => verifier.identify({ ...cut, fingerprint256 })))[0]).toBe('invalid');
    }
  });
});
