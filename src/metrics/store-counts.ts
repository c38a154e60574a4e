import { durationBounds, Histogram } from '../collections/histogram';
import type { Outcome } from '../store/outcome';
import type { CallObserver, EventMethod, ReadMethod } from '../store/observed';
import type { StreamControl } from '../store/stream-rules';

/** What the calls of a store were since the start. */
export class StoreCounts implements CallObserver {
  readonly appends = outcomes();
  readonly appendSeconds = new Histogram(durationBounds);
  storedEvents = 0;
  storedBytes = 0;
  replays = 0;
  readonly controls: Readonly<Record<StreamControl['kind'], Record<Outcome, number>>> = {
    truncate: outcomes(),
    retain: outcomes(),
    delete: outcomes(),
    tombstone: outcomes(),
    erase: outcomes(),
  };
  readonly reads: Readonly<Record<ReadMethod, Record<Outcome, number>>> = {
    append: outcomes(),
    appendMulti: outcomes(),
    readStream: outcomes(),
    readAll: outcomes(),
    readByCorrelation: outcomes(),
    listStreams: outcomes(),
    getVersion: outcomes(),
    getCommit: outcomes(),
    getStream: outcomes(),
    info: outcomes(),
    subscribe: outcomes(),
  };
  readonly events: Readonly<Record<EventMethod, { count: number; bytes: number }>> = {
    readStream: { count: 0, bytes: 0 },
    readAll: { count: 0, bytes: 0 },
    readByCorrelation: { count: 0, bytes: 0 },
    subscribe: { count: 0, bytes: 0 },
  };

  onAppend(outcome: Outcome, tookMs: number): void {
    this.appends[outcome]++;
    this.appendSeconds.observe(tookMs / 1_000);
  }

  onStored(events: number, bytes: number): void {
    this.storedEvents += events;
    this.storedBytes += bytes;
  }

  onReplay(): void {
    this.replays++;
  }

  onControl(kind: StreamControl['kind'], outcome: Outcome): void {
    this.controls[kind][outcome]++;
  }

  onRead(method: ReadMethod, outcome: Outcome): void {
    this.reads[method][outcome]++;
  }

  onEvents(method: EventMethod, count: number, bytes: number): void {
    const events = this.events[method];
    events.count += count;
    events.bytes += bytes;
  }
}

function outcomes(): Record<Outcome, number> {
  return {
    OK: 0,
    INVALID_REQUEST: 0,
    VERSION_CONFLICT: 0,
    APPEND_CONDITION_FAILED: 0,
    CONDITION_CONTENDED: 0,
    COMMIT_ID_REUSE: 0,
    STORE_UNAVAILABLE: 0,
    REPLICA_FILLING: 0,
    OUTCOME_UNKNOWN: 0,
    OVERLOADED: 0,
    STORE_FULL: 0,
    STORE_REFUSED: 0,
    STORE_MISMATCH: 0,
    UNREADABLE_COMMIT: 0,
    STREAM_NOT_FOUND: 0,
    STREAM_TOMBSTONED: 0,
    VERSION_BEYOND_END: 0,
    ERASE_SPLITS_COMMIT: 0,
    STORE_IMMUTABLE: 0,
    NOT_PERMITTED: 0,
    DEADLINE_EXCEEDED: 0,
    CANCELLED: 0,
    UNAUTHENTICATED: 0,
    ACCESS_DENIED: 0,
    QUOTA_EXCEEDED: 0,
    INTERNAL: 0,
  };
}
