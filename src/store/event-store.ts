import type { AnyAppend } from './any-append';
import type { OrderSlot } from './append-order';
import type { CommitQuery, FoundCommit, StreamAppended } from './found-commit';
import type { ControlCommand, ControlResult } from './control-command';
import type { EventQuery } from './event-query';
import type { Expectation } from './expectation';
import type { NewEvent } from './new-event';
import type { StreamSelection } from './patterns';
import type { StoreInfo, UnreadableMessage } from './store-info';
import type { StreamDescription, StreamState } from './stream-rules';
import type { SubscriptionStart } from './subscription-start';
import type { Trace } from './trace';
import type { CommitId, Position, StreamName, UnixNanos, Version } from './values';

/** How long a call may take, and whether its caller still waits. */
export interface CallContext {
  /** Aborted when the caller has gone, or the deadline has passed. */
  readonly signal: AbortSignal;
  /** In milliseconds of `performance.now()`, which goes on when somebody sets the clock; Infinity if the caller set none. */
  readonly deadlineMs: number;
  /** The slot of an append in an order over several streams; undefined: the append is ordered on its stream alone. */
  readonly orderSlot?: OrderSlot | undefined;
  /** The principal to store beside a commit; undefined: none is stored. */
  readonly principal?: string | undefined;
  /** undefined: nobody collects traces. */
  readonly trace?: Trace | undefined;
}

/** What to append to one stream. */
export interface StreamAppend {
  readonly stream: StreamName;
  readonly events: readonly NewEvent[];
  /** undefined: any version will do. */
  readonly expected: Expectation | undefined;
  /** What the append fails with if it would create the stream; undefined: it may. What an earlier call has stored is found all the same. */
  readonly newStreamRefusal?: Error | undefined;
}

export interface AppendCommand extends StreamAppend, AnyAppend {
  /** Whether the result needs `commitTime`, which may cost one more request to the store. Absent: no. */
  readonly withCommitTime?: boolean;
}

/** The last commit of a stream, or zeroes and undefined for a stream that does not exist. */
export interface StreamHead {
  readonly version: Version;
  readonly position: Position;
  readonly commitTime: UnixNanos | undefined;
  /** What of the stream can be read now; undefined: all of it, since it never had a control, or does not exist. */
  readonly lifecycle?: Lifecycle | undefined;
}

/** What the controls of a stream leave of it. */
export interface Lifecycle {
  readonly state: StreamState;
  /** The first version that can be read; the version of the stream + 1 if none can. */
  readonly firstVersion: Version;
}

/** Without `withCommitTime`, `commitTime` may be undefined. */
export interface AppendResult extends StreamHead {
  /** 0 if there were no events. */
  readonly firstVersion: Version;
  readonly replayed: boolean;
  /** undefined if nothing was stored: there were no events, or they were only validated. */
  readonly commitId: CommitId | undefined;
}

/** What must hold of a stream that the transaction does not write. */
export interface VersionCheck {
  readonly stream: StreamName;
  readonly expected: Expectation;
}

/** No stream occurs twice, and every append has events. */
export interface AppendMultiCommand extends AnyAppend {
  readonly appends: readonly StreamAppend[];
  readonly checks: readonly VersionCheck[];
}

export interface AppendMultiResult {
  readonly position: Position;
  /** In the order of the command. */
  readonly streams: readonly StreamAppended[];
  readonly replayed: boolean;
  /** undefined if it was only validated. */
  readonly commitId: CommitId | undefined;
}

export interface ReadStreamQuery {
  readonly stream: StreamName;
  readonly direction: 'forward' | 'backward';
  /** Inclusive; 0: the natural beginning in this direction. */
  readonly fromVersion: Version;
  /** Inclusive; 0: no bound. */
  readonly toVersion: Version;
  /** Events after all filters; undefined: no bound. */
  readonly maxCount: bigint | undefined;
  /** Inclusive, by commit time. */
  readonly fromTime: UnixNanos | undefined;
  /** Inclusive, by commit time. */
  readonly toTime: UnixNanos | undefined;
  /** Empty: all types. */
  readonly eventTypes: ReadonlySet<string>;
  readonly consistency: 'leader' | 'anyReplica';
}

export interface CorrelationQuery extends Pick<StreamSelection, 'visible'> {
  readonly correlationId: string;
  /** Empty: all types. */
  readonly eventTypes: ReadonlySet<string>;
  /** undefined: no bound. */
  readonly maxCount: bigint | undefined;
  /** Messages that cannot be read are skipped and reported. */
  readonly skipUnreadable: boolean;
}

/** Which events of the whole store. */
export interface EventFilter extends StreamSelection {
  /** Events of these types, or whose types begin with one of the prefixes; both empty: all events. */
  readonly eventTypes: ReadonlySet<string>;
  readonly eventTypePrefixes: readonly string[];
  /** Of these, only events that it selects; undefined: all. */
  readonly query?: EventQuery | undefined;
}

/** Within a commit. */
export interface CommitOffset {
  readonly position: Position;
  /** This many of its events come before, of those that the same filters select and in the direction of the read. */
  readonly count: bigint;
}

export interface ReadAllQuery {
  readonly filter: EventFilter;
  readonly direction: 'forward' | 'backward';
  /** Exclusive; undefined: the natural beginning in this direction. */
  readonly afterPosition: Position | undefined;
  /** See `CommitOffset.count`; undefined: the whole commit at `afterPosition` is skipped. */
  readonly afterCount: bigint | undefined;
  /** Inclusive; 0: no bound. */
  readonly toPosition: Position;
  /** Events after all filters; undefined: no bound. No commit is split, so that the first may have more. */
  readonly maxCount: bigint | undefined;
  /** Inclusive, by commit time. */
  readonly fromTime: UnixNanos | undefined;
  /** Inclusive, by commit time. */
  readonly toTime: UnixNanos | undefined;
  /** Messages that cannot be read are skipped and reported. */
  readonly skipUnreadable: boolean;
  /** The store to which the positions belong; "": not checked. */
  readonly storeId: string;
}

export interface SubscribeQuery {
  readonly filter: EventFilter;
  readonly start: SubscriptionStart;
  /** Whether a start after the end is an error. */
  readonly startMustExist: boolean;
  /** undefined: no heartbeats. */
  readonly heartbeatMs: number | undefined;
  /** Messages that cannot be read are skipped and reported. */
  readonly skipUnreadable: boolean;
  /** The store to which the start belongs; "": not checked. */
  readonly storeId: string;
}

export interface ListStreamsQuery extends StreamSelection {
  /** Only names after this one in byte order; "" from the first. */
  readonly after: string;
  /** undefined: no bound. */
  readonly maxCount: bigint | undefined;
  /** Whether streams that were deleted or tombstoned are listed too. */
  readonly includeDeleted: boolean;
}

/** Selected events of one commit, or of several that follow one another, in the order of the read. */
export interface EventRun {
  /** Of the last commit. */
  readonly position: Position;
  /**
   * The events as they are sent: each RecordedEvent, with position and commit time, as length-delimited field 1, which is the
   * number of events in every response.
   */
  readonly events: Uint8Array;
  readonly eventCount: number;
  /** Free bytes after the events, in the same buffer: what follows can be written there. */
  readonly spareBytes?: number;
}

export type ReadEnd = 'complete' | 'maxCount';

/** A part of a read. Exactly the last page has `end`; it may be without events. */
export interface Page {
  readonly runs: readonly EventRun[];
  readonly end: ReadEnd | undefined;
  /** The messages that it skipped. */
  readonly unreadable?: readonly UnreadableMessage[];
}

/** The pages of a read; an array if all of them are there at once. */
export type Pages<P extends Page = Page> = AsyncIterable<P> | readonly P[];

/** A read under way. Leaving the loop over `pages` early ends the read and frees what it holds. */
export interface StreamRead {
  readonly head: StreamHead;
  readonly pages: Pages;
}

export interface CorrelationRead {
  /** The read is complete up to here. */
  readonly position: Position;
  readonly pages: Pages;
}

/** A page of a read of the whole store. */
export interface AllPage extends Page {
  /** Everything up to here, in the direction of the read, has been returned; the next read begins after it. */
  readonly position: Position;
}

export interface AllRead {
  /** The end of the store; the read is complete up to here. */
  readonly position: Position;
  /** "": the store has no id. */
  readonly storeId: string;
  readonly pages: AsyncIterable<AllPage>;
}

/**
 * An update of a subscription. `position`: everything up to here has been delivered; undefined until the rest of a commit within
 * which the subscription begins.
 */
export type SubscriptionUpdate = { readonly position: Position | undefined } & (
  | { readonly kind: 'events'; readonly runs: readonly EventRun[] }
  | { readonly kind: 'caughtUp' | 'fellBehind' }
  | {
      readonly kind: 'checkpoint';
      /** The messages that were skipped. */
      readonly unreadable?: readonly UnreadableMessage[];
      /** In the first update; "": the store has no id. */
      readonly storeId?: string;
    }
  | { readonly kind: 'heartbeat'; readonly head: Position }
);

export interface StreamSummary extends StreamHead {
  readonly stream: StreamName;
  /** The last message on the subject is not a commit; `version` is 0. */
  readonly unreadable: boolean;
}

/**
 * An event store. The in-memory model in test/support is the specification; JetStream is the implementation that is served.
 * Every method throws only `StoreError`s.
 */
export interface EventStore {
  /** Stores the events as one commit, or nothing. */
  append(command: AppendCommand, context: CallContext): Promise<AppendResult>;
  /** Stores the events of all streams atomically, or nothing. */
  appendMulti(command: AppendMultiCommand, context: CallContext): Promise<AppendMultiResult>;
  /** Hides events of a stream, bounds what can be read of it, or ends it. Throws StreamNotFoundError, too. */
  control(command: ControlCommand, context: CallContext): Promise<ControlResult>;
  /** What a stream is now. Throws StreamNotFoundError, too. */
  getStream(stream: StreamName, context: CallContext): Promise<StreamDescription>;
  /** Reads the stream as it is now. */
  readStream(query: ReadStreamQuery, context: CallContext): Promise<StreamRead>;
  /** The head of a stream now, or as of a time (inclusive). */
  getVersion(stream: StreamName, asOf: UnixNanos | undefined, context: CallContext): Promise<StreamHead>;
  /** The commit with an id; undefined: it is not found on a visible stream, or was removed from the log. */
  getCommit(query: CommitQuery, context: CallContext): Promise<FoundCommit | undefined>;
  /** All events with a correlation id, in position order. */
  readByCorrelation(query: CorrelationQuery, context: CallContext): Promise<CorrelationRead>;
  /** The whole store, or a part of it, as it is now, in position order. */
  readAll(query: ReadAllQuery, context: CallContext): Promise<AllRead>;
  /** Follows the store. Ends, without an error, only once `stop` is aborted. */
  subscribe(
    query: SubscribeQuery,
    context: CallContext,
    stop: AbortSignal,
  ): AsyncIterable<SubscriptionUpdate>;
  /** Names in byte order, in pages. */
  listStreams(query: ListStreamsQuery, context: CallContext): AsyncIterable<readonly StreamSummary[]>;
  info(context: CallContext): Promise<StoreInfo>;
}
