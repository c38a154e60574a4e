import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';
import { lengthPrefixed } from './bytes';
import type { DataKey } from './key-store';

/**
 * The encryption of a payload, as docs/encryption-format.md describes it for other languages:
 *
 * - The key of the subject gives two keys by HKDF-SHA-256 without a salt: with the info `sluice-encryption-1 payload` for AES-256-GCM, with
 *   `sluice-encryption-1 nonce` for the nonces.
 * - The additional authenticated data is what identifies the event, see `SealedFields`.
 * - The nonce is the first 12 bytes of HMAC-SHA-256 over the length of that data, that data, and the payload. So an append that is
 *   repeated has the same bytes, and two payloads never get the same nonce under one key, except by a chance of 2^-96.
 * - What is stored is the nonce, the ciphertext and the tag of 16 bytes.
 */
const format = 'sluice-encryption-1';
const nonceBytes = 12;
const tagBytes = 16;
/** Bytes by which an encrypted payload is longer. */
export const overheadBytes = nonceBytes + tagBytes;

/** What the ciphertext is bound to. */
export interface SealedFields {
  readonly stream: string;
  readonly eventId: string;
  readonly type: string;
  readonly subject: string;
  readonly keyId: string;
  /** How the payload is read. */
  readonly kind: 'text' | 'binary';
  /** Empty: no content type. */
  readonly contentType: string;
}

/** The additional authenticated data: each field as UTF-8 after its length. */
export function authenticatedData(fields: SealedFields): Buffer {
  const { stream, eventId, type, subject, keyId, kind, contentType } = fields;
  return lengthPrefixed(format, stream, eventId, type, subject, keyId, kind, contentType);
}

interface DerivedKeys {
  readonly payload: Uint8Array;
  readonly nonce: Uint8Array;
}

const derived = new WeakMap<Uint8Array, DerivedKeys>();

function keysOf({ bytes }: Pick<DataKey, 'bytes'>): DerivedKeys {
  let keys = derived.get(bytes);
  if (keys === undefined) {
    const derive = (use: string): Uint8Array =>
      new Uint8Array(hkdfSync('sha256', bytes, '', `${format} ${use}`, 32));
    keys = { payload: derive('payload'), nonce: derive('nonce') };
    derived.set(bytes, keys);
  }
  return keys;
}

/** Encrypts a payload. */
export function seal(payload: Uint8Array, key: Pick<DataKey, 'bytes'>, fields: SealedFields): Buffer {
  const keys = keysOf(key);
  const data = authenticatedData(fields);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const hash = createHmac('sha256', keys.nonce).update(length).update(data).update(payload).digest();
  const nonce = hash.subarray(0, nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', keys.payload, nonce, { authTagLength: tagBytes });
  cipher.setAAD(data);
  return Buffer.concat([nonce, cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
}

/** Decrypts what `seal` has made; undefined: it was changed, or encrypted by another key or for another event. */
export function unseal(
  sealed: Uint8Array,
  key: Pick<DataKey, 'bytes'>,
  fields: SealedFields,
): Buffer | undefined {
  if (sealed.length < overheadBytes) return undefined;
  const tagAt = sealed.length - tagBytes;
  const nonce = sealed.subarray(0, nonceBytes);
  const decipher = createDecipheriv('aes-256-gcm', keysOf(key).payload, nonce, { authTagLength: tagBytes });
  decipher.setAAD(authenticatedData(fields));
  decipher.setAuthTag(sealed.subarray(tagAt));
  const payload = decipher.update(sealed.subarray(nonceBytes, tagAt));
  try {
    return Buffer.concat([payload, decipher.final()]);
  } catch {
    return undefined;
  }
}
