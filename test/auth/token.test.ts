import { createHash } from 'node:crypto';
import { UnauthenticatedError } from '../../src/auth/errors';
import type { TokenEntry } from '../../src/auth/schema';
import { createTokens, digestOfToken, makeToken } from '../../src/auth/token';
import { refusal } from './refusal';

function entryOf(token: string, more: Partial<TokenEntry> = {}): TokenEntry {
  return { id: 'ci-1', sha256: digestOfToken(token), principal: 'ci', roles: ['writer'], ...more };
}

test('a token has a prefix, 32 random bytes and a checksum, and no two are equal', () => {
  const tokens = Array.from({ length: 1_000 }, makeToken);
  expect(new Set(tokens).size).toBe(1_000);
  for (const token of tokens) expect(token).toMatch(/^slu_[A-Za-z0-9_-]{49}$/);
});

test('the digest of a token is its SHA-256 in hexadecimal digits, as sha256sum prints it', () => {
  const token = makeToken();
  expect(digestOfToken(token)).toBe(createHash('sha256').update(token).digest('hex'));
});

test('a token identifies its principal, with the roles and the expiry of its entry', () => {
  const token = makeToken();
  const tokens = createTokens([entryOf(token, { expires: 2_000 })], () => 1_999);
  expect(tokens.identify(token)).toEqual({
    principal: 'token:ci',
    credential: { kind: 'token', id: 'ci-1' },
    roles: ['writer'],
    claims: new Map(),
    expiresAtMs: 2_000,
  });
  expect(tokens.identify(token)).toBe(tokens.identify(token));
});

test('a token is expired from its time on', async () => {
  const token = makeToken();
  const tokens = createTokens([entryOf(token, { expires: 2_000 })], () => 2_000);
  expect(await refusal(() => tokens.identify(token))).toEqual(['expired', 'the token has expired']);
});

test('two tokens of one principal are accepted beside each other, until the entry of one is removed', async () => {
  const [old, young] = [makeToken(), makeToken()];
  const entries = [entryOf(old, { id: 'ci-1' }), entryOf(young, { id: 'ci-2', roles: ['reader'] })];
  const both = createTokens(entries);
  const [byOld, byYoung] = [await both.identify(old), await both.identify(young)];
  expect([byOld.principal, byYoung.principal]).toEqual(['token:ci', 'token:ci']);
  expect([byOld.credential.id, byYoung.credential.id]).toEqual(['ci-1', 'ci-2']);
  const one = createTokens(entries.slice(1));
  expect(await refusal(() => one.identify(old))).toEqual(['invalid', 'the token is not known']);
  expect(await refusal(() => one.rolesOf(byOld))).toEqual(['invalid', 'the token is not accepted any more']);
  expect(one.rolesOf(byYoung)).toEqual(['reader']);
});

test('an identity has the roles that the latest generation gives to its token', async () => {
  const token = makeToken();
  const identity = await createTokens([entryOf(token)]).identify(token);
  expect(createTokens([entryOf(token, { roles: ['reader'] })]).rolesOf(identity)).toEqual(['reader']);
});

test.each<[string, Partial<TokenEntry>, string]>([
  ['another principal', { principal: 'other' }, 'invalid'],
  ['another token under its id', { sha256: digestOfToken(makeToken()) }, 'invalid'],
  ['an earlier expiry', { expires: 1_000 }, 'expired'],
])('an identity ends with a generation in which its entry has %s', async (_, change, cause) => {
  const token = makeToken();
  const identity = await createTokens([entryOf(token, { expires: 2_000 })], () => 0).identify(token);
  const next = createTokens([entryOf(token, { expires: 2_000, ...change })], () => 0);
  expect((await refusal(() => next.rolesOf(identity)))[0]).toBe(cause);
});

test('a typing error is not taken for a wrong token', async () => {
  const tokens = createTokens([entryOf(makeToken())]);
  const token = makeToken();
  const other = token.at(20) === 'a' ? 'b' : 'a';
  const mistyped = [
    token.slice(0, 20) + other + token.slice(21),
    token.slice(0, -1),
    `${token}A`,
    'slu_',
    'slu_\u00e9',
  ];
  for (const wrong of mistyped) {
    expect(await refusal(() => tokens.identify(wrong))).toEqual([
      'invalid',
      expect.stringContaining('its checksum is wrong'),
    ]);
  }
  expect(await refusal(() => tokens.identify(token))).toEqual(['invalid', 'the token is not known']);
});

test('no error holds the token or its digest', () => {
  const tokens = createTokens([entryOf(makeToken(), { expires: 0 })]);
  for (const token of [makeToken(), `${makeToken()}x`]) {
    try {
      void tokens.identify(token);
      throw new Error('accepted');
    } catch (error) {
      expect(error).toBeInstanceOf(UnauthenticatedError);
      const text = JSON.stringify(error) + String((error as Error).stack);
      expect(text).not.toContain(token.slice(4, 20));
      expect(text).not.toContain(digestOfToken(token));
    }
  }
});
