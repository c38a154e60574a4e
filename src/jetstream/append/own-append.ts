import { eventId, eventTags, eventType, type EventSpan } from '../../protobuf/commit-record';
import type { QueryMatch } from '../../store/append-condition';
import { matchedItem, type EventQuery, type QueriedEvent } from '../../store/event-query';
import { position, type Sequence } from '../../store/values';
import type { Published } from './publisher';
import type { Transaction } from './transaction';

/** An append of this gateway that the view may not have yet. */
export class OwnAppend {
  /** Until then it is assumed to be stored. */
  isAnswered = false;
  /** Whether it is known to be stored where that was assumed. */
  isStored = false;
  /** Never rejects. */
  readonly settled: Promise<void>;
  private events: readonly SentEvent[] | undefined;

  constructor(
    readonly transaction: Transaction,
    /** Of its last message: its position. */
    readonly sequence: Sequence,
    answer: Promise<Published>,
  ) {
    const end = (published?: Published): void => {
      this.isAnswered = true;
      this.isStored = published?.kind === 'stored' && published.sequence === sequence;
    };
    this.settled = answer.then(end, () => {
      end();
    });
  }

  /** Its first event that a query selects. */
  match(query: EventQuery): QueryMatch | undefined {
    this.events ??= eventsOf(this.transaction);
    for (const event of this.events) {
      const item = matchedItem(query, event);
      if (item === undefined) continue;
      const { bytes } = event;
      return { item, position: position(this.sequence), eventId: eventId(bytes, spanOf(bytes)) };
    }
    return undefined;
  }
}

interface SentEvent extends QueriedEvent {
  readonly bytes: Uint8Array;
}

function eventsOf({ parts }: Transaction): SentEvent[] {
  const sent: SentEvent[] = [];
  for (const { events } of parts)
    for (const { bytes } of events) {
      const span = spanOf(bytes);
      sent.push({ bytes, type: eventType(bytes, span), tags: eventTags(bytes, span) });
    }
  return sent;
}

function spanOf({ length }: Uint8Array): EventSpan {
  return { frame: 0, start: 0, end: length };
}
