import type { RecordedEvent as ProtoRecordedEvent } from '../../generated/sluice/v1/event';
import {
  Direction,
  type PageHint,
  type ReadAllRequest,
  type ReadEnd,
  type UnreadableMessage as ProtoUnreadableMessage,
} from '../../generated/sluice/v1/event_store_service';
import type { CallOptions } from './calls';
import type { Cursor, MovingCursor } from './cursor';
import { IncompleteReadError } from './errors';
import { toRecordedEvent, type EventShape, type RecordedEvent } from './event';
import { toUint32, toUint64, type WholeNumber } from './numbers';
import { toTimestamp, type Time } from './time';
import { reportUnreadable, type UnreadableOptions } from './unreadable';

/**
 * The events of a read. Each loop over it makes a call, which begins with the loop and ends when the loop is left; events are
 * fetched as the loop consumes them. A read is complete or it fails: the loop ends by itself only after the last event.
 */
export interface EventRead<Head, E extends EventShape = EventShape> extends AsyncIterable<RecordedEvent<E>> {
  /** What the read covers. Throws an Error until the loop has its first event or has ended. */
  readonly head: Head;
}

/** How events are packed into messages. This does not change which events are read. */
export interface PageOptions {
  /** At most this many events in one message. */
  readonly eventsMax?: number | undefined;
  /** Approximately this many bytes of events in one message at most. */
  readonly bytesMax?: number | undefined;
}

/** The options of every read. */
export interface ReadOptions extends CallOptions {
  /** At most this many events, counted after all filters; 0: no limit. */
  readonly maxCount?: WholeNumber | undefined;
  /** Only events of these types; empty: all types. */
  readonly eventTypes?: readonly string[] | undefined;
  readonly page?: PageOptions | undefined;
}

/** The options of a read that can go both ways and be limited by time. */
export interface RangeOptions extends ReadOptions {
  /** Default: forward. */
  readonly direction?: 'forward' | 'backward' | undefined;
  /** Only commits at or after this time. */
  readonly fromTime?: Time | undefined;
  /** Only commits at or before this time. */
  readonly toTime?: Time | undefined;
}

const directions = { forward: Direction.FORWARD, backward: Direction.BACKWARD };

/** The fields of every read request. Throws TypeError and RangeError. */
export function toReadFields({
  maxCount = 0,
  eventTypes = [],
  page,
}: ReadOptions): Pick<ReadAllRequest, 'maxCount' | 'eventTypes' | 'page'> {
  return {
    maxCount: toUint64(maxCount, 'maxCount'),
    eventTypes: [...eventTypes],
    page: toPageHint(page),
  };
}

/** The fields of a read request with a range. Throws TypeError and RangeError. */
export function toRangeFields({
  direction = 'forward',
  fromTime,
  toTime,
  ...options
}: RangeOptions): ReturnType<typeof toReadFields> &
  Pick<ReadAllRequest, 'direction' | 'fromTime' | 'toTime'> {
  return {
    ...toReadFields(options),
    direction: directions[direction],
    fromTime: toTimestamp(fromTime, 'fromTime'),
    toTime: toTimestamp(toTime, 'toTime'),
  };
}

export function toPageHint(page: PageOptions = {}): PageHint {
  const { eventsMax = 0, bytesMax = 0 } = page;
  return { eventsMax: toUint32(eventsMax, 'page.eventsMax'), bytesMax: toUint32(bytesMax, 'page.bytesMax') };
}

/** A response of a read: the first has the header, the last has the end. */
interface ReadMessage<Header> {
  readonly events: readonly ProtoRecordedEvent[];
  readonly header: Header | undefined;
  readonly end: ReadEnd | undefined;
  /** Absent in a message that ends within a commit, and in all messages of reads without positions. */
  readonly position?: bigint | undefined;
  readonly unreadable?: readonly ProtoUnreadableMessage[];
}

/** A class: an object literal with a getter would hold its messages until the next full garbage collection. */
export class Events<Header, Head> implements EventRead<Head> {
  private known: { readonly head: Head } | undefined;

  /** `open` begins a call. `moving` goes with the loop, in a read that has positions. */
  constructor(
    private readonly open: () => AsyncIterable<ReadMessage<Header>>,
    private readonly toHead: (header: Header) => Head,
    private readonly options: { readonly signal?: AbortSignal | undefined } & UnreadableOptions,
    private readonly moving?: MovingCursor,
  ) {}

  get cursor(): Cursor | undefined {
    return this.moving?.text;
  }

  get head(): Head {
    if (this.known === undefined) {
      throw new Error('the head of a read is known when the loop has its first event or has ended');
    }
    return this.known.head;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RecordedEvent, void> {
    let begun = false;
    let count = 0;
    let end: ReadEnd | undefined;
    for await (const message of this.open()) {
      if (message.header !== undefined) {
        this.known = { head: this.toHead(message.header) };
        begun = true;
      }
      if (!begun) throw incomplete('it has no header');
      for (const event of message.events) {
        this.options.signal?.throwIfAborted();
        this.moving?.onEvent(event.position);
        yield toRecordedEvent(event);
      }
      await reportUnreadable(this.options, message.unreadable ?? []);
      this.moving?.onPosition(message.position);
      count += message.events.length;
      end = message.end;
    }
    if (end === undefined) throw incomplete(`it ended after ${count} events without its end message`);
    if (end.eventCount !== BigInt(count)) {
      throw incomplete(`${count} events arrived, ${end.eventCount.toString()} were announced`);
    }
  }
}

function incomplete(what: string): IncompleteReadError {
  return new IncompleteReadError({ message: `the read is not complete: ${what}`, status: 0 });
}
