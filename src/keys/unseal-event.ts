import type { RecordedEvent } from '../client/client';
import { unseal, type SealedFields } from './envelope';
import { formatVersion, mark, marks, sealedContentType } from './envelope-metadata';
import { KeyError, type KeyErrorCode } from './key-error';
import { checkSubject, type DataKey, type KeyStore, type SubjectKeys } from './key-store';

/**
 * An event as it was before it was encrypted; one whose key was forgotten has `forgotten` and no data. An event that is not encrypted
 * stays as it is. Fails with KeyError, which has the place of the event.
 */
export async function unsealEvent(keys: KeyStore, event: RecordedEvent): Promise<RecordedEvent> {
  if (!event.metadata.has(mark.format) && event.contentType !== sealedContentType) return event;
  const fields = fieldsOf(event);
  const plain = {
    ...event,
    contentType: fields.contentType,
    metadata: new Map([...event.metadata].filter(([key]) => !marks.includes(key))),
    encryptedFor: fields.subject,
  };
  const key = await keyOf(keys, event, fields);
  if (key === 'forgotten') return { ...plain, data: undefined, forgotten: true };
  const payload = unseal(event.data as Uint8Array, key, fields);
  if (payload === undefined)
    throw failure(
      event,
      'DECRYPTION_FAILED',
      'its payload cannot be decrypted: it was changed, or belongs to another event',
    );
  return { ...plain, data: fields.kind === 'text' ? textOf(event, payload) : payload };
}

function fieldsOf({ stream, id, type, ...event }: RecordedEvent): SealedFields {
  const value = (name: string): string => event.metadata.get(name) ?? '';
  const [subject, keyId, kind] = [value(mark.subject), value(mark.keyId), value(mark.kind)];
  const fault =
    value(mark.format) !== formatVersion
      ? `its metadata ${mark.format} is ${JSON.stringify(value(mark.format).slice(0, 20))}, and this version knows ${formatVersion}`
      : !isSubject(subject)
        ? `its metadata ${mark.subject} is not the name of a data subject`
        : keyId === ''
          ? `its metadata ${mark.keyId} is missing`
          : kind !== 'text' && kind !== 'binary'
            ? `its metadata ${mark.kind} is neither text nor binary`
            : event.data instanceof Uint8Array
              ? undefined
              : 'its payload is not bytes';
  if (fault !== undefined || (kind !== 'text' && kind !== 'binary'))
    throw failure({ stream, ...event }, 'ENVELOPE_INVALID', `it is not encrypted as it says: ${fault ?? ''}`);
  return { stream, eventId: id, type, subject, keyId, kind, contentType: value(mark.contentType) };
}

function isSubject(text: string): boolean {
  try {
    checkSubject(text);
    return true;
  } catch {
    return false;
  }
}

/** The key of an event, also if it was created or forgotten after what is cached. */
async function keyOf(
  keys: KeyStore,
  event: RecordedEvent,
  { subject, keyId }: SealedFields,
): Promise<DataKey | 'forgotten'> {
  try {
    const found =
      keyIn(await keys.get(subject), keyId) ?? keyIn(await keys.get(subject, { fresh: true }), keyId);
    if (found !== undefined) return found;
  } catch (cause) {
    throw cause instanceof KeyError ? failure(event, cause.code, cause.message, cause) : cause;
  }
  throw failure(
    event,
    'KEY_UNKNOWN',
    `the key store has no key ${keyId} of ${subject}, and has not forgotten one`,
  );
}

function keyIn(known: SubjectKeys | undefined, keyId: string): DataKey | 'forgotten' | undefined {
  if (known?.key?.id === keyId) return known.key;
  return known?.forgotten.some(({ id }) => id === keyId) === true ? 'forgotten' : undefined;
}

function textOf(event: RecordedEvent, payload: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
  } catch (cause) {
    throw failure(event, 'ENVELOPE_INVALID', 'its payload is not the text that it says', cause);
  }
}

function failure(
  { stream, version, position }: Pick<RecordedEvent, 'stream' | 'version' | 'position'>,
  code: KeyErrorCode,
  why: string,
  cause?: unknown,
): KeyError {
  const message = `event ${version.toString()} of ${stream}: ${why}`;
  return new KeyError(code, message, { cause, event: { stream, version, position } });
}
