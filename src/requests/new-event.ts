import type { Limits } from '../limits';
import type { NewEvent, Payload } from '../store/event-store';
import { checkId, checkLabel, excess, shown, type Findings } from './field-checks';
import { uuidV7 } from '../store/ids';

/** An event as it comes from outside, of the shape of sluice.v1.Event. */
export interface RawEvent {
  readonly id: string;
  readonly type: string;
  readonly payload?: Payload | undefined;
  readonly contentType: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly tags: readonly string[];
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Parses the events of one append, which are at `<prefix>events`. What is wrong goes to `findings`; the result counts only
 * if nothing is.
 */
export function newEvents(
  stream: string,
  events: readonly RawEvent[],
  limits: Limits,
  findings: Findings,
  prefix = '',
): NewEvent[] {
  const { appendEventsMax, appendBytesMax, eventBytesMax } = limits;
  const list = `${prefix}events`;
  if (events.length > appendEventsMax) {
    findings.add(list, excess(events.length, 'events', appendEventsMax));
    return [];
  }
  const parsed: NewEvent[] = [];
  const firstWithId = events.length > 1 ? new Map<string, number>() : undefined;
  let bytesInAll = 0;
  for (const raw of events) {
    if (findings.full) break;
    const index = parsed.length;
    findings.enter(list, index);
    checkEvent(raw, limits, findings);
    if (raw.id !== '' && firstWithId !== undefined) {
      const first = firstWithId.get(raw.id);
      if (first === undefined) firstWithId.set(raw.id, index);
      else findings.add('id', `is also the id of events[${first}]: ${shown(raw.id)}`);
    }
    const event = withDefaults(raw);
    const bytes = stream.length + storedBytes(event);
    if (bytes > eventBytesMax) findings.add('', excess(bytes, 'bytes', eventBytesMax));
    bytesInAll += bytes;
    parsed.push(event);
  }
  findings.enter('');
  if (bytesInAll > appendBytesMax) findings.add(list, excess(bytesInAll, 'bytes', appendBytesMax));
  return parsed;
}

// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const controlCharacter = /[\x00-\x1f\x7f-\x9f]/;

function checkEvent(raw: RawEvent, limits: Limits, findings: Findings): void {
  if (raw.type === '') findings.add('type', 'is required');
  checkLabel(raw.type, 'type', limits, findings);
  if (controlCharacter.test(raw.type)) findings.add('type', `has control characters: ${shown(raw.type)}`);
  checkLabel(raw.contentType, 'content_type', limits, findings);
  if (raw.id !== '') checkId(raw.id, 'id', limits, findings);
  if (raw.correlationId !== '') checkId(raw.correlationId, 'correlation_id', limits, findings);
  if (raw.causationId !== '') checkId(raw.causationId, 'causation_id', limits, findings);
  checkTags(raw.tags, limits, findings);
  if (raw.metadata.size > 0) checkMetadata(raw.metadata, limits, findings);
}

function checkTags(tags: readonly string[], limits: Limits, findings: Findings): void {
  if (tags.length > limits.tagsMax) {
    findings.add('tags', excess(tags.length, 'tags', limits.tagsMax));
    return;
  }
  for (const [index, tag] of tags.entries()) {
    const field = `tags[${index}]`;
    if (tag === '') findings.add(field, 'is empty');
    checkLabel(tag, field, limits, findings);
  }
}

function checkMetadata(metadata: ReadonlyMap<string, string>, limits: Limits, findings: Findings): void {
  const { metadataEntriesMax, metadataBytesMax } = limits;
  if (metadata.size > metadataEntriesMax) {
    findings.add('metadata', excess(metadata.size, 'entries', metadataEntriesMax));
    return;
  }
  for (const key of metadata.keys()) {
    if (key === '') findings.add('metadata', 'has an empty key');
    checkLabel(key, `metadata[${shown(key)}]`, limits, findings);
  }
  const bytes = metadataBytes(metadata);
  if (bytes > metadataBytesMax) findings.add('metadata', excess(bytes, 'bytes', metadataBytesMax));
}

function metadataBytes(metadata: ReadonlyMap<string, string>): number {
  let bytes = 0;
  for (const [key, value] of metadata) bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  return bytes;
}

/** Bytes of what the event says: slightly less than it takes when stored, which the store checks to the byte. */
function storedBytes(event: NewEvent): number {
  const { payload } = event;
  let bytes = event.id.length + event.correlationId.length + event.causationId.length;
  bytes += Buffer.byteLength(event.type) + Buffer.byteLength(event.contentType);
  if (payload?.$case === 'text') bytes += Buffer.byteLength(payload.value);
  if (payload?.$case === 'binary') bytes += payload.value.length;
  for (const tag of event.tags) bytes += Buffer.byteLength(tag);
  return bytes + metadataBytes(event.metadata);
}

function withDefaults(raw: RawEvent): NewEvent {
  const id = raw.id === '' ? uuidV7() : raw.id;
  return {
    id,
    hasGivenId: raw.id !== '',
    type: raw.type,
    payload: raw.payload,
    contentType: raw.contentType,
    correlationId: raw.correlationId === '' ? id : raw.correlationId,
    causationId: raw.causationId === '' ? id : raw.causationId,
    tags: raw.tags,
    metadata: raw.metadata,
  };
}
