import {
  EventStoreServiceService,
  GetServerInfoResponse,
} from '../../generated/sluice/v1/event_store_service';
import { append, type AppendOptions, type AppendResult } from './append';
import {
  appendMulti,
  type AppendMultiOptions,
  type AppendMultiResult,
  type StreamAppend,
} from './append-multi';
import { appendSession, type AppendSession, type AppendSessionOptions } from './append-session';
import { unary } from './authorized-calls';
import type { CallOptions } from './calls';
import { openChannel, type ConnectOptions } from './channel';
import { consume, type ConsumeOptions } from './consume';
import type { EventShape, NewEvent } from './event';
import { getCommit, type FoundCommit } from './get-commit';
import { getVersion, type GetVersionOptions, type StreamHead } from './get-version';
import { groupsOf, type Groups } from './groups';
import type { EventHandler } from './handler';
import { listStreams, type ListStreamsOptions, type StreamSummary } from './list-streams';
import type { EventRead } from './read';
import { readAll, type AllRead, type ReadAllOptions } from './read-all';
import {
  readByCorrelation,
  type CorrelationHead,
  type ReadByCorrelationOptions,
} from './read-by-correlation';
import { readStream, type ReadStreamOptions } from './read-stream';
import { streamsOf, type Streams } from './streams';
import { subscribe, type SubscribeOptions, type Subscription } from './subscribe';

// The public API, with `connect` and `SluiceClient` below.
export { Durability, ReflectionMode } from '../../generated/sluice/v1/event_store_service';
export type { GetServerInfoResponse } from '../../generated/sluice/v1/event_store_service';
export type { AppendConditions, AppendOptions, AppendResult } from './append';
export type { AppendCondition } from './append-condition';
export type {
  AppendMultiOptions,
  AppendMultiResult,
  StreamAppend,
  StreamAppended,
  VersionCheck,
} from './append-multi';
export type { AppendSession, AppendSessionOptions } from './append-session';
export type { CallOptions } from './calls';
export type { ConnectOptions } from './channel';
export type { ConsumeOptions, JoinedGroup } from './consume';
export * from './errors';
export type { Cursor } from './cursor';
export type { ErasureSettings } from './erase';
export type { EventShape, NewEvent, RecordedEvent } from './event';
export type { EventQuery, QueryItem } from './event-query';
export type { FoundCommit } from './get-commit';
export type { GetVersionOptions, StreamHead } from './get-version';
export type {
  Group,
  GroupLane,
  GroupMember,
  GroupSettings,
  GroupStart,
  GroupState,
  StoredGroupSettings,
} from './group';
export type { GroupErrorCode } from './group-error-codes';
export type {
  CreateGroupOptions,
  ForceOptions,
  Groups,
  ListGroupsOptions,
  UpdateGroupOptions,
} from './groups';
export { ParkEvent, RetryEvent, SkipEvent, type EventHandler, type HandlerContext } from './handler';
export { jsonEvent, parseJson } from './json';
export type { ListStreamsOptions, StreamSummary } from './list-streams';
export type { WholeNumber } from './numbers';
export type { DropParkedOptions, ListParkedOptions, ParkedEvent, ParkedSelection } from './parked';
export type { EventRead, PageOptions, RangeOptions, ReadOptions } from './read';
export type { AllRead, EventFilter, ReadAllOptions, StoreHead } from './read-all';
export type { CorrelationHead, ReadByCorrelationOptions } from './read-by-correlation';
export type { ReadStreamOptions } from './read-stream';
export { withRetryOnCondition } from './retry-on-condition';
export { withRetryOnConflict, type RetryOnConflictOptions } from './retry-on-conflict';
export type { ErasedRange, Retention, RetentionSettings, StreamDescription } from './stream-description';
export type { StreamErrorCode } from './stream-error-codes';
export type { StreamState } from './stream-state';
export type { StreamChange, StreamChangeOptions } from './stream-change';
export type { Streams } from './streams';
export type { SubscribeOptions, Subscription } from './subscribe';
export type { CommitTime, Time } from './time';
export type { ClientTls } from './tls';
export type { Token } from './token';
export type { UnreadableMessage, UnreadableOptions } from './unreadable';

/**
 * A client of one gateway, or of several. It has one connection to each address, which carries all its calls; the first call
 * opens them, and when one is lost or goes silent the client connects again. The client retries appends, which is safe because of their commit
 * ids, and no other calls: see `appendAttemptsMax`.
 *
 * Calls fail with a `SluiceError`, or with the signal's reason if their signal aborts; arguments that cannot be sent fail with a
 * TypeError or a RangeError. Every call may fail with InvalidRequestError, UnavailableError, OverloadedError,
 * UnauthenticatedError, AccessDeniedError, QuotaExceededError, NotPermittedError, DeadlineExceededError, CancelledError and
 * InternalError; each method lists its other errors.
 */
export interface SluiceClient extends Disposable {
  /**
   * Appends events to a stream as one commit: all of them are stored, or none. Without events, nothing is stored;
   * `expectedVersion` is still checked, and the result has the current version. With `validateOnly`, everything is checked and nothing
   * is stored.
   *
   * Fails with VersionConflictError if the stream is not as expected, AppendConditionFailedError if an event was stored that the
   * condition rules out, ConditionContendedError if others have appended in each of 20 rounds, CommitIdReuseError if the commit id belongs to
   * another commit, StreamError with the code STREAM_TOMBSTONED if the stream takes no more events,
   * UnreadableCommitError if the stream's last message is not a commit, StoreFullError if the store is full,
   * StoreRefusedError if the configuration of the store forbids it, and OutcomeUnknownError, which has the commit id, if the
   * events may or may not be stored. After an abort by `signal` they also may or may not be stored: to find out, set your own
   * `commitId` and append again.
   */
  append(stream: string, events: readonly NewEvent[], options?: AppendOptions): Promise<AppendResult>;

  /**
   * Appends events to several streams in one transaction: all of them are stored, or none. Every stream must be at its expected
   * version. Fails like `append`; a VersionConflictError has all `conflicts`.
   *
   *     await client.appendMulti(
   *       [
   *         { stream: 'account.1', events: [withdrawn], expectedVersion: 7 },
   *         { stream: 'account.2', events: [deposited] },
   *       ],
   *       { checks: [{ stream: 'freeze.account.2', expectedVersion: 0 }] },
   *     );
   */
  appendMulti(appends: readonly StreamAppend[], options?: AppendMultiOptions): Promise<AppendMultiResult>;

  /**
   * Opens a session. Its appends do not wait for the responses to earlier ones, which is many times faster than one append after
   * the other. Throws the signal's reason if that has aborted, and a RangeError for a deadline that is not above 0. A session ends
   * when its token expires; open another one, and append again what has no result.
   */
  appendSession(options?: AppendSessionOptions): AppendSession;

  /**
   * Reads a stream as it is when the loop begins, from the first version that is not hidden. A stream that does not exist has
   * no events and is at version 0:
   *
   *     const read = client.readStream('order.1');
   *     for await (const event of read) state = apply(state, event);
   *     await client.append('order.1', decide(state), { expectedVersion: read.head.version });
   *
   * Throws a TypeError or a RangeError at once for options that cannot be sent. The loop may also fail with
   * UnreadableCommitError and IncompleteReadError.
   */
  readStream<E extends EventShape = EventShape>(
    stream: string,
    options?: ReadStreamOptions,
  ): EventRead<StreamHead, E>;

  /**
   * Reads all events with a correlation id, over all streams and in the order of their positions. The read includes every
   * append that was acknowledged before the loop begins, and is empty for an unknown id. Fails like `readStream`.
   */
  readByCorrelation<E extends EventShape = EventShape>(
    correlationId: string,
    options?: ReadByCorrelationOptions,
  ): EventRead<CorrelationHead, E>;

  /**
   * Reads the whole store, or the streams that match patterns, as it is when the loop begins, in the order of positions. Fails
   * like `readStream`. To read on after an unreadable commit, set `after` to its position, or use `onUnreadable`.
   */
  readAll<E extends EventShape = EventShape>(options?: ReadAllOptions): AllRead<E>;

  /**
   * Follows a stream, the streams that match patterns, or the whole store: first the stored events, then new ones.
   *
   *     const subscription = client.subscribe({ patterns: ['order.>'], after: await loadPosition() });
   *     for await (const event of subscription) await apply(event);
   *
   * The loop does not end by itself. It reconnects when a gateway or connection is lost, and gets each event once and in order.
   * To resume without gaps or duplicates after a restart of the process, save the event's position, stream and version in the
   * same transaction as the effect of the event; then pass them as `after`, with the same filters.
   *
   * Throws a TypeError or a RangeError at once for options that cannot be sent. The loop fails with InvalidRequestError,
   * UnreadableCommitError (to continue, set `after` to its position), UnauthenticatedError, AccessDeniedError, NotPermittedError,
   * or CancelledError when the client is closed. A token that expires does not end it, if the token comes from a function.
   */
  subscribe<E extends EventShape = EventShape>(options?: SubscribeOptions): Subscription<E>;

  /** Describes streams, and hides their events: all of them, or those before a version or an age. */
  readonly streams: Streams;

  /** Creates and changes consumer groups, and shows how far they are. */
  readonly groups: Groups;

  /**
   * Handles the events of a consumer group, which shares them among its members: each event goes to one of them, and those of a
   * stream come in order. It joins, and joins again whenever a gateway or a connection goes away, until `stop` aborts:
   *
   *     const stop = new AbortController();
   *     process.once('SIGTERM', () => stop.abort());
   *     await client.consume('emails', async (event) => send(event), { stop: stop.signal });
   *
   * Delivery is at least once: an event may come again after its handler has returned. A handler whose effect must not happen
   * twice stores the event's stream and version with the effect; docs/groups.md shows how.
   *
   * Throws a TypeError or a RangeError at once for options that cannot be sent. Otherwise it fails with a GroupError whose code is
   * GROUP_NOT_FOUND, GROUP_AHEAD_OF_STORE, GROUP_STATE_UNREADABLE, MEMBER_EXISTS or MEMBER_STALLED, InvalidRequestError, UnreadableCommitError,
   * UnauthenticatedError, AccessDeniedError, NotPermittedError, CancelledError when the client is closed, or with the reason of
   * `signal`. Handlers that are still running then learn it by the signal of their context.
   */
  consume<E extends EventShape = EventShape>(
    group: string,
    handler: EventHandler<E>,
    options?: ConsumeOptions,
  ): Promise<void>;

  /**
   * Lists streams in the byte order of their names. Streams that are created during the listing may or may not appear. Throws
   * a TypeError or a RangeError at once for options that cannot be sent.
   */
  listStreams(options?: ListStreamsOptions): AsyncIterable<StreamSummary>;

  /**
   * The version of a stream; 0 if there is no such stream. It includes every append that was acknowledged before the call. May
   * also fail with UnreadableCommitError.
   */
  getVersion(stream: string, options?: GetVersionOptions): Promise<StreamHead>;

  /**
   * The commit with an id: of an append, a transaction, or a change of a stream; undefined if it is not found on a stream that the caller
   * may read. It may be any commit that was acknowledged before the call. May also fail with UnreadableCommitError.
   */
  getCommit(commitId: string, options?: CallOptions): Promise<FoundCommit | undefined>;

  /**
   * The gateway's version, its limits, and the durability of an acknowledged append, as in the contract. Its information about the
   * store may be one second old.
   */
  serverInfo(options?: CallOptions): Promise<GetServerInfoResponse>;

  /**
   * Ends all subscriptions now, and the connection when the other calls that were sent have ended. Calls that were not sent yet
   * fail with UnavailableError, later ones with CancelledError.
   */
  close(): void;

  /** The same as `close`, for `using`. */
  [Symbol.dispose](): void;
}

const serverInfo = {
  method: { path: EventStoreServiceService.getServerInfo.path, response: GetServerInfoResponse },
  request: new Uint8Array(0),
};

/**
 * Returns a client of the gateway at `host:port`, at the Unix socket `unix:/path`, or at any other name that gRPC can resolve. With a
 * list, of several gateways of one store: calls go to them in turn, and to those that can be reached. It does not connect yet: the first
 * call does, and fails if no gateway can be reached. Throws an Error for a certificate, metadata or
 * token that is not valid, and a TypeError for a token that would leave this machine in plain text.
 */
export function connect(address: string | readonly string[], options: ConnectOptions = {}): SluiceClient {
  const channel = openChannel(address, options);
  return {
    append: (stream, events, appendOptions = {}) => append(channel, stream, events, appendOptions),
    appendMulti: (appends, multiOptions = {}) => appendMulti(channel, appends, multiOptions),
    appendSession: (sessionOptions = {}) => appendSession(channel, sessionOptions),
    readStream: (stream, readOptions = {}) => readStream(channel, stream, readOptions),
    readByCorrelation: (id, readOptions = {}) => readByCorrelation(channel, id, readOptions),
    readAll: (readOptions = {}) => readAll(channel, readOptions),
    subscribe: (subscribeOptions = {}) => subscribe(channel, subscribeOptions),
    streams: streamsOf(channel),
    groups: groupsOf(channel),
    consume: (group, handler, consumeOptions = {}) => consume(channel, group, handler, consumeOptions),
    listStreams: (listOptions = {}) => listStreams(channel, listOptions),
    getCommit: (commitId, options = {}) => getCommit(channel, commitId, options),
    getVersion: (stream, versionOptions = {}) => getVersion(channel, stream, versionOptions),
    serverInfo: (callOptions = {}) => unary(channel, serverInfo, callOptions),
    close: channel.close,
    [Symbol.dispose]: channel.close,
  };
}
