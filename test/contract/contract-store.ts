import type { Timestamp } from '../../generated/google/protobuf/timestamp';
import { CommitRecord, type DeepPartial, type RecordedEvent } from '../../generated/sluice/v1/event';
import {
  AppendMultiRequest,
  AppendRequest,
  ListStreamsRequest,
  ReadAllRequest,
  ReadByCorrelationRequest,
  ReadEndReason,
  ReadStreamRequest,
  SubscribeRequest,
  type AppendMultiResponse,
  type GetVersionResponse,
} from '../../generated/sluice/v1/event_store_service';
import { defaultLimits, type Limits } from '../../src/limits';
import { parseAppend } from '../../src/requests/append';
import { parseAppendMulti } from '../../src/requests/append-multi';
import { parseGetCommit } from '../../src/requests/get-commit';
import { parseGetVersion } from '../../src/requests/get-version';
import { parseListStreams } from '../../src/requests/list-streams';
import { parseReadAll } from '../../src/requests/read-all';
import { parseReadByCorrelation } from '../../src/requests/read-by-correlation';
import { parseReadStream } from '../../src/requests/read-stream';
import { parseSubscribe } from '../../src/requests/subscribe';
import {
  AppendConditionError,
  CancelledError,
  CommitIdReuseError,
  EraseSplitsCommitError,
  InvalidRequestError,
  StoreMismatchError,
  StreamNotFoundError,
  StreamTombstonedError,
  VersionBeyondEndError,
  VersionConflictError,
} from '../../src/store/errors';
import { isStoreError } from '../../src/store/errors';
import type {
  CallContext,
  EventRun,
  EventStore,
  Lifecycle,
  Page,
  Pages,
  StreamHead,
} from '../../src/store/event-store';
import type { RpcClient } from '../support/rpc-client';
import { RpcFailure } from '../support/rpc-failure';
import { directControls, lifecycleOf, rpcControls, rpcLifecycleOf, type Controls } from './controls';

/** An event store as the contract suite sees it: requests as on the wire, answers decoded. Fails with Problem. */
export interface ContractStore extends Controls {
  append(request: DeepPartial<AppendRequest>): Promise<Appended>;
  appendMulti(request: DeepPartial<AppendMultiRequest>): Promise<AppendMultiResponse>;
  read(request: DeepPartial<ReadStreamRequest>): Promise<HeadReading>;
  version(stream: string, asOf?: bigint): Promise<Head>;
  /** Position 0: it is not found. */
  commit(commitId: string): Promise<Located>;
  correlation(request: DeepPartial<ReadByCorrelationRequest>): Promise<CorrelationReading>;
  all(request: DeepPartial<ReadAllRequest>): Promise<AllReading>;
  /** The call begins with the first request for an update, and ends when the loop is left. */
  follow(request: DeepPartial<SubscribeRequest>): AsyncGenerator<Followed, void>;
  list(request: DeepPartial<ListStreamsRequest>): Promise<Listed[]>;
  /** Everything that names the store. */
  storeIds(): Promise<StoreIds>;
}

export interface StoreIds {
  readonly info: string;
  readonly read: string;
  /** As the first message has it. */
  readonly subscription: string | undefined;
}

/** What a subscription says. */
export interface Followed {
  readonly kind: 'events' | 'checkpoint' | 'heartbeat' | 'caughtUp' | 'fellBehind' | 'draining';
  /** Empty except for `events`. */
  readonly events: readonly StoredEvent[];
  readonly position: bigint | undefined;
}

export interface Head {
  readonly version: bigint;
  readonly position: bigint;
  /** Nanoseconds since 1970; undefined: none. */
  readonly commitTime: bigint | undefined;
  /** undefined: the stream does not exist, or all of it can be read. Absent from results of appends. */
  readonly lifecycle?: Lifecycle | undefined;
}

/** `commitTime` is undefined unless it was asked for. */
export interface Appended extends Head {
  readonly firstVersion: bigint;
  readonly replayed: boolean;
  readonly commitId: string;
}

export interface StoredEvent extends Omit<RecordedEvent, 'commitTime'> {
  readonly commitTime: bigint;
}

export interface HeadReading extends Head {
  readonly events: readonly StoredEvent[];
  readonly end: 'complete' | 'maxCount';
}

/** Where a commit is. */
export interface Located {
  readonly position: bigint;
  /** Nanoseconds since 1970; undefined: none. */
  readonly commitTime: bigint | undefined;
  readonly streams: readonly {
    readonly stream: string;
    readonly version: bigint;
    readonly firstVersion: bigint;
  }[];
}

export interface CorrelationReading {
  readonly position: bigint;
  readonly events: readonly StoredEvent[];
  readonly end: 'complete' | 'maxCount';
}

export interface AllReading extends CorrelationReading {
  /** Where to go on. */
  readonly resume: bigint;
}

export interface Listed extends Head {
  readonly stream: string;
  readonly unreadable: boolean;
  readonly hasControls: boolean;
}

/** An error of the store, the same however the store is reached. `data` has what the error carries. */
export class Problem extends Error {
  constructor(
    readonly reason: string,
    readonly data: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(reason, options);
  }
}

/** The problem with which a call fails, as plain data; fails itself if the call succeeds. */
export async function problemOf(call: Promise<unknown>): Promise<Readonly<Record<string, unknown>>> {
  const outcome: unknown = await call.then(
    () => new Error('the call succeeded'),
    (error: unknown) => error,
  );
  if (!(outcome instanceof Problem)) throw outcome;
  return { reason: outcome.reason, ...outcome.data };
}

/** Reaches an event store directly; `limits` are for the parsers, which a gateway runs. */
export function directContract(store: EventStore, limits: Limits = defaultLimits): ContractStore {
  const call = (): CallContext => ({
    signal: new AbortController().signal,
    deadlineMs: performance.now() + 30_000,
  });
  return {
    ...directControls(store, { call, run: direct, limits }),
    append: (request) =>
      direct(async () => {
        const command = parseAppend(AppendRequest.fromPartial(request), limits);
        const { commitTime, commitId = '', ...result } = await store.append(command, call());
        return { ...result, commitId, commitTime: command.withCommitTime === true ? commitTime : undefined };
      }),
    appendMulti: (request) =>
      direct(async () => {
        const command = parseAppendMulti(AppendMultiRequest.fromPartial(request), limits);
        const { streams, commitId, ...result } = await store.appendMulti(command, call());
        return { ...result, commitId: commitId ?? '', streams: [...streams] };
      }),
    read: (request) =>
      direct(async () => {
        const query = parseReadStream(ReadStreamRequest.fromPartial(request), limits);
        const { head, pages } = await store.readStream(query, call());
        return { ...comparable(head), ...(await collect(pages)) };
      }),
    version: (name, asOf) =>
      direct(async () => {
        const { stream, asOf: at } = parseGetVersion({ stream: name, asOf: timestamp(asOf) });
        return comparable(await store.getVersion(stream, at, call()));
      }),
    commit: (commitId) =>
      direct(async () => {
        const found = await store.getCommit(parseGetCommit({ commitId }), call());
        return found ?? { position: 0n, commitTime: undefined, streams: [] };
      }),
    correlation: (request) =>
      direct(async () => {
        const query = parseReadByCorrelation(ReadByCorrelationRequest.fromPartial(request), limits);
        const { position, pages } = await store.readByCorrelation(query, call());
        return { position, ...(await collect(pages)) };
      }),
    all: (request) =>
      direct(async () => {
        const query = parseReadAll(ReadAllRequest.fromPartial(request), limits);
        const { position, pages } = await store.readAll(query, call());
        let resume = 0n;
        const watched = async function* (): AsyncGenerator<Page, void> {
          for await (const page of pages) {
            resume = page.position;
            yield page;
          }
        };
        return { position, ...(await collect(watched())), resume };
      }),
    async *follow(request) {
      const cancel = new AbortController();
      const context = { signal: cancel.signal, deadlineMs: Infinity };
      try {
        const query = parseSubscribe(SubscribeRequest.fromPartial(request), limits);
        for await (const update of store.subscribe(query, context, new AbortController().signal)) {
          const { kind, position } = update;
          yield { kind, position, events: kind === 'events' ? eventsOf(update.runs) : [] };
        }
      } catch (error) {
        throw toProblem(error);
      } finally {
        cancel.abort(new CancelledError('left'));
      }
    },
    list: (request) =>
      direct(async () => {
        const query = parseListStreams(ListStreamsRequest.fromPartial(request));
        const listed: Listed[] = [];
        for await (const page of store.listStreams(query, call()))
          listed.push(
            ...page.map((one) => ({ ...comparable(one), hasControls: one.lifecycle !== undefined })),
          );
        return listed;
      }),
    async storeIds() {
      const info = await store.info(call());
      const read = await store.readAll(parseReadAll(ReadAllRequest.fromPartial({}), limits), call());
      const query = parseSubscribe(SubscribeRequest.fromPartial({}), limits);
      let subscription: string | undefined;
      for await (const update of store.subscribe(query, call(), new AbortController().signal)) {
        if (update.kind === 'checkpoint') subscription = update.storeId;
        break;
      }
      return { info: info.storeId, read: read.storeId, subscription };
    },
  };
}

function comparable<Head extends StreamHead>(head: Head): Head {
  return { ...head, lifecycle: lifecycleOf(head.version, head.lifecycle) };
}

async function collect(pages: Pages): Promise<Pick<HeadReading, 'events' | 'end'>> {
  const events: StoredEvent[] = [];
  let end: Page['end'];
  for await (const page of pages) {
    if (end !== undefined) throw new Error('a page came after the end');
    ({ end } = page);
    events.push(...eventsOf(page.runs));
  }
  if (end === undefined) throw new Error('the read has no end');
  return { events, end };
}

function eventsOf(runs: readonly EventRun[]): StoredEvent[] {
  return runs.flatMap(({ events, eventCount }) => {
    const decoded = CommitRecord.decode(events).events;
    if (decoded.length !== eventCount || eventCount === 0) throw new Error('wrong eventCount');
    return decoded.map(withNanos);
  });
}

async function direct<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toProblem(error);
  }
}

function toProblem(error: unknown): unknown {
  return isStoreError(error) ? new Problem(error.code, dataOf(error), { cause: error }) : error;
}

function dataOf(error: Error): Record<string, unknown> {
  if (error instanceof VersionConflictError) {
    const { stream, expected, actual, others } = error;
    const all = others.map((other) => ({ ...other }));
    return { stream, expected, actual, ...(all.length > 0 && { others: all }) };
  }
  if (error instanceof CommitIdReuseError) {
    const { commitId, stream, position } = error;
    return { commitId, stream, position };
  }
  if (error instanceof AppendConditionError) return { ...error.match };
  if (error instanceof StoreMismatchError) return { expected: error.expected, actual: error.actual };
  if (error instanceof StreamNotFoundError || error instanceof StreamTombstonedError)
    return { stream: error.stream };
  if (error instanceof VersionBeyondEndError) {
    const { stream, asked, actual } = error;
    return { stream, asked, actual };
  }
  if (error instanceof EraseSplitsCommitError) {
    const { stream, fromVersion, toVersion } = error;
    return { stream, fromVersion, toVersion };
  }
  if (error instanceof InvalidRequestError) return { fields: error.violations.map(({ field }) => field) };
  return {};
}

/** Reaches an event store over gRPC. */
export function rpcContract(client: RpcClient): ContractStore {
  return {
    ...rpcControls(client, overRpc),
    append: (request) =>
      overRpc(async () => {
        const { commitTime, ...result } = await client.append(request);
        return { ...result, commitTime: nanos(commitTime) };
      }),
    appendMulti: (request) => overRpc(() => client.appendMulti(request)),
    read: (request) =>
      overRpc(async () => {
        const { header, events, end } = await client.readStream(request);
        const { stream, ...head } = header;
        if (stream !== request.stream) throw new Error('the header names another stream');
        return {
          ...rpcHead(head),
          events: events.map(withNanos),
          end: endOf(end.reason),
        };
      }),
    version: (stream, asOf) =>
      overRpc(async () => rpcHead(await client.getVersion({ stream, asOf: timestamp(asOf) }))),
    commit: (commitId) =>
      overRpc(async () => {
        const { commitTime, ...found } = await client.getCommit({ commitId });
        return { ...found, commitTime: nanos(commitTime) };
      }),
    correlation: (request) =>
      overRpc(async () => {
        const { header, events, end } = await client.readByCorrelation(request);
        return { position: header.position, events: events.map(withNanos), end: endOf(end.reason) };
      }),
    all: (request) =>
      overRpc(async () => {
        const { header, events, end, position: resume } = await client.readAll(request);
        if (resume === undefined) throw new Error('the read has no position to go on from');
        return {
          position: header.position,
          events: events.map(withNanos),
          end: endOf(end.reason),
          resume,
        };
      }),
    async *follow(request) {
      try {
        for await (const { events, position, notice } of client.subscribe(request)) {
          yield { kind: notice?.$case ?? 'events', position, events: events.map(withNanos) };
        }
        throw new Error('a subscription ended with OK');
      } catch (error) {
        throw toRpcProblem(error);
      }
    },
    list: (request) =>
      overRpc(async () => {
        const streams = await client.listStreams(request);
        return streams.map(({ stream, unreadable, hasControls, ...head }) => ({
          ...{ stream, unreadable, hasControls },
          ...rpcHead(head),
        }));
      }),
    async storeIds() {
      const { store } = await client.serverInfo();
      const { header } = await client.readAll({});
      let subscription: string | undefined;
      for await (const message of client.subscribe({})) {
        subscription = message.storeId;
        break;
      }
      return { info: store?.storeId ?? '', read: header.storeId, subscription };
    },
  };
}

function rpcHead(head: GetVersionResponse): Head {
  const { version, position, commitTime } = head;
  return { version, position, commitTime: nanos(commitTime), lifecycle: rpcLifecycleOf(head) };
}

async function overRpc<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toRpcProblem(error);
  }
}

function toRpcProblem(error: unknown): unknown {
  if (!(error instanceof RpcFailure)) return error;
  return new Problem(error.reason ?? `status ${error.code}`, rpcDataOf(error), { cause: error });
}

const aboutStream = ['STREAM_NOT_FOUND', 'STREAM_TOMBSTONED', 'VERSION_BEYOND_END', 'ERASE_SPLITS_COMMIT'];

/** Numbers in the metadata of an error, by the names that the errors of the store give them. */
const numbersOf = {
  asked: 'asked',
  actual: 'actual',
  from_version: 'fromVersion',
  to_version: 'toVersion',
} as const;

function rpcDataOf(failure: RpcFailure): Record<string, unknown> {
  const conflict = failure.detail('sluice.v1.VersionConflict');
  if (conflict !== undefined) {
    const { conflicts = [], count = 1 } = failure.detail('sluice.v1.VersionConflicts') ?? {};
    const [first, ...others] = [conflict, ...conflicts.slice(1)].map(
      ({ stream, expectedVersion, mustExist, actualVersion: actual }) => {
        if (mustExist === (expectedVersion !== undefined)) throw new Error('one expectation is required');
        return { stream, expected: expectedVersion ?? 'exists', actual };
      },
    );
    if (others.length + 1 !== count) throw new Error('not all conflicts are reported');
    return { ...first, ...(others.length > 0 && { others }) };
  }
  const match = failure.detail('sluice.v1.AppendConditionFailed');
  if (match !== undefined) return { ...match };
  const mismatch = failure.detail('sluice.v1.StoreMismatch');
  if (mismatch !== undefined) return { expected: mismatch.expectedStoreId, actual: mismatch.actualStoreId };
  const bad = failure.detail('google.rpc.BadRequest');
  if (bad !== undefined) return { fields: bad.fieldViolations.map(({ field }) => field) };
  const reuse = failure.detail('sluice.v1.CommitIdReuse');
  if (reuse !== undefined) return { ...reuse };
  if (!aboutStream.includes(failure.reason ?? '')) return {};
  const metadata = failure.detail('google.rpc.ErrorInfo')?.metadata;
  const numbers = Object.entries(numbersOf).flatMap(([key, name]) => {
    const value = metadata?.get(key);
    return value === undefined ? [] : [[name, BigInt(value)] as const];
  });
  return { stream: metadata?.get('stream'), ...Object.fromEntries(numbers) };
}

function endOf(reason: ReadEndReason): 'complete' | 'maxCount' {
  if (reason === ReadEndReason.COMPLETE) return 'complete';
  if (reason === ReadEndReason.MAX_COUNT) return 'maxCount';
  throw new Error(`unknown reason ${reason}`);
}

/** An event with its commit time in nanoseconds since 1970. */
export function withNanos(event: RecordedEvent): StoredEvent {
  const commitTime = nanos(event.commitTime);
  if (commitTime === undefined) throw new Error(`event ${event.id} has no commit time`);
  return { ...event, commitTime };
}

export function nanos(time: Timestamp | undefined): bigint | undefined {
  return time && time.seconds * 1_000_000_000n + BigInt(time.nanos);
}

/** Nanoseconds since 1970 as the contract has them. */
export function timestamp(time: bigint): Timestamp;
export function timestamp(time: bigint | undefined): Timestamp | undefined;
export function timestamp(time: bigint | undefined): Timestamp | undefined {
  if (time === undefined) return undefined;
  return { seconds: time / 1_000_000_000n, nanos: Number(time % 1_000_000_000n) };
}
