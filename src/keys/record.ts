import { z } from 'zod';
import { KeyError } from './key-error';
import { recordBytesMax } from './key-limits';
import type { DataKey, ForgottenKey } from './key-store';
import { unwrapKey, wrapKey } from './master-key';

/** A key as a record has it: as it is, or wrapped by a master key. */
export interface StoredKey {
  readonly id: string;
  readonly createTime: Date;
  readonly secret: Uint8Array;
  readonly isWrapped: boolean;
}

/** What a key store keeps about one data subject. */
export interface KeyRecord {
  readonly subject: string;
  /** undefined: the subject is forgotten. */
  readonly key: StoredKey | undefined;
  readonly forgotten: readonly ForgottenKey[];
  /** The revision of the earlier record whose key this one forgets. */
  readonly replaces: string | undefined;
}

const time = z.iso.datetime();
/** As JSON. */
const schema = z.strictObject({
  sluiceKeys: z.literal(1),
  subject: z.string(),
  key: z
    .strictObject({
      id: z.uuid(),
      created: time,
      secret: z.base64().optional(),
      wrapped: z.base64().optional(),
    })
    .optional(),
  forgotten: z.array(z.strictObject({ id: z.uuid(), time })),
  replaces: z.string().optional(),
});

const keyBytes = 32;

export function encodeRecord({ subject, key, forgotten, replaces }: KeyRecord): Buffer {
  const json: z.infer<typeof schema> = {
    sluiceKeys: 1,
    subject,
    ...(key !== undefined && {
      key: {
        id: key.id,
        created: key.createTime.toISOString(),
        [key.isWrapped ? 'wrapped' : 'secret']: Buffer.from(key.secret).toString('base64'),
      },
    }),
    forgotten: forgotten.map(({ id, forgetTime }) => ({ id, time: forgetTime.toISOString() })),
    ...(replaces !== undefined && { replaces }),
  };
  return Buffer.from(JSON.stringify(json));
}

/** Throws KeyError for bytes that are not a record; `what` names it. */
export function decodeRecord(bytes: Uint8Array, what: string): KeyRecord {
  let json: z.infer<typeof schema>;
  try {
    if (bytes.length > recordBytesMax) throw new RangeError('too long');
    json = schema.parse(JSON.parse(Buffer.from(bytes).toString()));
  } catch {
    // The cause could quote the key.
    throw new KeyError('KEY_STORE_DAMAGED', `${what} cannot be read`);
  }
  const { subject, key, forgotten, replaces } = json;
  return {
    subject,
    key: key && {
      id: key.id,
      createTime: new Date(key.created),
      secret: Buffer.from(key.wrapped ?? key.secret ?? '', 'base64'),
      isWrapped: key.wrapped !== undefined,
    },
    forgotten: forgotten.map(({ id, time: forgetTime }) => ({ id, forgetTime: new Date(forgetTime) })),
    replaces,
  };
}

export function toStoredKey(subject: string, key: DataKey, masterKey: Uint8Array | undefined): StoredKey {
  const { id, createTime, bytes } = key;
  if (masterKey === undefined) return { id, createTime, secret: bytes, isWrapped: false };
  return { id, createTime, secret: wrapKey(masterKey, bytes, { subject, id }), isWrapped: true };
}

/** Throws KeyError if the key cannot be unwrapped, or is not one. */
export function toDataKey(subject: string, stored: StoredKey, masterKey: Uint8Array | undefined): DataKey {
  const { id, createTime, secret, isWrapped } = stored;
  if (isWrapped && masterKey === undefined)
    throw new KeyError(
      'KEY_STORE_LOCKED',
      `the key of ${subject} is wrapped by a master key, and none was given`,
    );
  const bytes = isWrapped && masterKey !== undefined ? unwrapKey(masterKey, secret, { subject, id }) : secret;
  if (bytes.length !== keyBytes)
    throw new KeyError('KEY_STORE_DAMAGED', `the key of ${subject} has ${bytes.length} bytes`);
  return { id, createTime, bytes };
}
