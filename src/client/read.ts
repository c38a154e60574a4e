import type { RecordedEvent as ProtoRecordedEvent } from '../../generated/sluice/v1/event';
import {
  Direction,
  type PageHint,
  type ReadEnd,
  type UnreadableMessage as ProtoUnreadableMessage,
} from '../../generated/sluice/v1/event_store_service';
import { IncompleteReadError } from './errors';
import { toRecordedEvent, type RecordedEvent } from './event';
import type { Following } from './event-place';
import { toUint32 } from './numbers';
import { tellUnreadable, type UnreadableOptions } from './unreadable';

/**
 * Events, read as they are taken: each loop over it is a call of its own, which begins with the loop and ends when the
 * loop is left. A read is complete or it is an error: the loop ends by itself only after all events.
 */
export interface EventRead<Head> extends AsyncIterable<RecordedEvent> {
  /** What the read shows, once the first event is there or the loop has ended; before that an Error is thrown. */
  readonly head: Head;
}

/** How the events shall be packed into messages on their way. It changes nothing about which events are read. */
export interface PageOptions {
  /** At most this many events in one message. */
  readonly eventsMax?: number | undefined;
  /** At most about this many bytes of events in one message. */
  readonly bytesMax?: number | undefined;
}

export const directions = { forward: Direction.FORWARD, backward: Direction.BACKWARD };

export function toPageHint(page: PageOptions = {}): PageHint {
  const { eventsMax = 0, bytesMax = 0 } = page;
  return { eventsMax: toUint32(eventsMax, 'page.eventsMax'), bytesMax: toUint32(bytesMax, 'page.bytesMax') };
}

/** A response of a read: the first has the header, the last the end. */
interface ReadMessage<Header> {
  readonly events: readonly ProtoRecordedEvent[];
  readonly header: Header | undefined;
  readonly end: ReadEnd | undefined;
  /** Absent in a message that ends within a commit, and in all messages of reads that do not tell. */
  readonly position?: bigint | undefined;
  readonly unreadable?: readonly ProtoUnreadableMessage[];
}

/** A class, not an object with a getter of its own, which would keep what it has seen until the next full collection. */
export class Events<Header, Head> implements EventRead<Head> {
  private seen: { readonly head: Head } | undefined;

  /** `open` begins a call. What `toFollowing` makes for each of them says which events are handed over. */
  constructor(
    private readonly open: () => AsyncIterable<ReadMessage<Header>>,
    private readonly toHead: (header: Header) => Head,
    private readonly options: { readonly signal?: AbortSignal | undefined } & UnreadableOptions,
    private readonly toFollowing: () => Following = () => (events) => events,
  ) {}

  get head(): Head {
    if (this.seen === undefined) throw new Error('the head of a read is known when its first event is there');
    return this.seen.head;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RecordedEvent, void> {
    let begun = false;
    let count = 0;
    let end: ReadEnd | undefined;
    const following = this.toFollowing();
    for await (const message of this.open()) {
      if (message.header !== undefined) {
        this.seen = { head: this.toHead(message.header) };
        begun = true;
      }
      if (!begun) throw incomplete('it has no header');
      const endsCommit = message.position !== undefined || message.end !== undefined;
      for (const event of following(message.events, endsCommit)) {
        this.options.signal?.throwIfAborted();
        yield toRecordedEvent(event);
      }
      await tellUnreadable(this.options, message.unreadable ?? []);
      count += message.events.length;
      end = message.end;
    }
    if (end === undefined) throw incomplete(`it ended after ${count} events without saying so`);
    if (end.eventCount !== BigInt(count)) {
      throw incomplete(`${count} events came, ${end.eventCount.toString()} were announced`);
    }
  }
}

function incomplete(what: string): IncompleteReadError {
  return new IncompleteReadError(`the read is not complete: ${what}`, { status: 0 });
}
