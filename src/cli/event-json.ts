import { suggestion } from '../config/nearest-name';
import type { CommitTime, NewEvent, RecordedEvent } from '../client/client';
import { CommandError } from './failure';

/** Events as JSON, with the field names of the contract, as grpcurl prints them. */

/** The fields that the store assigns; ignored in an event to append. */
const assigned = ['stream', 'version', 'position', 'commitTime'] as const;
const texts = ['id', 'type', 'text', 'binary', 'contentType', 'correlationId', 'causationId'] as const;
/** Of an event that was decrypted. */
const keyFields = ['encryptedFor', 'forgotten'] as const;
const fields: readonly string[] = [...texts, 'tags', 'metadata', 'erased', ...assigned, ...keyFields];

/** Empty fields are left out, as in the JSON form of the contract; an empty payload is kept. */
export function toEventJson(event: RecordedEvent): Record<string, unknown> {
  return {
    id: event.id,
    stream: event.stream,
    version: event.version.toString(),
    type: event.type,
    ...toContentJson(event),
    position: event.position.toString(),
    commitTime: toTimeJson(event),
  };
}

/** The content of an event, without its id, its type and the fields that the store assigns. */
export function toContentJson(event: RecordedEvent): Record<string, unknown> {
  if (event.erased === true) return { erased: true };
  const { data, contentType, correlationId, causationId, tags, metadata, encryptedFor, forgotten } = event;
  return {
    ...(typeof data === 'string' && { text: data }),
    ...(data instanceof Uint8Array && { binary: Buffer.from(data).toString('base64') }),
    ...(contentType !== '' && { contentType }),
    correlationId,
    causationId,
    ...(tags.length > 0 && { tags }),
    ...(metadata.size > 0 && { metadata: Object.fromEntries(metadata) }),
    ...(encryptedFor !== undefined && { encryptedFor }),
    ...(forgotten === true && { forgotten }),
  };
}

const nanosPerSecond = 1_000_000_000n;

/** RFC 3339 with 3, 6 or 9 fractional digits. */
export function toTimeJson({ commitTimeNanos }: Pick<CommitTime, 'commitTimeNanos'>): string {
  const seconds = new Date(Number(commitTimeNanos / nanosPerSecond) * 1_000).toISOString().slice(0, 19);
  const fraction = (commitTimeNanos % nanosPerSecond).toString().padStart(9, '0');
  return `${seconds}.${fraction.replace(/(000){1,2}$/, '')}Z`;
}

/** Parses an event to append. Throws CommandError with a message that begins with `where`. */
export function fromEventJson(value: unknown, where: string): NewEvent {
  if (!isObject(value)) throw new CommandError(`${where}: an event must be a JSON object`);
  for (const field of Object.keys(value)) {
    if (!fields.includes(field)) {
      throw new CommandError(`${where}: unknown field ${field}${suggestion(field, fields)}`);
    }
  }
  const [id, type, text, binary, contentType, correlationId, causationId] = texts.map((field) =>
    optionalText(value[field], `${where}: ${field}`),
  );
  if (type === undefined) throw new CommandError(`${where}: type is required`);
  if (value['forgotten'] !== undefined)
    throw new CommandError(`${where}: the event is forgotten, its payload is gone`);
  if (value['erased'] !== undefined)
    throw new CommandError(`${where}: the event is erased, its contents are gone`);
  const encryptFor = optionalText(value['encryptedFor'], `${where}: encryptedFor`);
  if (text !== undefined && binary !== undefined) {
    throw new CommandError(`${where}: an event has either text or binary, not both`);
  }
  return {
    type,
    ...(id !== undefined && { id }),
    ...(text !== undefined && { data: text }),
    ...(binary !== undefined && { data: fromBase64(binary, `${where}: binary`) }),
    ...(contentType !== undefined && { contentType }),
    ...(correlationId !== undefined && { correlationId }),
    ...(causationId !== undefined && { causationId }),
    ...(encryptFor !== undefined && { encryptFor }),
    tags: tagsOf(value['tags'], `${where}: tags`),
    metadata: metadataOf(value['metadata'], `${where}: metadata`),
  };
}

/** Parses a line as JSON. Throws CommandError with a message that begins with `where`. */
export function parseLine(line: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(utf8.decode(line)) as unknown;
  } catch (error) {
    throw new CommandError(`${where}: not JSON: ${error instanceof Error ? error.message : ''}`);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown, where: string): string {
  if (typeof value !== 'string') throw new CommandError(`${where} must be a string`);
  // JSON can express half of a surrogate pair, UTF-8 cannot.
  if (/\p{Surrogate}/u.test(value)) throw new CommandError(`${where} is not Unicode text`);
  return value;
}

function optionalText(value: unknown, where: string): string | undefined {
  return value === undefined ? undefined : textOf(value, where);
}

function fromBase64(text: string, where: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw new CommandError(`${where} is not base64`);
  return bytes;
}

function tagsOf(value: unknown, where: string): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new CommandError(`${where} must be an array of strings`);
  return value.map((tag: unknown) => textOf(tag, where));
}

function metadataOf(value: unknown, where: string): ReadonlyMap<string, string> {
  if (value === undefined) return new Map();
  if (!isObject(value)) throw new CommandError(`${where} must be an object of strings`);
  return new Map(Object.entries(value).map(([key, text]) => [textOf(key, where), textOf(text, where)]));
}
