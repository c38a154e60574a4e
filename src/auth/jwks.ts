import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { defaultLimits } from '../limits';

/** A public key that verifies signatures of an issuer. */
export interface PublicKey {
  /** Equal if and only if the key and its `kid` are equal. */
  readonly id: string;
  /** undefined: the key has no name, and may be that of any token. */
  readonly kid: string | undefined;
  /** What it may be used with. */
  readonly algorithms: readonly string[];
  readonly key: KeyObject;
}

/** Keys by their id. */
export type PublicKeys = ReadonlyMap<string, PublicKey>;

/** `message`: why the keys cannot be used. Never holds a part of them. */
export class KeysError extends Error {}

/**
 * Reads a set of keys: a JWK set (RFC 7517), or public keys and certificates in PEM. Keys for other purposes are left out. Throws
 * KeysError if no key is left, and if one of them is not public: it may not be used by its owner alone.
 */
export function parseKeys(content: Uint8Array): PublicKeys {
  const text = Buffer.from(content).toString();
  const keys = text.includes('-----BEGIN ') ? pemKeys(text) : jwkSetKeys(text);
  if (keys.length === 0) throw new KeysError('has no public key for RS256, PS256, ES256 or EdDSA');
  return new Map(keys.map((key) => [key.id, key]));
}

function pemKeys(text: string): PublicKey[] {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) throw new KeysError('has a private key');
  const blocks = text.match(/-----BEGIN (PUBLIC KEY|CERTIFICATE)-----[^-]*-----END \1-----/g) ?? [];
  checkNumber(blocks.length);
  return blocks.flatMap((block) => publicKey(() => createPublicKey(block), {}));
}

function jwkSetKeys(text: string): PublicKey[] {
  const keys = jwksIn(text);
  checkNumber(keys.length);
  return keys.flatMap((jwk: unknown) => {
    if (typeof jwk !== 'object' || jwk === null) throw new KeysError('must be a JWK set');
    const { d, kty, use, key_ops: operations } = jwk as JsonWebKey & { use?: unknown; key_ops?: unknown };
    if (d !== undefined || kty === 'oct') throw new KeysError('has a key that is not public');
    const isForOther =
      (use !== undefined && use !== 'sig') || (Array.isArray(operations) && !operations.includes('verify'));
    return isForOther ? [] : publicKey(() => createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }), jwk);
  });
}

function jwksIn(text: string): unknown[] {
  try {
    const { keys } = JSON.parse(text) as { keys: unknown };
    if (Array.isArray(keys)) return keys;
  } catch {
    // Reported below: the error of the parser would quote the text.
  }
  throw new KeysError('must be a JWK set, or public keys in PEM');
}

function checkNumber(keys: number): void {
  const { issuerKeysMax } = defaultLimits;
  if (keys > issuerKeysMax) throw new KeysError(`has more than ${issuerKeysMax.toString()} keys`);
}

/** The key, if it is of a kind that is used here. */
function publicKey(create: () => KeyObject, { kid, alg }: { kid?: unknown; alg?: unknown }): PublicKey[] {
  let key: KeyObject;
  try {
    key = create();
  } catch {
    // A kind of key that is newer than this version of Node.js.
    return [];
  }
  const algorithms = algorithmsOf(key).filter((algorithm) => alg === undefined || alg === algorithm);
  if (algorithms.length === 0) return [];
  const name = typeof kid === 'string' ? kid : undefined;
  const id = createHash('sha256')
    .update(JSON.stringify([name, algorithms]))
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  return [{ id, kid: name, algorithms, key }];
}

/** RSA keys of less than 2,048 bits are not safe. */
function algorithmsOf({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): string[] {
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= 2_048) return ['RS256', 'PS256'];
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return ['ES256'];
  return type === 'ed25519' ? ['EdDSA'] : [];
}
