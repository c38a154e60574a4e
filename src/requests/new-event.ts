import type { Event } from '../../generated/sluice/v1/event';
import type { AppendRequest } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import type { NewEvent } from '../store/new-event';
import { uuidV7 } from '../uuid';
import { checkId, checkLabel, checkNoControls, checkTags } from './field-checks';
import { excess, shown, type Findings } from './findings';

interface NewEvents {
  readonly events: readonly NewEvent[];
  /** That they take when they are stored, or more. */
  readonly bytes: number;
}

/** Tags, lengths and numbers of a stored event, of one of its tags, and of one entry of its metadata, at most. */
const eventFramingBytes = 80;
const tagFramingBytes = 6;
const entryFramingBytes = 18;

/** Parses the events of an append to one stream, which are at `<prefix>events`. The result counts only without findings. */
export function newEvents(
  { stream, events }: Pick<AppendRequest, 'stream' | 'events'>,
  limits: Limits,
  findings: Findings,
  prefix = '',
): NewEvents {
  const { appendEventsMax, appendBytesMax, eventBytesMax } = limits;
  const list = `${prefix}events`;
  if (events.length > appendEventsMax) {
    findings.add(list, excess(events.length, 'events', appendEventsMax));
    return { events: [], bytes: 0 };
  }
  const parsed: NewEvent[] = [];
  const firstWithId = events.length > 1 ? new Map<string, number>() : undefined;
  let bytesInAll = 0;
  let framingBytes = 0;
  for (const sent of events) {
    if (findings.full) break;
    const index = parsed.length;
    findings.enter(list, index);
    checkEvent(sent, limits, findings);
    if (sent.id !== '' && firstWithId !== undefined) {
      const first = firstWithId.get(sent.id);
      if (first === undefined) firstWithId.set(sent.id, index);
      else findings.add('id', `is also the id of events[${first}]: ${shown(sent.id)}`);
    }
    const event = withDefaults(sent);
    const bytes = stream.length + storedBytes(event);
    if (bytes > eventBytesMax) findings.add('', excess(bytes, 'bytes', eventBytesMax));
    bytesInAll += bytes;
    framingBytes +=
      eventFramingBytes + event.tags.length * tagFramingBytes + event.metadata.size * entryFramingBytes;
    parsed.push(event);
  }
  findings.enter('');
  if (bytesInAll > appendBytesMax) findings.add(list, excess(bytesInAll, 'bytes', appendBytesMax));
  return { events: parsed, bytes: bytesInAll + framingBytes };
}

function checkEvent(event: Event, limits: Limits, findings: Findings): void {
  if (event.type === '') findings.add('type', 'is required');
  checkLabel(event.type, 'type', limits, findings);
  checkNoControls(event.type, 'type', findings);
  checkLabel(event.contentType, 'content_type', limits, findings);
  if (event.id !== '') checkId(event.id, 'id', limits, findings);
  if (event.correlationId !== '') checkId(event.correlationId, 'correlation_id', limits, findings);
  if (event.causationId !== '') checkId(event.causationId, 'causation_id', limits, findings);
  if (event.tags.length > 0) checkTags(event.tags, 'tags', limits, findings);
  if (event.metadata.size > 0) checkMetadata(event.metadata, limits, findings);
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

function withDefaults(event: Event): NewEvent {
  const id = event.id === '' ? uuidV7() : event.id;
  return {
    id,
    hasGivenId: event.id !== '',
    type: event.type,
    payload: event.payload,
    contentType: event.contentType,
    correlationId: event.correlationId === '' ? id : event.correlationId,
    causationId: event.causationId === '' ? id : event.causationId,
    tags: event.tags,
    metadata: event.metadata,
  };
}
