import type { EventShape, RecordedEvent } from './event';

/** What a handler gets beside an event. */
export interface HandlerContext {
  /** How often the event was tried, this time included. Attempts that ended with a member or its gateway do not count. */
  readonly attempt: number;
  /** True: the event may have been delivered before. */
  readonly redelivered: boolean;
  /** True: it comes from the list of parked events. */
  readonly replayed: boolean;
  /**
   * Aborted when what the handler does no longer counts: its time is over, another member gets the event, or the call has ended.
   * A handler that looks at it avoids work that is done twice.
   */
  readonly signal: AbortSignal;
  /** Begins the time again that the handler may take, `ackTimeoutMs` of the group. */
  readonly extend: () => void;
}

/**
 * Handles an event of a group. The event is done when the handler returns, or when its promise resolves. If it throws, the event is
 * retried; to park it, to skip it or to choose when it is retried, it throws a ParkEvent, a SkipEvent or a RetryEvent.
 */
export type EventHandler<E extends EventShape = EventShape> = (
  event: RecordedEvent<E>,
  context: HandlerContext,
) => void | Promise<void>;

/** Thrown by a handler: the event can never be handled, and is to be parked. */
export class ParkEvent extends Error {
  /** `reason` is for people: `listParked` shows it. */
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'ParkEvent';
  }
}

/** Thrown by a handler: the event does not matter. */
export class SkipEvent extends Error {
  constructor(reason = 'skipped') {
    super(reason);
    this.name = 'SkipEvent';
  }
}

/** Thrown by a handler: the event is to be retried, like after any other error, but after this time at least. */
export class RetryEvent extends Error {
  constructor(
    reason: string,
    /** Up to 3,600,000. */
    readonly delayMs: number,
    options?: ErrorOptions,
  ) {
    super(reason, options);
    this.name = 'RetryEvent';
  }
}
