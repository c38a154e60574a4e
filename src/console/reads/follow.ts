import { CallError } from '../wire/call-error';
import { stream } from '../wire/connect';
import type { RecordedEvent, SubscribeRequest } from '../wire/messages';

/** What to follow; where to begin is added by the follower. */
export type Followed = Pick<SubscribeRequest, 'stream' | 'patterns' | 'eventTypes' | 'skipUnreadable'>;

/** How it goes. */
export type Following =
  | { readonly is: 'connecting' }
  | { readonly is: 'live' }
  | { readonly is: 'behind' }
  | { readonly is: 'waiting'; readonly reason: string }
  | { readonly is: 'failed'; readonly error: unknown };

export interface Listener {
  events(events: readonly RecordedEvent[]): void;
  state(state: Following): void;
}

const retryMinMs = 250;
const retryMaxMs = 5_000;

/** Where a subscription is: after this many events of the commit at this position, or after all of it. */
interface Place {
  readonly position: string;
  /** Undefined: the commit is complete. */
  readonly count: number | undefined;
}

/**
 * Follows the store until `signal` aborts. Every event comes once: when the connection breaks it goes on after the last event. A follower
 * that is stopped and started again goes on there as well.
 */
export class Follower {
  private place: Place | undefined;

  /** `afterVersion`, only of one stream: where to begin; undefined: with what comes now. */
  constructor(
    private readonly followed: Followed,
    private readonly afterVersion: string | undefined,
    private readonly listener: Listener,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    let waitMs = retryMinMs;
    // What `aborted` is changes while the loop waits.
    const hasEnded = (): boolean => signal.aborted;
    while (!hasEnded()) {
      this.listener.state({ is: 'connecting' });
      try {
        for await (const response of stream('EventStoreService/Subscribe', this.request(), signal)) {
          waitMs = retryMinMs;
          this.take(response);
        }
      } catch (error) {
        if (hasEnded()) return;
        if (!isPassing(error)) {
          this.listener.state({ is: 'failed', error });
          return;
        }
        this.listener.state({ is: 'waiting', reason: error.message });
      }
      await pause(waitMs, signal);
      waitMs = Math.min(2 * waitMs, retryMaxMs);
    }
  }

  private request(): SubscribeRequest {
    const { followed, place, afterVersion } = this;
    const start =
      place !== undefined
        ? { afterPosition: place.position, afterCount: place.count?.toString() }
        : afterVersion !== undefined
          ? { afterVersion }
          : { fromNow: true };
    return { ...followed, ...start, permittedOnly: followed.stream === undefined ? true : undefined };
  }

  private take(response: {
    readonly events?: RecordedEvent[] | undefined;
    readonly position?: string | undefined;
    readonly caughtUp?: object | undefined;
    readonly fellBehind?: object | undefined;
  }): void {
    const { events = [], position } = response;
    if (response.caughtUp !== undefined) this.listener.state({ is: 'live' });
    if (response.fellBehind !== undefined) this.listener.state({ is: 'behind' });
    for (const event of events) {
      const { position: at = '0' } = event;
      this.place = { position: at, count: this.place?.position === at ? (this.place.count ?? 0) + 1 : 1 };
    }
    if (position !== undefined) this.place = { position, count: undefined };
    if (events.length > 0) this.listener.events(events);
  }
}

/** Whether the same call may succeed later. */
function isPassing(error: unknown): error is CallError {
  return (
    error instanceof CallError && /^(unavailable|unreachable|canceled|HTTP status 50[234])$/.test(error.code)
  );
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
