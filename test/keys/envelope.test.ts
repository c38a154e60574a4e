import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { overheadBytes, seal, unseal, type SealedFields } from '../../src/keys/envelope';

/** The encryption of payloads: against a second implementation from docs/encryption-format.md, and as properties. */
const { subtle } = globalThis.crypto;

interface Vector extends SealedFields {
  readonly name: string;
  readonly key: string;
  readonly payload: string;
  readonly payloadKey: string;
  readonly nonceKey: string;
  readonly authenticatedData: string;
  readonly nonce: string;
  readonly stored: string;
}

const file = join(__dirname, '..', '..', 'docs', 'encryption-vectors.json');
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: readonly Vector[] };

const hex = (bytes: Uint8Array | ArrayBuffer): string => Buffer.from(bytes as Uint8Array).toString('hex');
const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, 'hex'));

/** As the page describes it, with the Web Crypto API. */
async function derive(key: string, use: string): Promise<Uint8Array<ArrayBuffer>> {
  const base = await subtle.importKey('raw', bytesOf(key), 'HKDF', false, ['deriveBits']);
  const info = new TextEncoder().encode(`sluice-encryption-1 ${use}`);
  return new Uint8Array(
    await subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info }, base, 256),
  );
}

function identity({ stream, eventId, type, subject, keyId, kind, contentType }: SealedFields): Buffer {
  const fields = ['sluice-encryption-1', stream, eventId, type, subject, keyId, kind, contentType];
  return Buffer.concat(fields.flatMap((field) => [lengthOf(Buffer.from(field)), Buffer.from(field)]));
}

function lengthOf(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return length;
}

test.each(cases)('the vector of $name, by a second implementation', async (vector) => {
  const [payloadKey, nonceKey] = [await derive(vector.key, 'payload'), await derive(vector.key, 'nonce')];
  const data = Uint8Array.from(identity(vector));
  expect([hex(payloadKey), hex(nonceKey), hex(data)]).toEqual([
    vector.payloadKey,
    vector.nonceKey,
    vector.authenticatedData,
  ]);
  const payload = bytesOf(vector.payload);
  const hmac = await subtle.importKey('raw', nonceKey, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const hash = await subtle.sign('HMAC', hmac, Uint8Array.from([...lengthOf(data), ...data, ...payload]));
  const nonce = new Uint8Array(hash).slice(0, 12);
  expect(hex(nonce)).toBe(vector.nonce);
  const aes = await subtle.importKey('raw', payloadKey, 'AES-GCM', false, ['encrypt']);
  const sealed = await subtle.encrypt({ name: 'AES-GCM', iv: nonce, additionalData: data }, aes, payload);
  expect(vector.nonce + hex(sealed)).toBe(vector.stored);
});

test.each(cases)('the vector of $name', (vector) => {
  const key = { bytes: bytesOf(vector.key) };
  expect(hex(seal(bytesOf(vector.payload), key, vector))).toBe(vector.stored);
  expect(unseal(bytesOf(vector.stored), key, vector)).toEqual(Buffer.from(vector.payload, 'hex'));
});

const keys = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => ({ bytes }));
const text = fc.string({ unit: 'grapheme', maxLength: 30 });
const fieldsArbitrary: fc.Arbitrary<SealedFields> = fc.record({
  stream: text,
  eventId: text,
  type: text,
  subject: text,
  keyId: text,
  kind: fc.constantFrom('text', 'binary'),
  contentType: text,
});
const payloads = fc.uint8Array({ maxLength: 300 });

test('what is sealed is unsealed, and is longer by a fixed number of bytes', () => {
  fc.assert(
    fc.property(payloads, keys, fieldsArbitrary, (payload, key, fields) => {
      const sealed = seal(payload, key, fields);
      expect(sealed).toHaveLength(payload.length + overheadBytes);
      expect(unseal(sealed, key, fields)).toEqual(Buffer.from(payload));
    }),
  );
});

test('a repeat has the same bytes; another payload, event or key has another nonce', () => {
  fc.assert(
    fc.property(payloads, payloads, keys, keys, fieldsArbitrary, fieldsArbitrary, (one, other, ...rest) => {
      const [key, otherKey, fields, otherFields] = rest;
      const sealed = seal(one, key, fields);
      expect(seal(one, { bytes: Uint8Array.from(key.bytes) }, { ...fields })).toEqual(sealed);
      const nonce = hex(sealed.subarray(0, 12));
      const nonceOf = (...args: Parameters<typeof seal>): string => hex(seal(...args).subarray(0, 12));
      fc.pre(hex(one) !== hex(other) && hex(key.bytes) !== hex(otherKey.bytes));
      fc.pre(JSON.stringify(fields) !== JSON.stringify(otherFields));
      expect(nonceOf(other, key, fields)).not.toBe(nonce);
      expect(nonceOf(one, otherKey, fields)).not.toBe(nonce);
      expect(nonceOf(one, key, otherFields)).not.toBe(nonce);
    }),
  );
});

test('a payload cannot be shifted into the fields, or from one field into the next', () => {
  const key = { bytes: new Uint8Array(32) };
  const fields = { ...(cases[0] as Vector), stream: 'a', eventId: 'bc' };
  const sealed = seal(Buffer.from('x'), key, fields);
  expect(unseal(sealed, key, { ...fields, stream: 'ab', eventId: 'c' })).toBeUndefined();
});

test('no bit can be flipped', () => {
  fc.assert(
    fc.property(payloads, keys, fieldsArbitrary, fc.nat(), (payload, key, fields, at) => {
      const sealed = seal(payload, key, fields);
      const bit = at % (sealed.length * 8);
      sealed[bit >> 3] = (sealed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(unseal(sealed, key, fields)).toBeUndefined();
    }),
  );
});

test('nothing can be cut off or added', () => {
  fc.assert(
    fc.property(payloads, keys, fieldsArbitrary, fc.nat(), (payload, key, fields, at) => {
      const sealed = seal(payload, key, fields);
      expect(unseal(sealed.subarray(0, at % sealed.length), key, fields)).toBeUndefined();
      expect(unseal(Buffer.concat([sealed, Buffer.alloc(1)]), key, fields)).toBeUndefined();
    }),
  );
});

test('a payload cannot be moved to an event that differs in any field, and not be read by another key', () => {
  fc.assert(
    fc.property(payloads, keys, keys, fieldsArbitrary, fieldsArbitrary, (payload, key, otherKey, ...rest) => {
      const [fields, others] = rest;
      const sealed = seal(payload, key, fields);
      for (const name of Object.keys(fields) as (keyof SealedFields)[]) {
        if (others[name] === fields[name]) continue;
        expect(unseal(sealed, key, { ...fields, [name]: others[name] })).toBeUndefined();
      }
      fc.pre(hex(key.bytes) !== hex(otherKey.bytes));
      expect(unseal(sealed, otherKey, fields)).toBeUndefined();
    }),
  );
});
