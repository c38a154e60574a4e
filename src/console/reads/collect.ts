import type { RecordedEvent } from '../wire/messages';

/** What a page takes of events at a time, payloads included: more would make the page slow and large. */
export const pageBytesMax = 8 << 20;

/** Events of one read. */
export interface Events<Header> {
  readonly events: readonly RecordedEvent[];
  readonly header: Header | undefined;
  /** `bytes`: the read was left because its events are large. `count`: there may be more. */
  readonly cut: 'no' | 'count' | 'bytes';
}

interface Response<Header> {
  readonly events?: readonly RecordedEvent[] | undefined;
  readonly header?: Header | undefined;
  readonly end?: { readonly reason?: string | undefined } | undefined;
}

/** Takes a read until it ends, or has more than `pageBytesMax`. */
export async function collect<Header>(read: AsyncIterable<Response<Header>>): Promise<Events<Header>> {
  const events: RecordedEvent[] = [];
  let header: Header | undefined;
  let bytes = 0;
  for await (const response of read) {
    header ??= response.header;
    for (const event of response.events ?? []) {
      events.push(event);
      bytes += sizeOf(event);
    }
    if (response.end !== undefined) {
      return { events, header, cut: response.end.reason === 'READ_END_REASON_MAX_COUNT' ? 'count' : 'no' };
    }
    if (bytes > pageBytesMax) break;
  }
  return { events, header, cut: 'bytes' };
}

/** Roughly the bytes of an event. */
export function sizeOf({ text, binary, metadata }: RecordedEvent): number {
  const pairs = Object.entries(metadata ?? {});
  return (
    (text ?? binary ?? '').length + pairs.reduce((sum, [key, value]) => sum + key.length + value.length, 300)
  );
}
