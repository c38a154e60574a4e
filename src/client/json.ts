import type { NewEvent, RecordedEvent } from './event';

const contentType = 'application/json';

/** An event with a value as JSON text. Throws a TypeError for a value that JSON cannot express, such as a bigint. */
export function jsonEvent(
  type: string,
  value: unknown,
  extra?: Omit<NewEvent, 'type' | 'data' | 'contentType'>,
): NewEvent {
  const data = JSON.stringify(value) as string | undefined;
  if (data === undefined) throw new TypeError(`JSON cannot express a value of type ${typeof value}`);
  return { ...extra, type, data, contentType };
}

/**
 * The value of an event whose data is JSON, as text or as UTF-8 bytes. Its shape is not checked. Throws a SyntaxError if the data
 * is missing or not JSON.
 */
export function parseJson({ data = '' }: Pick<RecordedEvent, 'data'>): unknown {
  return JSON.parse(typeof data === 'string' ? data : Buffer.from(data).toString());
}
