import { createHash } from 'node:crypto';
import type { NewEvent } from '../client/client';
import { uuidV7 } from '../client/append';
import { lengthPrefixed } from './bytes';
import { seal } from './envelope';
import { formatVersion, mark, marks, sealedContentType } from './envelope-metadata';
import { checkSubject, type DataKey, type KeyStore } from './key-store';

/** How events are encrypted. */
export interface Sealing {
  readonly keys: KeyStore;
  readonly subjectOf: ((event: NewEvent, stream: string) => string | undefined) | undefined;
}

/** The events of an append to one stream. */
export interface StreamEvents {
  readonly stream: string;
  readonly events: readonly NewEvent[];
}

/** An event to encrypt, as it was when the append was called. */
interface Plain {
  readonly event: NewEvent;
  readonly subject: string;
  readonly payload: Buffer;
}

/**
 * The events of each append, encrypted where they have a subject and a payload. A repeated append with the same commit id has the same
 * result. Fails with a TypeError for an event that cannot be encrypted, and with KeyError.
 */
export async function sealEvents<Append extends StreamEvents>(
  { keys, subjectOf }: Sealing,
  appends: readonly Append[],
  commitId: string | undefined,
): Promise<Append[]> {
  const plain = appends.map(({ stream, events }) => events.map((event) => toPlain(event, subjectOf, stream)));
  const asked = new Map<string, Promise<DataKey>>();
  const keyOf = (subject: string): Promise<DataKey> => {
    const known = asked.get(subject) ?? keys.create(subject);
    asked.set(subject, known);
    return known;
  };
  return Promise.all(
    appends.map(async (append, at) => ({
      ...append,
      events: await Promise.all(
        (plain[at] ?? []).map(async (one, index) => {
          if (!('payload' in one)) return one;
          const id = one.event.id ?? idFor(commitId, append.stream, `${at}.${index}`);
          return sealOne(one, { stream: append.stream, id }, await keyOf(one.subject));
        }),
      ),
    })),
  );
}

/** An event without a subject or a payload stays as it is. */
function toPlain(event: NewEvent, subjectOf: Sealing['subjectOf'], stream: string): Plain | NewEvent {
  const { encryptFor, ...rest } = event;
  const subject = encryptFor ?? subjectOf?.(event, stream);
  if (subject === undefined) return rest;
  checkSubject(subject);
  checkMetadata(event);
  const { data } = event;
  if (data === undefined) return rest;
  if (typeof data === 'string' && !data.isWellFormed())
    throw new TypeError('text contains half of a surrogate pair');
  // A copy: the caller may use its bytes again while the key is fetched.
  return { event: rest, subject, payload: Buffer.from(data) };
}

function checkMetadata({ metadata = {} }: NewEvent): void {
  const given = Symbol.iterator in metadata ? [...metadata.keys()] : Object.keys(metadata);
  const reserved = given.find((key) => marks.includes(key));
  if (reserved !== undefined)
    throw new TypeError(`the metadata ${reserved} is reserved for encrypted events`);
}

function sealOne(
  { event, subject, payload }: Plain,
  { stream, id }: { readonly stream: string; readonly id: string },
  key: DataKey,
): NewEvent {
  const { type, data, contentType = '', metadata = {} } = event;
  const kind = typeof data === 'string' ? 'text' : 'binary';
  const fields = { stream, eventId: id, type, subject, keyId: key.id, kind, contentType } as const;
  const given = Symbol.iterator in metadata ? [...metadata] : Object.entries(metadata);
  return {
    ...event,
    id,
    data: seal(payload, key, fields),
    contentType: sealedContentType,
    metadata: new Map([
      ...given,
      [mark.format, formatVersion],
      [mark.subject, subject],
      [mark.keyId, key.id],
      [mark.kind, kind],
      ...(contentType === '' ? [] : ([[mark.contentType, contentType]] as const)),
    ]),
  };
}

/**
 * The id of an event that was given none: the ciphertext is bound to it. With a commit id a UUID v8 that is the same in each repeated
 * append, otherwise a UUID v7.
 */
function idFor(commitId: string | undefined, stream: string, index: string): string {
  if (commitId === undefined) return uuidV7();
  const text = lengthPrefixed('sluice-event-id', commitId.toLowerCase(), stream, index);
  const hex = createHash('sha256').update(text).digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
