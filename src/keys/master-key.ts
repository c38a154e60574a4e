import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { lengthPrefixed } from './bytes';
import { KeyError } from './key-error';

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** Which key is wrapped: a wrapped key cannot be given to another subject. */
export interface WrappedFor {
  readonly subject: string;
  readonly id: string;
}

/** Throws a TypeError for a master key that is not 32 bytes. */
export function checkMasterKey(masterKey: Uint8Array): void {
  if (!(masterKey instanceof Uint8Array) || masterKey.length !== keyBytes)
    throw new TypeError(`a master key must be a Uint8Array of ${keyBytes} bytes`);
}

/** AES-256-GCM: nonce, ciphertext, tag. */
export function wrapKey(masterKey: Uint8Array, key: Uint8Array, { subject, id }: WrappedFor): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', masterKey, nonce, { authTagLength: tagBytes });
  cipher.setAAD(lengthPrefixed('sluice-wrapped-key-1', subject, id));
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
}

/** Throws KeyError if it was wrapped by another master key, or for another key id or subject. */
export function unwrapKey(
  masterKey: Uint8Array,
  wrapped: Uint8Array,
  { subject, id }: WrappedFor,
): Uint8Array {
  try {
    const [nonce, tagAt] = [wrapped.subarray(0, nonceBytes), wrapped.length - tagBytes];
    const decipher = createDecipheriv('aes-256-gcm', masterKey, nonce, { authTagLength: tagBytes });
    decipher.setAAD(lengthPrefixed('sluice-wrapped-key-1', subject, id));
    decipher.setAuthTag(wrapped.subarray(tagAt));
    return Buffer.concat([decipher.update(wrapped.subarray(nonceBytes, tagAt)), decipher.final()]);
  } catch (cause) {
    throw new KeyError('KEY_STORE_LOCKED', `the key of ${subject} is wrapped by another master key`, {
      cause,
    });
  }
}

const fileBytesMax = 1_024;

/**
 * The master key in a file: 32 bytes as base64 or hexadecimal text. Throws KeyError if others than its owner may read the file or if it
 * has no such key, and the error of the system if it cannot be read.
 */
export async function readMasterKey(path: string): Promise<Uint8Array> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    const facts = await handle.stat();
    if ((facts.mode & 0o077) !== 0)
      throw new KeyError(
        'KEY_STORE_UNSAFE',
        `others may read ${path}: make it readable for its owner only (chmod 600)`,
      );
    const text = facts.size > fileBytesMax ? '' : (await handle.readFile('utf8')).trim();
    const isHexadecimal = /^[0-9a-fA-F]{64}$/.test(text);
    const key = Buffer.from(text, isHexadecimal ? 'hex' : 'base64');
    if (!isHexadecimal && (key.toString('base64') !== text || key.length !== keyBytes))
      throw new KeyError(
        'KEY_STORE_DAMAGED',
        `${path} is not a master key: it must have ${keyBytes} bytes as base64 or hexadecimal text`,
      );
    return key;
  } finally {
    await handle.close();
  }
}
