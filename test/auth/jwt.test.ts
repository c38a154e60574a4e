import { generateKeyPairSync } from 'node:crypto';
import { SignJWT, UnsecuredJWT } from 'jose';
import { UnauthenticatedError } from '../../src/auth/errors';
import type { Identity } from '../../src/auth/identity';
import { JwtVerifier } from '../../src/auth/jwt';
import { defaultLimits } from '../../src/limits';
import { OverloadedError } from '../../src/store/errors';
import { audience, issuerName, makeKey, seconds, type SigningKey } from '../support/oidc-issuer';
import { patience } from '../support/patience';
import { issuerEntry, keyFile, openIssuers, type Opened } from './jwts';
import { refusal } from './refusal';

let key: SigningKey;
let opened: Opened;

beforeAll(async () => {
  key = await makeKey();
  opened = await openIssuers([issuerEntry({ file: keyFile(key) })]);
});
afterAll(() => {
  opened[Symbol.dispose]();
});

/** Cause and message with which a token is refused. */
function refused(token: string, by = opened): Promise<[string, string]> {
  return refusal(() => by.jwts.identify(token));
}

test('a JWT identifies its subject, with the roles of the file that it has and its claims that are strings', async () => {
  const exp = seconds() + 60;
  const token = await key.sign({ exp, jti: 'id-1', tenant: 'acme', roles: ['admin', 'none', 7], number: 5 });
  expect(await opened.jwts.identify(token)).toEqual({
    principal: 'corp:alice',
    credential: { kind: 'jwt', id: 'id-1' },
    roles: ['admin'],
    claims: new Map(
      Object.entries({ iss: issuerName, aud: audience, sub: 'alice', jti: 'id-1', tenant: 'acme' }),
    ),
    expiresAtMs: (exp + 30) * 1_000,
  });
});

test.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('a signature by %s is verified', async (alg) => {
  const [right, wrong] = [await makeKey(alg), await makeKey(alg)];
  using opened = await openIssuers([issuerEntry({ file: keyFile(right) }, { algorithms: [alg] })]);
  const identity = await opened.jwts.identify(await right.sign());
  expect(identity.principal).toBe('corp:alice');
  const forged = await wrong.sign({}, { kid: right.kid });
  expect(await refused(forged, opened)).toEqual(['invalid', 'the signature of the token is wrong']);
});

test('another principal claim, roles in one text, and roles of the issuer', async () => {
  const entry = issuerEntry(
    { file: keyFile(key) },
    { principal_claim: 'email', roles_claim: 'scope', roles: ['reader'] },
  );
  using opened = await openIssuers([entry]);
  const token = await key.sign({ email: 'alice@example.com', scope: 'openid admin' });
  const { principal, roles } = await opened.jwts.identify(token);
  expect([principal, roles]).toEqual(['corp:alice@example.com', ['reader', 'admin']]);
});

test('a token that is remembered is served at once, with the same identity', async () => {
  const token = await key.sign();
  const [first, second] = [opened.jwts.identify(token), opened.jwts.identify(token)];
  expect(first).toBeInstanceOf(Promise);
  const identity = await first;
  expect(await second).toBe(identity);
  expect(opened.jwts.identify(token)).toBe(identity);
});

test('an identity is remembered no longer than its token is valid', async () => {
  let nowMs = Date.now();
  const jwts = new JwtVerifier([...opened.jwts.issuers.values()], new Set(), () => nowMs);
  const [long, short] = [await key.sign({ exp: seconds() + 3_600 }), await key.sign({ exp: seconds() + 60 })];
  const [byLong, byShort] = [await jwts.identify(long), await jwts.identify(short)];
  const isRemembered = (): boolean[] => [jwts.remembers(byLong), jwts.remembers(byShort)];
  expect(isRemembered()).toEqual([true, true]);
  nowMs = (byShort.expiresAtMs ?? 0) - 1;
  expect(isRemembered()).toEqual([true, true]);
  nowMs++;
  expect(isRemembered()).toEqual([true, false]);
  nowMs += 3_600_000;
  expect(isRemembered()).toEqual([false, false]);
});

test('an identity is forgotten by a verifier whose issuer does not have its key', async () => {
  const identity = await opened.jwts.identify(await key.sign());
  using others = await openIssuers([issuerEntry({ file: keyFile(await makeKey()) })]);
  expect([opened.jwts.remembers(identity), others.jwts.remembers(identity)]).toEqual([true, false]);
});

describe('time', () => {
  test.each([
    ['29 s past its expiry', { exp: -29 }],
    ['29 s before its start', { nbf: 29 }],
    ['24 h long', { iat: 0, exp: 86_400 }],
  ])('a token %s is accepted', async (_, offsets) => {
    const identity = await opened.jwts.identify(await key.sign(later(offsets)));
    expect(identity.principal).toBe('corp:alice');
  });

  test.each([
    ['31 s past its expiry', { exp: -31 }, 'expired', 'the token has expired'],
    [
      '31 s before its start',
      { nbf: 32 },
      'invalid',
      'the claim nbf of the token is missing or not accepted',
    ],
    ['more than 24 h long', { iat: 0, exp: 86_401 }, 'invalid', 'the token lives longer than is accepted'],
    [
      'without its start, for more than 24 h',
      { exp: 86_440 },
      'invalid',
      'the token lives longer than is accepted',
    ],
    ['of tomorrow', { iat: 40, exp: 80 }, 'invalid', 'the token is issued in the future'],
  ])('a token %s is refused', async (_, offsets, cause, message) => {
    expect(await refused(await key.sign(later(offsets)))).toEqual([cause, message]);
  });

  test('a remembered token is refused once it has expired', async () => {
    const token = await key.sign({ exp: seconds() - 28 });
    const identity = await opened.jwts.identify(token);
    expect(identity.expiresAtMs).toBeGreaterThan(Date.now());
    await new Promise((resolve) => setTimeout(resolve, (identity.expiresAtMs ?? 0) - Date.now() + 5));
    expect(await refused(token)).toEqual(['expired', 'the token has expired']);
  });

  describe('when somebody sets the clock', () => {
    const day = 86_400_000;
    beforeEach(async () => {
      jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
      opened[Symbol.dispose]();
      opened = await openIssuers([issuerEntry({ file: keyFile(key) })]);
    });
    afterEach(() => jest.useRealTimers());

    test('a token that had expired by a clock that was ahead is accepted by the right one', async () => {
      const token = await key.sign();
      jest.setSystemTime(Date.now() + day);
      expect(await refused(token)).toEqual(['expired', 'the token has expired']);
      expect(await refused(token)).toEqual(['expired', 'the token has expired']);
      jest.setSystemTime(Date.now() - day);
      expect((await opened.jwts.identify(token)).principal).toBe('corp:alice');
    });

    test('a token is not remembered for as long as the clock is set back', async () => {
      const token = await key.sign({ nbf: seconds(), exp: seconds() + 86_400 });
      await opened.jwts.identify(token);
      jest.setSystemTime(Date.now() - day / 2);
      jest.advanceTimersByTime(defaultLimits.jwtRememberedMs);
      const message = 'the claim nbf of the token is missing or not accepted';
      expect(await refused(token)).toEqual(['invalid', message]);
    });
  });

  /** Claims at these seconds from now. */
  function later(offsets: Readonly<Record<string, number>>): object {
    return Object.fromEntries(Object.entries(offsets).map(([claim, offset]) => [claim, seconds() + offset]));
  }
});

describe('claims', () => {
  test('an audience among others is accepted', async () => {
    const identity = await opened.jwts.identify(await key.sign({ aud: ['other', audience] }));
    expect(identity.principal).toBe('corp:alice');
  });

  test.each<[string, object, string]>([
    ['the wrong audience', { aud: 'other' }, 'the claim aud of the token is missing or not accepted'],
    [
      'the wrong audience as a list',
      { aud: ['other', 'Sluice'] },
      'the claim aud of the token is missing or not accepted',
    ],
    ['no audience', { aud: undefined }, 'the claim aud of the token is missing or not accepted'],
    ['an empty list of audiences', { aud: [] }, 'the claim aud of the token is missing or not accepted'],
    ['another issuer', { iss: 'https://id.example.com' }, 'the issuer of the token is not accepted'],
    ['no issuer', { iss: undefined }, 'the token has no issuer'],
    ['no expiry', { exp: undefined }, 'the claim exp of the token is missing or not accepted'],
    [
      'an expiry that is no number',
      { exp: 'tomorrow' },
      'the claim exp of the token is missing or not accepted',
    ],
    ['no subject', { sub: undefined }, 'the claim with the principal has no value that can be one'],
    [
      'a subject with a space',
      { sub: 'alice b' },
      'the claim with the principal has no value that can be one',
    ],
    [
      'a subject that is a list',
      { sub: ['alice'] },
      'the claim with the principal has no value that can be one',
    ],
  ])('a token with %s is refused', async (_, claims, message) => {
    expect(await refused(await key.sign(claims))).toEqual(['invalid', message]);
  });
});

describe('tokens that are no signed JWT of the issuer', () => {
  test('a token without a signature', async () => {
    const token = new UnsecuredJWT({
      iss: issuerName,
      aud: audience,
      sub: 'alice',
      exp: seconds() + 60,
    }).encode();
    expect(await refused(token)).toEqual(['invalid', 'the algorithm of the token is not accepted']);
  });

  test.each(['HS256', 'RS256'])(
    'a token with an algorithm that the issuer does not have, %s',
    async (alg) => {
      using opened = await openIssuers([issuerEntry({ file: keyFile(key) }, { algorithms: ['ES256'] })]);
      const secret =
        alg === 'HS256'
          ? Buffer.alloc(32, 1)
          : generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
      const token = await new SignJWT({ iss: issuerName, aud: audience, sub: 'alice', exp: seconds() + 60 })
        .setProtectedHeader({ alg, kid: key.kid ?? '' })
        .sign(secret);
      expect(await refused(token, opened)).toEqual(['invalid', 'the algorithm of the token is not accepted']);
    },
  );

  test('a header with an extension that must be understood', async () => {
    const [, payload, signature] = (await key.sign()).split('.');
    const header = { alg: 'ES256', kid: key.kid, crit: ['exp'], exp: 1 };
    const text = Buffer.from(JSON.stringify(header)).toString('base64url');
    expect((await refused([text, payload, signature].join('.')))[0]).toBe('invalid');
  });

  test('a payload that was changed', async () => {
    const [header, payload = '', signature] = (await key.sign()).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const changed = Buffer.from(JSON.stringify({ ...claims, roles: ['admin'] })).toString('base64url');
    const forged = [header, changed, signature].join('.');
    expect(await refused(forged)).toEqual(['invalid', 'the signature of the token is wrong']);
  });

  test.each(['', 'x', 'a.b', 'a.b.c', 'e30.e30.', 'e30.W10.x', '..', 'a.b.c.d.e', '\u0000.\u0000.\u0000'])(
    '%j',
    async (token) => {
      expect((await refused(token))[0]).toBe('invalid');
    },
  );

  test('8 KiB are accepted, one byte more is refused before it is parsed', async () => {
    const fill = 'a'.repeat(5_900);
    const long = await key.sign({ fill });
    const exact = await key.sign({ fill: fill + 'a'.repeat(Math.floor(((8_192 - long.length) * 3) / 4)) });
    expect(exact.length).toBeGreaterThan(8_180);
    expect(exact.length).toBeLessThanOrEqual(8_192);
    expect((await opened.jwts.identify(exact)).principal).toBe('corp:alice');
    for (const token of [exact.padEnd(8_193, 'A'), 'x'.repeat(8_193), '.'.repeat(1 << 20)]) {
      expect(await refused(token)).toEqual(['invalid', 'the token is too long']);
    }
  });

  test('no error holds the token or a claim', async () => {
    const secret = 'planted-value';
    const tokens = [
      await key.sign({ sub: `${secret} x` }),
      await key.sign({ aud: secret }),
      await key.sign({ iss: secret }),
      await key.sign({ exp: 0, secret }),
      await key.sign({ secret }, { kid: secret }),
    ];
    for (const token of tokens) {
      const error = await Promise.resolve()
        .then(() => opened.jwts.identify(token))
        .then(
          () => undefined,
          (error: unknown) => error as Error,
        );
      const text = JSON.stringify([error, error?.message, error?.stack, error?.cause]);
      expect(error).toBeInstanceOf(UnauthenticatedError);
      expect(text).not.toContain(secret);
      expect(text).not.toContain(token.slice(0, 40));
    }
  });
});

describe('a next generation', () => {
  let identity: Identity;
  const other = makeKey();

  beforeAll(async () => {
    identity = await opened.jwts.identify(await key.sign({ roles: ['reader', 'admin'] }));
  });

  test('goes on with an identity, and decides on its roles', async () => {
    using next = await opened.next(
      issuerEntry({ file: keyFile(key) }, { roles_claim: undefined, roles: ['admin'] }),
    );
    expect(next.jwts.rolesOf(identity)).toEqual(['admin']);
  });

  test.each<[string, () => object | Promise<object>]>([
    ['has another audience', () => issuerEntry({ file: keyFile(key) }, { audience: 'other' })],
    [
      'does not have the algorithm',
      () => issuerEntry({ file: keyFile(key) }, { algorithms: ['RS256', 'EdDSA'] }),
    ],
    ['has another principal claim', () => issuerEntry({ file: keyFile(key) }, { principal_claim: 'iss' })],
    ['names the issuer differently', () => issuerEntry({ file: keyFile(key) }, { name: 'other' })],
    ['permits shorter lives', () => issuerEntry({ file: keyFile(key) }, { life_max_s: 60 })],
    ['does not have the issuer', () => issuerEntry({ file: keyFile(key) }, { issuer: 'https://other/' })],
    ['does not have the key', async () => issuerEntry({ file: keyFile(await other) })],
  ])('that %s ends an identity', async (_, entry) => {
    using next = await opened.next(await entry());
    expect((await refusal(() => next.jwts.rolesOf(identity)))[0]).toBe('invalid');
  });
});

test('10,000 wrong tokens at a time do not keep others waiting', async () => {
  const [good, remembered] = [await key.sign(), await key.sign({ jti: 'remembered' })];
  const known = await opened.jwts.identify(remembered);
  const [header, payload] = good.split('.');
  const signature = (i: number): string => Buffer.from(i.toString().padStart(64, 'x')).toString('base64url');
  const wrong = Array.from({ length: 10_000 }, (_, i) => [header, payload, signature(i)].join('.'));
  const refusals = wrong.map((token) =>
    (async () => opened.jwts.identify(token))().then(
      () => 'accepted',
      (error: unknown) => (error instanceof OverloadedError ? 'overloaded' : (error as Error).message),
    ),
  );
  expect(opened.jwts.identify(remembered)).toBe(known);
  const begun = performance.now();
  let identity: Identity | undefined;
  for (let tries = 0; identity === undefined && tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    identity = await Promise.resolve(opened.jwts.identify(good)).catch(() => undefined);
  }
  expect(identity?.principal).toBe('corp:alice');
  expect(performance.now() - begun).toBeLessThan(2_000 * patience);
  const outcomes = new Set(await Promise.all(refusals));
  expect([...outcomes].sort()).toEqual(['overloaded', 'the signature of the token is wrong']);
});

test('for a busy connection no other token is verified, and those that are known are recognized', async () => {
  const [known, fresh] = [await key.sign({ jti: 'known' }), await key.sign({ jti: 'fresh' })];
  const identity = await opened.jwts.identify(known);
  expect(opened.jwts.identify(known, true)).toBe(identity);
  expect(() => opened.jwts.identify(fresh, true)).toThrow(OverloadedError);
  const underWay = opened.jwts.identify(fresh);
  expect(opened.jwts.identify(fresh, true)).toBe(underWay);
  expect((await underWay).credential.id).toBe('fresh');
});
