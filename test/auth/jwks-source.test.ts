import { makeKey, OidcIssuer } from '../support/oidc-issuer';
import { until } from '../support/nats-server';
import { patience } from '../support/patience';
import { issuerEntry, keyFile, openIssuers } from './jwts';
import { refusal } from './refusal';

const unavailable = ['invalid', 'the keys of the issuer corp are not available'];
const unknownKey = ['invalid', 'the token is signed with an unknown key'];

test('keys are requested at the start, and the first token waits for them', async () => {
  const key = await makeKey();
  await using issuer = await OidcIssuer.start(key);
  using opened = await openIssuers([issuerEntry({ url: issuer.url })]);
  expect((await opened.jwts.identify(await key.sign())).principal).toBe('corp:alice');
  expect(issuer.requests).toBe(1);
});

test('two issuers with one URL share its keys', async () => {
  const key = await makeKey();
  await using issuer = await OidcIssuer.start(key);
  const entries = [{}, { name: 'other', issuer: 'https://other/' }].map((more) =>
    issuerEntry({ url: issuer.url }, more),
  );
  using opened = await openIssuers(entries);
  const tokens = [await key.sign(), await key.sign({ iss: 'https://other/' })];
  const identities = await Promise.all(tokens.map(async (token) => opened.jwts.identify(token)));
  expect(identities.map(({ principal }) => principal)).toEqual(['corp:alice', 'other:alice']);
  expect(issuer.requests).toBe(1);
});

test('1,000 tokens with unknown keys cause one request in the time between two', async () => {
  const [key, stranger] = [await makeKey(), await makeKey()];
  await using issuer = await OidcIssuer.start(key);
  using opened = await openIssuers([issuerEntry({ url: issuer.url })], { issuerKeysRetryMs: 1_000 });
  expect((await opened.jwts.identify(await key.sign())).principal).toBe('corp:alice');
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  const tokens = await Promise.all(
    Array.from({ length: 1_000 }, (_, i) => stranger.sign({}, { kid: `unknown-${i}` })),
  );
  const refusals = await Promise.all(tokens.map((token) => refusal(() => opened.jwts.identify(token))));
  expect(new Set(refusals.map((one) => one.join()))).toEqual(new Set([unknownKey.join()]));
  expect(issuer.requests).toBe(2);
});

test('by the limits, the time between two such requests is 30 s', async () => {
  const [key, stranger] = [await makeKey(), await makeKey()];
  await using issuer = await OidcIssuer.start(key);
  using opened = await openIssuers([issuerEntry({ url: issuer.url })]);
  await opened.jwts.identify(await key.sign());
  const begun = performance.now();
  for (let i = 0; i < 1_000; i++) {
    expect(await refusal(async () => opened.jwts.identify(await stranger.sign({ i })))).toEqual(unknownKey);
  }
  expect(performance.now() - begun).toBeLessThan(29_000);
  expect(issuer.requests).toBe(1);
});

test('a new key is found by the first token that it signs, without a restart', async () => {
  const [old, young] = [await makeKey(), await makeKey()];
  await using issuer = await OidcIssuer.start(old);
  using opened = await openIssuers([issuerEntry({ url: issuer.url })], { issuerKeysRetryMs: 0 });
  await opened.jwts.identify(await old.sign());
  issuer.publish(young, old);
  for (const key of [young, old]) {
    expect((await opened.jwts.identify(await key.sign())).principal).toBe('corp:alice');
  }
});

test('a key that replaces another one without a name is found as well', async () => {
  const [old, young] = [await makeKey('ES256', null), await makeKey('ES256', null)];
  await using issuer = await OidcIssuer.start(old);
  using opened = await openIssuers([issuerEntry({ url: issuer.url })], { issuerKeysRetryMs: 0 });
  await opened.jwts.identify(await old.sign());
  const early = await young.sign();
  expect((await refusal(() => opened.jwts.identify(early)))[0]).toBe('invalid');
  issuer.publish(young);
  expect((await opened.jwts.identify(await young.sign())).principal).toBe('corp:alice');
  expect((await opened.jwts.identify(early)).principal).toBe('corp:alice');
});

test('a key that is gone ends the identities that it verified, with the next refresh', async () => {
  const [old, young] = [await makeKey(), await makeKey()];
  await using issuer = await OidcIssuer.start(old);
  using opened = await openIssuers([issuerEntry({ url: issuer.url })], {
    issuerKeysIntervalMs: 100,
    issuerKeysRetryMs: 50,
  });
  const token = await old.sign({ roles: ['reader'] });
  const identity = await opened.jwts.identify(token);
  expect(opened.jwts.rolesOf(identity)).toEqual(['reader']);
  issuer.publish(young);
  await until(() => opened.gone > 0);
  expect(await refusal(() => opened.jwts.identify(token))).toEqual(unknownKey);
  expect((await refusal(() => opened.jwts.rolesOf(identity)))[0]).toBe('invalid');
});

describe('an issuer that is away', () => {
  test('at the start: the gateway starts, refuses tokens, and accepts them when the issuer is back', async () => {
    const key = await makeKey();
    await using issuer = await OidcIssuer.start(key);
    await issuer.goAway();
    using opened = await openIssuers([issuerEntry({ url: issuer.url })], { issuerKeysRetryMs: 200 });
    const token = await key.sign();
    expect(await refusal(() => opened.jwts.identify(token))).toEqual(unavailable);
    expect(opened.logged[0]).toMatchObject({
      level: 40,
      haveKeys: false,
      issuer: 'corp',
      msg: 'the keys of the issuer cannot be fetched; the last good keys stay in use',
    });
    await issuer.comeBack();
    await until(() => issuer.requests > 0);
    expect((await opened.jwts.identify(token)).principal).toBe('corp:alice');
  });

  test('later: its last good keys are used, and not longer than permitted', async () => {
    const key = await makeKey();
    await using issuer = await OidcIssuer.start(key);
    using opened = await openIssuers([issuerEntry({ url: issuer.url })], {
      issuerKeysIntervalMs: 100,
      issuerKeysRetryMs: 50,
      issuerKeysKeptMs: 2_000,
    });
    const remembered = await key.sign();
    const identity = await opened.jwts.identify(remembered);
    await issuer.goAway();
    await until(() => opened.logged.some(({ level }) => level === 40));
    expect((await opened.jwts.identify(await key.sign({ jti: 'new' }))).principal).toBe('corp:alice');
    await until(() => opened.logged.some(({ level }) => level === 50));
    for (const token of [remembered, await key.sign({ jti: 'late' })]) {
      expect(await refusal(() => opened.jwts.identify(token))).toEqual(unavailable);
    }
    expect((await refusal(() => opened.jwts.rolesOf(identity)))[0]).toBe('invalid');
    expect(opened.gone).toBe(1);
  });

  test('a request that takes too long ends, and a token that waits for it is refused', async () => {
    const key = await makeKey();
    await using issuer = await OidcIssuer.start(key);
    issuer.serve(() => undefined);
    using opened = await openIssuers([issuerEntry({ url: issuer.url })], { issuerKeysTimeoutMs: 300 });
    expect(await refusal(async () => opened.jwts.identify(await key.sign()))).toEqual(unavailable);
  });
});

describe('a response that is not accepted', () => {
  const json = (value: unknown) => JSON.stringify(value);
  test.each<[string, Parameters<OidcIssuer['serve']>[0], string]>([
    ['an error', (_, response) => response.writeHead(500).end(json({ keys: [] })), 'the status 500'],
    [
      'a redirect',
      (request, response) => {
        const isFirst = request.url === '/keys';
        response.writeHead(isFirst ? 302 : 200, { location: '/elsewhere' }).end(json({ keys: [] }));
      },
      'the status 302',
    ],
    ['no JSON', (_, response) => response.end('<html>'), 'must be a JWK set'],
    ['no set', (_, response) => response.end(json({ keys: 'x' })), 'must be a JWK set'],
    ['an empty set', (_, response) => response.end(json({ keys: [] })), 'has no public key'],
    [
      'too many keys',
      (_, response) => response.end(json({ keys: Array(101).fill({}) })),
      'more than 100 keys',
    ],
    [
      'more than 256 KiB, without end',
      (_, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write('x'.repeat(1 << 14)));
        };
        response.on('drain', more);
        more();
      },
      'more than 262144 bytes',
    ],
  ])('%s: the last good keys stay', async (_, served, why) => {
    const [key, young] = [await makeKey(), await makeKey()];
    await using issuer = await OidcIssuer.start(key);
    using opened = await openIssuers([issuerEntry({ url: issuer.url })], { issuerKeysRetryMs: 0 });
    await opened.jwts.identify(await key.sign());
    issuer.serve(served);
    expect(await refusal(async () => opened.jwts.identify(await young.sign()))).toEqual(unknownKey);
    expect(opened.logged.at(-1)).toMatchObject({
      level: 40,
      haveKeys: true,
      err: { message: expect.stringContaining(why) as string },
    });
    expect((await opened.jwts.identify(await key.sign({ jti: 'new' }))).principal).toBe('corp:alice');
  });
});

describe('a next generation', () => {
  test('uses the fetched keys further, also while the issuer is away', async () => {
    const key = await makeKey();
    await using issuer = await OidcIssuer.start(key);
    const opened = await openIssuers([issuerEntry({ url: issuer.url })]);
    const identity = await opened.jwts.identify(await key.sign());
    await issuer.goAway();
    using next = await opened.next(issuerEntry({ url: issuer.url }, { roles: ['reader'] }));
    opened[Symbol.dispose]();
    expect(next.jwts.rolesOf(identity)).toEqual(['reader']);
    expect((await next.jwts.identify(await key.sign())).roles).toEqual(['reader']);
    expect(issuer.requests).toBe(1);
  });

  test('waits for the keys of a new URL', async () => {
    const key = await makeKey();
    await using issuer = await OidcIssuer.start(key);
    using opened = await openIssuers([issuerEntry({ file: keyFile(key) })]);
    const identity = await opened.jwts.identify(await key.sign());
    using next = await opened.next(issuerEntry({ url: issuer.url }, { roles: ['reader'] }));
    expect(next.jwts.rolesOf(identity)).toEqual(['reader']);
  });

  test('waits for a URL that does not answer only for a short time, and uses its keys later', async () => {
    const [key, young] = [await makeKey(), await makeKey()];
    await using issuer = await OidcIssuer.start();
    const answers = new Promise<void>((resolve) => {
      issuer.serve((_, response) => {
        setTimeout(() => {
          response.end(JSON.stringify({ keys: [young.jwk] }));
          resolve();
        }, 3_000);
      });
    });
    using opened = await openIssuers([issuerEntry({ file: keyFile(key) })]);
    const identity = await opened.jwts.identify(await key.sign());
    const begun = performance.now();
    using next = await opened.next(issuerEntry({ url: issuer.url }));
    expect(performance.now() - begun).toBeLessThan(2_000 * patience);
    expect((await refusal(() => next.jwts.rolesOf(identity)))[0]).toBe('invalid');
    await answers;
    expect((await next.jwts.identify(await young.sign())).principal).toBe('corp:alice');
  });

  test('nothing is requested after the last generation is closed', async () => {
    const key = await makeKey();
    await using issuer = await OidcIssuer.start(key);
    const opened = await openIssuers([issuerEntry({ url: issuer.url })], {
      issuerKeysIntervalMs: 20,
      issuerKeysRetryMs: 10,
    });
    await until(() => issuer.requests > 2);
    opened[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { requests } = issuer;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(issuer.requests).toBe(requests);
  });
});
