import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { KeysError, parseKeys } from '../../src/auth/jwks';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');

function jwk(key: KeyObject, more: object = {}): object {
  return { ...key.export({ format: 'jwk' }), ...more };
}

function pem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

/** Names and algorithms of the keys. */
function parsed(content: string | object): unknown[] {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  return [...parseKeys(Buffer.from(text)).values()].map(({ kid, algorithms }) => [kid, ...algorithms]);
}

test('the keys of a set, with what each may be used for', () => {
  const keys = [
    jwk(rsa.publicKey, { kid: 'a' }),
    jwk(rsa.publicKey, { kid: 'b', alg: 'PS256', use: 'sig' }),
    jwk(ec.publicKey, { kid: 'c', key_ops: ['verify'] }),
    jwk(ed.publicKey),
  ];
  expect(parsed({ keys })).toEqual([
    ['a', 'RS256', 'PS256'],
    ['b', 'PS256'],
    ['c', 'ES256'],
    [undefined, 'EdDSA'],
  ]);
});

test('public keys in PEM have no names', () => {
  const text = [rsa, ec, ed].map(({ publicKey }) => pem(publicKey)).join('# a comment\n');
  expect(parsed(text)).toEqual([
    [undefined, 'RS256', 'PS256'],
    [undefined, 'ES256'],
    [undefined, 'EdDSA'],
  ]);
});

test('a key has the same id every time, and another one under another name', () => {
  const idOf = (key: object): string =>
    [...parseKeys(Buffer.from(JSON.stringify({ keys: [key] }))).keys()].join();
  expect(idOf(jwk(ec.publicKey, { kid: 'a' }))).toBe(idOf(jwk(ec.publicKey, { kid: 'a', x5t: 'x' })));
  expect(idOf(jwk(ec.publicKey, { kid: 'a' }))).not.toBe(idOf(jwk(ec.publicKey, { kid: 'b' })));
});

test.each<[string, object]>([
  ['to encrypt', jwk(rsa.publicKey, { use: 'enc' })],
  ['for another operation', jwk(rsa.publicKey, { key_ops: ['encrypt'] })],
  ['of another algorithm', jwk(rsa.publicKey, { alg: 'RS512' })],
  ['of 1,024 bits', jwk(generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey)],
  ['of another curve', jwk(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)],
  ['of a kind that is not known', { kty: 'AKP', alg: 'ML-DSA-44', pub: 'x' }],
  ['that is broken', { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }],
])('a key %s is left out', (_, key) => {
  expect(parsed({ keys: [key, jwk(ec.publicKey, { kid: 'good' })] })).toEqual([['good', 'ES256']]);
  expect(() => parsed({ keys: [key] })).toThrow('has no public key');
});

test.each<[string, string | object, string]>([
  ['a private key', { keys: [jwk(ec.privateKey)] }, 'has a key that is not public'],
  ['a secret', { keys: [jwk(ec.publicKey), { kty: 'oct', k: 'c2VjcmV0' }] }, 'has a key that is not public'],
  [
    'a private key in PEM',
    pem(ec.publicKey) + ec.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    'has a private key',
  ],
  ['a number', '5', 'must be a JWK set'],
  ['nothing', '', 'must be a JWK set'],
  ['null', 'null', 'must be a JWK set'],
  ['a set of numbers', { keys: [5] }, 'must be a JWK set'],
])('%s is not accepted', (_, content, message) => {
  expect(() => parsed(content)).toThrow(KeysError);
  expect(() => parsed(content)).toThrow(message);
});
