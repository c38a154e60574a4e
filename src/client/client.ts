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
import { unary, type CallOptions } from './calls';
import { openChannel, type ConnectOptions } from './channel';
import type { NewEvent } from './event';
import { getVersion, type GetVersionOptions, type StreamHead } from './get-version';
import { listStreams, type ListStreamsOptions, type StreamSummary } from './list-streams';
import type { EventRead } from './read';
import { readAll, type ReadAllOptions, type StoreHead } from './read-all';
import {
  readByCorrelation,
  type CorrelationHead,
  type ReadByCorrelationOptions,
} from './read-by-correlation';
import { readStream, type ReadStreamOptions } from './read-stream';
import { subscribe, type SubscribeOptions, type Subscription } from './subscribe';

// The public API, with `connect` and `SluiceClient` below.
export { Durability } from '../../generated/sluice/v1/event_store_service';
export type { GetServerInfoResponse } from '../../generated/sluice/v1/event_store_service';
export type { AppendConditions, AppendOptions, AppendResult } from './append';
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
export * from './errors';
export type { Cursor, EventCursor } from './cursor';
export type { NewEvent, RecordedEvent } from './event';
export type { GetVersionOptions, StreamHead } from './get-version';
export { jsonEvent, parseJson } from './json';
export type { ListStreamsOptions, StreamSummary } from './list-streams';
export type { WholeNumber } from './numbers';
export type { EventRead, PageOptions, RangeOptions, ReadOptions } from './read';
export type { EventFilter, ReadAllOptions, StoreHead } from './read-all';
export type { CorrelationHead, ReadByCorrelationOptions } from './read-by-correlation';
export type { ReadStreamOptions } from './read-stream';
export { withRetryOnConflict, type RetryOnConflictOptions } from './retry-on-conflict';
export type { SubscribeOptions, Subscription } from './subscribe';
export type { CommitTime, Time } from './time';
export type { ClientTls } from './tls';
export type { UnreadableMessage, UnreadableOptions } from './unreadable';

/**
 * A client of one gateway, or of several behind one address, over one connection that is made with the first call and
 * made anew when it is lost. It may carry any number of calls at the same time. It sends appends again, which their commit
 * ids make safe, and calls of no other kind: see `appendAttemptsMax`.
 *
 * Calls fail with a `SluiceError`, or with the signal's reason if their signal aborts; arguments that cannot be sent
 * fail with a TypeError or a RangeError. Every call may fail with InvalidRequestError, UnavailableError,
 * OverloadedError, NotPermittedError, DeadlineExceededError, CancelledError and InternalError; what else can happen is
 * said at the method.
 */
export interface SluiceClient extends Disposable {
  /**
   * Stores events at the end of a stream as one commit: all of them or none. Without events nothing is stored, the
   * check of `expectedVersion` still runs, and the current version is the result.
   *
   * Fails with VersionConflictError if the stream is not at `expectedVersion`, CommitIdReuseError if the commit id
   * belongs to another commit, UnreadableCommitError if the stream's last message is not a commit, StoreFullError if there is
   * no room, StoreRefusedError if somebody has set the store so that it takes none, and
   * OutcomeUnknownError, which carries the commit id, if the events may be stored or not. After an abort by `signal`
   * that is not known either: to find out, give a `commitId` of your own and append again.
   */
  append(stream: string, events: readonly NewEvent[], options?: AppendOptions): Promise<AppendResult>;

  /**
   * Stores events at the end of several streams in one step: all of them or none, if every stream is at the version that
   * is expected of it. Fails like `append`; a VersionConflictError has all `conflicts`.
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
   * Opens a session: appends that are sent without waiting for the answers to those before, which is many times faster
   * than one after the other. Throws the signal's reason if that has aborted, and a RangeError for a deadline that is none.
   */
  appendSession(options?: AppendSessionOptions): AppendSession;

  /**
   * Reads a stream as it is when the loop begins; one that does not exist has no events and is at version 0:
   *
   *     const read = client.readStream('order.1');
   *     for await (const event of read) state = apply(state, event);
   *     await client.append('order.1', decide(state), { expectedVersion: read.head.version });
   *
   * Throws a TypeError or a RangeError at once for options that cannot be sent. The loop may also fail with
   * UnreadableCommitError and IncompleteReadError.
   */
  readStream(stream: string, options?: ReadStreamOptions): EventRead<StreamHead>;

  /**
   * Reads all events with a correlation id over all streams, in the order of their positions; an unknown id has none.
   * Every append that was answered before the loop begins is seen. Fails like `readStream`.
   */
  readByCorrelation(correlationId: string, options?: ReadByCorrelationOptions): EventRead<CorrelationHead>;

  /**
   * Reads the whole store, or the streams that match patterns, in position order, as it is when the loop begins. Fails
   * like `readStream`; what lies beyond an unreadable commit can be read with `after` set to its position, or with
   * `onUnreadable`.
   */
  readAll(options?: ReadAllOptions): EventRead<StoreHead>;

  /**
   * Follows a stream, the streams that match patterns, or the whole store: first what is stored, then what is new.
   *
   *     const subscription = client.subscribe({ patterns: ['order.>'], after: await loadPosition() });
   *     for await (const event of subscription) await apply(event);
   *
   * The loop never ends by itself, and reconnects by itself: it hands over each event once and in order, whatever
   * gateways and connections do meanwhile. What is handed over once more after this process was restarted depends on
   * what it has kept: store the event's position, stream and version in the same transaction as what the event does, and
   * give them as `after`, with the same filters.
   *
   * Throws a TypeError or a RangeError at once for options that cannot be sent. The loop fails with InvalidRequestError,
   * UnreadableCommitError (`after` its position lies the next), NotPermittedError, or CancelledError when the client is
   * closed.
   */
  subscribe(options?: SubscribeOptions): Subscription;

  /**
   * Lists streams in byte order of their names. Streams that come into being meanwhile may or may not be listed. Throws
   * for options that cannot be sent like `readStream`.
   */
  listStreams(options?: ListStreamsOptions): AsyncIterable<StreamSummary>;

  /**
   * The version of a stream; 0 if there is no such stream. Every append that was answered before the call is seen. May
   * also fail with UnreadableCommitError.
   */
  getVersion(stream: string, options?: GetVersionOptions): Promise<StreamHead>;

  /**
   * What the gateway is, which limits are in force and how durable an answered append is, as in the contract. What it tells
   * of the store may be a second old.
   */
  serverInfo(options?: CallOptions): Promise<GetServerInfoResponse>;

  /**
   * Ends subscriptions, and the connection once the other calls that have been sent have ended. What has not been sent
   * fails with UnavailableError, later calls fail with CancelledError.
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
 * Gives a client for the gateway at `host:port`, or any other name that gRPC can resolve. It returns at once: whether
 * the gateway is there shows with the first call. Throws an Error for a certificate or metadata that cannot be used.
 */
export function connect(address: string, options: ConnectOptions = {}): SluiceClient {
  const channel = openChannel(address, options);
  return {
    append: (stream, events, appendOptions = {}) => append(channel, stream, events, appendOptions),
    appendMulti: (appends, multiOptions = {}) => appendMulti(channel, appends, multiOptions),
    appendSession: (sessionOptions = {}) => appendSession(channel, sessionOptions),
    readStream: (stream, readOptions = {}) => readStream(channel, stream, readOptions),
    readByCorrelation: (id, readOptions = {}) => readByCorrelation(channel, id, readOptions),
    readAll: (readOptions = {}) => readAll(channel, readOptions),
    subscribe: (subscribeOptions = {}) => subscribe(channel, subscribeOptions),
    listStreams: (listOptions = {}) => listStreams(channel, listOptions),
    getVersion: (stream, versionOptions = {}) => getVersion(channel, stream, versionOptions),
    serverInfo: (callOptions = {}) => unary(channel, serverInfo, callOptions),
    close: channel.close,
    [Symbol.dispose]: channel.close,
  };
}
