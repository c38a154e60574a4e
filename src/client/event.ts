import type {
  Event as ProtoEvent,
  RecordedEvent as ProtoRecordedEvent,
} from '../../generated/sluice/v1/event';
import type { Channel } from './channel';
import { activeTraceContext } from './spans';
import { toCommitTime, type CommitTime } from './time';

/** An event to append. `jsonEvent` makes one from a value. */
export interface NewEvent {
  /** What happened, for instance "OrderPlaced": 1 to 200 bytes of UTF-8 without control characters. */
  readonly type: string;
  /** The payload. Text is read as text, and bytes are read as bytes. */
  readonly data?: string | Uint8Array | undefined;
  /** Media type of `data`, for instance "application/json". */
  readonly contentType?: string | undefined;
  /** 1 to 128 visible ASCII characters, unique within one append. Left out: the store generates a UUID v7. */
  readonly id?: string | undefined;
  /** Groups the events of one business transaction over all streams. Left out: the event's own id. */
  readonly correlationId?: string | undefined;
  /** The id of the event or command that caused this one. Left out: the event's own id; the event then has no cause. */
  readonly causationId?: string | undefined;
  /**
   * What the event is about, for instance "course:c1": at most 16, each of 1 to 128 bytes without control characters. Queries find
   * it by them. Order and duplicates are kept.
   */
  readonly tags?: readonly string[] | undefined;
  /** Free key/value pairs. */
  readonly metadata?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | undefined;
  /**
   * The data subject whose key encrypts `data`: 1 to 128 visible ASCII characters. Only for a client of `withKeys`; without one, the event
   * is refused with a TypeError.
   */
  readonly encryptFor?: string | undefined;
}

/**
 * A type of event of a program, and the value that the JSON in its data has:
 *
 *     type OrderEvent =
 *       | { type: 'OrderPlaced'; data: { total: number } }
 *       | { type: 'OrderPaid'; data: { by: 'card' | 'cash' } };
 *     for await (const event of client.readStream<OrderEvent>('order.1'))
 *       if (event.type === 'OrderPlaced') total += parseJson(event).total;
 *
 * The compiler believes it; nothing checks what is stored.
 */
export interface EventShape {
  readonly type: string;
  readonly data: unknown;
}

/** Only in types: the value of the JSON in the data of an event. */
declare const json: unique symbol;

/** What `parseJson` reads. */
export interface WithData<Value = unknown> extends Pick<EventFields, 'data'> {
  readonly [json]?: Value;
}

/** An event as the store keeps it, of one of these types. It never changes, except that its contents can be erased. */
export type RecordedEvent<E extends EventShape = EventShape> = E extends EventShape
  ? EventFields & WithData<E['data']> & { readonly type: E['type'] }
  : never;

interface EventFields extends CommitTime {
  readonly stream: string;
  /** 1-based number of the event within its stream, without gaps. */
  readonly version: bigint;
  /** The position of the event's commit in the whole store; all events of one commit share it. */
  readonly position: bigint;
  readonly id: string;
  readonly type: string;
  /** The payload, as text or bytes as it was written; undefined: the event has no payload. `parseJson` reads it as JSON. */
  readonly data: string | Uint8Array | undefined;
  /** As it was set; empty if it was left out. */
  readonly contentType: string;
  /** The event's own id if it was left out. */
  readonly correlationId: string;
  /** The event's own id if it was left out: the event has no cause. */
  readonly causationId: string;
  readonly tags: readonly string[];
  readonly metadata: ReadonlyMap<string, string>;
  /** With a client of `withKeys`: the data subject whose key `data` was encrypted by; undefined: it was not encrypted. */
  readonly encryptedFor?: string | undefined;
  /** True: the key of `encryptedFor` was forgotten, so that `data` is undefined for good. */
  readonly forgotten?: true | undefined;
  /** True: the contents were erased for good. `data` is undefined, and everything else that the caller had set is empty, except id and type. */
  readonly erased?: true | undefined;
}

/** Throws a TypeError or a RangeError for an event that cannot be sent. */
export function toProtoEvents(
  events: readonly NewEvent[],
  { recordTraceContext }: Pick<Channel, 'recordTraceContext'>,
): ProtoEvent[] {
  const protoEvents = events.map(toProtoEvent);
  if (!recordTraceContext) return protoEvents;
  const active = Object.entries(activeTraceContext());
  for (const { metadata } of protoEvents) {
    if (metadata.has('traceparent')) continue;
    for (const [key, value] of active) metadata.set(key, value);
  }
  return protoEvents;
}

function toProtoEvent(event: NewEvent): ProtoEvent {
  if (event.encryptFor !== undefined)
    throw new TypeError('encryptFor needs a client of withKeys: this client would send the payload as it is');
  const { id = '', type, contentType = '', correlationId = '', causationId = '', tags = [] } = event;
  const payload = toPayload(event.data);
  const metadata = toMap(event.metadata);
  return { id, type, payload, contentType, correlationId, causationId, tags: [...tags], metadata };
}

function toPayload(data: NewEvent['data']): ProtoEvent['payload'] {
  if (data === undefined) return undefined;
  if (typeof data === 'string') return { $case: 'text', value: data };
  return { $case: 'binary', value: Buffer.from(data.buffer, data.byteOffset, data.byteLength) };
}

function toMap(metadata: NewEvent['metadata']): Map<string, string> {
  if (metadata === undefined) return new Map();
  return new Map(Symbol.iterator in metadata ? metadata : Object.entries(metadata));
}

export function toRecordedEvent(event: ProtoRecordedEvent): RecordedEvent {
  const { stream, version, position, id, type, payload, contentType, correlationId, causationId } = event;
  const { commitTime, commitTimeNanos } = toCommitTime(event.commitTime ?? epoch);
  return {
    stream,
    version,
    position,
    commitTime,
    commitTimeNanos,
    id,
    type,
    data: payload?.value,
    contentType,
    correlationId,
    causationId,
    tags: event.tags,
    metadata: event.metadata,
    ...(event.erased && { erased: true }),
  };
}

/** Never used: every gateway sends the time. */
const epoch = { seconds: 0n, nanos: 0 };
