import type { EventShape, NewEvent, WithData } from './event';

const contentType = 'application/json';

type Extra = Omit<NewEvent, 'type' | 'data' | 'contentType'>;
type JsonEvent<E extends EventShape> = E extends EventShape
  ? [type: E['type'], value: E['data'], extra?: Extra]
  : never;

/**
 * An event with a value as JSON text; `jsonEvent<OrderEvent>(...)` is one of these types. Throws a TypeError for a value that JSON cannot
 * express, such as a bigint.
 */
export function jsonEvent<E extends EventShape = EventShape>(
  ...[type, value, extra]: JsonEvent<E>
): NewEvent {
  const data = JSON.stringify(value) as string | undefined;
  if (data === undefined) throw new TypeError(`JSON cannot express a value of type ${typeof value}`);
  return { ...extra, type, data, contentType };
}

/**
 * The value of an event whose data is JSON, as text or as UTF-8 bytes. Its shape is not checked. Throws a SyntaxError if the data
 * is missing or not JSON.
 */
export function parseJson<Value = unknown>({ data = '' }: WithData<Value>): Value {
  return JSON.parse(typeof data === 'string' ? data : Buffer.from(data).toString()) as Value;
}
