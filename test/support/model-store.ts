import { EventEmitter } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import { CommitRecord, RecordedEvent } from '../../generated/sluice/v1/event';
import { defaultLimits, type Limits } from '../../src/limits';
import {
  CancelledError,
  CommitIdReuseError,
  DeadlineExceededError,
  InvalidRequestError,
  VersionConflictError,
} from '../../src/store/errors';
import type {
  AppendCommand,
  AppendMultiCommand,
  AppendMultiResult,
  AppendResult,
  CallContext,
  CorrelationQuery,
  EventRun,
  EventStore,
  ListStreamsQuery,
  NewEvent,
  Page,
  ReadStreamQuery,
  StreamAppend,
  StreamHead,
  StreamSummary,
} from '../../src/store/event-store';
import type { Expectation } from '../../src/store/expectation';
import { traceContextKeys } from '../../src/store/trace';
import { uuidV7 } from '../../src/uuid';
import {
  position,
  unixNanos,
  version,
  type CommitId,
  type Position,
  type StreamName,
  type UnixNanos,
} from '../../src/store/values';
import { follow, modelStoreId, readAllOf } from './model-follow';

/** A commit in the model. */
export interface Commit {
  readonly id: CommitId;
  readonly stream: StreamName;
  readonly firstVersion: bigint;
  readonly lastVersion: bigint;
  readonly position: Position;
  readonly time: UnixNanos;
  /** Complete except `position` and `commitTime`. */
  readonly events: readonly RecordedEvent[];
}

export interface ModelOptions {
  readonly limits?: Limits;
  /** Nanoseconds since 1970; a clock that goes back is held. */
  readonly now?: () => bigint;
}

/** The bytes that framing and version add to an event at most. */
const framingBytesMax = 17;
const commitsPerPage = 64;
const namesPerPage = 64;

/**
 * An event store in memory: the specification of src/store/event-store.ts. All of it is one array of commits, in
 * position order, and every request is a search from end to end. It never forgets a commit id.
 */
export function createModelStore(options: ModelOptions = {}): EventStore {
  const limits = options.limits ?? defaultLimits;
  const now = options.now ?? (() => BigInt(Date.now()) * 1_000_000n);
  const log: Commit[] = [];
  const grown = new EventEmitter().setMaxListeners(0);
  return {
    append: (command, call) =>
      answer(call, () => {
        const result = append(log, command, limits, now);
        grown.emit('commit');
        return result;
      }),
    appendMulti: (command, call) =>
      answer(call, () => {
        const result = appendMulti(log, command, limits, now);
        grown.emit('commit');
        return result;
      }),
    control: () => Promise.reject(new Error('not built yet')),
    getStream: () => Promise.reject(new Error('not built yet')),
    readStream: (query, call) =>
      answer(call, () => {
        const commits = commitsOf(log, query.stream);
        return {
          head: headOf(commits.at(-1)),
          pages: pages(readCommits(commits, query), query.maxCount, call),
        };
      }),
    getVersion: (stream, asOf, call) =>
      answer(call, () =>
        headOf(commitsOf(log, stream).findLast(({ time }) => asOf === undefined || time <= asOf)),
      ),
    readByCorrelation: (query, call) =>
      answer(call, () => ({
        position: log.at(-1)?.position ?? position(0n),
        pages: pages(correlated(log, query), query.maxCount, call),
      })),
    readAll: (query, call) => answer(call, () => readAllOf(log, query, call)),
    subscribe: (query, call, stop) => follow(log, grown, query, call, stop),
    listStreams: (query, call) => listPages(log, query, call),
    info: (call) =>
      answer(call, () => ({
        name: 'EVENTS',
        storeId: modelStoreId,
        prefix: 'es',
        replicas: 1,
        natsVersion: '0.0.0',
        position: log.at(-1)?.position ?? position(0n),
        messageCount: BigInt(log.length),
        bytes: BigInt(log.reduce((sum, { events }) => sum + encode(events).length, 0)),
        eventBytesMax: limits.eventBytesMax,
        consumerCount: 0,
        replicaInfos: [{ name: 'model', leader: true, current: true, offline: false, lag: 0n }],
        bytesMax: 0n,
        fullBy: '',
        replica: {
          position: log.at(-1)?.position ?? position(0n),
          isFilled: true,
          troubleNow: '',
          troubleLately: '',
          bytes: 0n,
        },
        wrongSettings: [],
        log: { lostMessages: 0n, lostMessagesAccepted: 0n, mirrors: [], unreadable: [] },
      })),
  };
}

/** Answers, unless the call is aborted or its deadline has passed. */
function answer<T>(call: CallContext, request: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(inPlace(call, request));
  });
}

/** Of appends in order, no append is stored after one that failed. */
function inPlace<T>(call: CallContext, request: () => T): T {
  try {
    check(call);
    if (call.orderSlot?.isLost === true) throw new CancelledError('an append before it has failed');
    return request();
  } catch (error) {
    call.orderSlot?.fail();
    throw error;
  }
}

export function check({ signal, deadlineMs }: CallContext): void {
  if (performance.now() >= deadlineMs) throw new DeadlineExceededError('the deadline has passed');
  if (signal.aborted) throw new CancelledError('the caller has gone');
}

function commitsOf(log: readonly Commit[], stream: StreamName): Commit[] {
  return log.filter((commit) => commit.stream === stream);
}

function headOf(last: Commit | undefined): StreamHead {
  return {
    version: version(last?.lastVersion ?? 0n),
    position: last?.position ?? position(0n),
    commitTime: last?.time,
  };
}

/** Whether a stream at this version is as expected. */
function isMet(expected: Expectation, at: bigint): boolean {
  return expected === 'exists' ? at >= 1n : at === expected;
}

function append(log: Commit[], command: AppendCommand, limits: Limits, now: () => bigint): AppendResult {
  const { stream, events, expected, commitId } = command;
  const commits = commitsOf(log, stream);
  const head = headOf(commits.at(-1));
  const conflict = expected !== undefined && !isMet(expected, head.version);
  if (events.length === 0) {
    if (conflict) throw new VersionConflictError({ stream, expected, actual: head.version });
    return { ...head, firstVersion: version(0n), replayed: false, commitId: undefined };
  }
  checkSizes([command], limits);

  const known = log.find(({ id }) => id === commitId);
  const isRepetition =
    known?.stream === stream &&
    log.filter(({ id }) => id === commitId).length === 1 &&
    (expected === undefined || isMet(expected, known.firstVersion - 1n));
  if (isRepetition && hasSameContent(known, events)) return { ...resultOf(known), replayed: true };
  if (isRepetition) throw new CommitIdReuseError(known.id, known.stream, known.position);
  if (conflict) throw new VersionConflictError({ stream, expected, actual: head.version });
  if (known !== undefined) throw new CommitIdReuseError(known.id, known.stream, known.position);
  checkNewStreams(log, [command]);

  const [commit] = push(log, [command], commitId, now);
  return { ...resultOf(commit as Commit), replayed: false };
}

function checkNewStreams(log: Commit[], appends: readonly StreamAppend[]): void {
  for (const { stream, newStreamRefusal } of appends) {
    if (newStreamRefusal !== undefined && commitsOf(log, stream).length === 0) throw newStreamRefusal;
  }
}

/** Ids that the gateway filled in are not compared. */
function hasSameContent(commit: Commit, events: readonly NewEvent[]): boolean {
  const shown = (event: NewEvent | RecordedEvent, keepsId: boolean): unknown => {
    const { id, type, payload, contentType, correlationId, causationId, tags, metadata } = event;
    const others = [correlationId, causationId].map((other) => (other === id ? 'own' : other));
    const compared = [...metadata].filter(([key]) => !traceContextKeys.includes(key));
    return [keepsId ? id : '', ...others, type, payload, contentType, tags, new Map(compared)];
  };
  return (
    commit.events.length === events.length &&
    events.every((event, index) =>
      isDeepStrictEqual(
        shown(event, event.hasGivenId),
        shown(commit.events[index] as RecordedEvent, event.hasGivenId),
      ),
    )
  );
}

/** Stores the commits of one transaction at the end: they share id, position and time. */
function push(
  log: Commit[],
  appends: readonly StreamAppend[],
  commitId: CommitId | undefined,
  now: () => bigint,
): Commit[] {
  const previous = log.at(-1);
  const id = commitId ?? (uuidV7() as CommitId);
  const at = position((previous?.position ?? 0n) + 1n);
  const nowTime = now();
  const time = unixNanos(previous !== undefined && previous.time > nowTime ? previous.time : nowTime);
  const commits = appends.map(({ stream, events }): Commit => {
    const { version: before } = headOf(commitsOf(log, stream).at(-1));
    return {
      id,
      stream,
      firstVersion: before + 1n,
      lastVersion: before + BigInt(events.length),
      position: at,
      time,
      events: events.map((event, index) => recorded(stream, before + BigInt(index + 1), event)),
    };
  });
  log.push(...commits);
  return commits;
}

function appendMulti(
  log: Commit[],
  { appends, checks, commitId }: AppendMultiCommand,
  limits: Limits,
  now: () => bigint,
): AppendMultiResult {
  checkSizes(appends, limits);
  const known = log.filter(({ id }) => id === commitId);
  const isRepetition =
    known.length === appends.length &&
    appends.every(({ stream, events, expected }, index) => {
      const commit = known[index];
      return (
        commit?.stream === stream &&
        hasSameContent(commit, events) &&
        (expected === undefined || isMet(expected, commit.firstVersion - 1n))
      );
    });
  if (isRepetition) return multiResultOf(known, true);
  const conflicts = [...appends, ...checks].flatMap(({ stream, expected }) => {
    const { version: actual } = headOf(commitsOf(log, stream).at(-1));
    return expected === undefined || isMet(expected, actual) ? [] : [{ stream, expected, actual }];
  });
  const [first, ...others] = conflicts;
  if (first !== undefined) throw new VersionConflictError(first, others);
  const [owner] = known;
  if (owner !== undefined) throw new CommitIdReuseError(owner.id, owner.stream, owner.position);
  checkNewStreams(log, appends);
  return multiResultOf(push(log, appends, commitId, now), false);
}

function multiResultOf(commits: readonly Commit[], replayed: boolean): AppendMultiResult {
  const { position: at, id: commitId } = commits[0] as Commit;
  const streams = commits.map(({ stream, lastVersion, firstVersion }) => ({
    stream,
    version: version(lastVersion),
    firstVersion: version(firstVersion),
  }));
  return { position: at, streams, replayed, commitId };
}

function resultOf(commit: Commit): Omit<AppendResult, 'replayed'> {
  return {
    version: version(commit.lastVersion),
    firstVersion: version(commit.firstVersion),
    position: commit.position,
    commitTime: commit.time,
    commitId: commit.id,
  };
}

function checkSizes(appends: readonly StreamAppend[], { eventBytesMax, appendBytesMax }: Limits): void {
  const sizes = appends.flatMap(({ stream, events }) =>
    events.map((event) => RecordedEvent.encode(recorded(stream, 0n, event)).finish().length),
  );
  const violations = sizes.flatMap((size, index) =>
    size > eventBytesMax
      ? [
          {
            field: `events[${index}]`,
            description: `has ${size} bytes as stored, more than ${eventBytesMax}`,
          },
        ]
      : [],
  );
  const sum = sizes.reduce((total, size) => total + size + framingBytesMax, 0);
  if (sum > appendBytesMax) {
    violations.push({
      field: 'events',
      description: `have ${sum} bytes as stored, more than ${appendBytesMax}`,
    });
  }
  if (violations.length > 0) throw new InvalidRequestError(violations);
}

function recorded(stream: StreamName, number: bigint, event: NewEvent): RecordedEvent {
  return {
    id: event.id,
    stream,
    version: number,
    type: event.type,
    payload: event.payload as RecordedEvent['payload'],
    contentType: event.contentType,
    correlationId: event.correlationId,
    causationId: event.causationId,
    tags: [...event.tags],
    metadata: new Map(event.metadata),
    position: 0n,
    commitTime: undefined,
  };
}

/** The commits of one stream, reduced to the requested events, in the order of the read. */
function readCommits(commits: readonly Commit[], query: ReadStreamQuery): Commit[] {
  const { fromVersion, toVersion, fromTime, toTime, eventTypes } = query;
  const backward = query.direction === 'backward';
  const [lowest, highest] = backward ? [toVersion, fromVersion] : [fromVersion, toVersion];
  const chosen = commits
    .filter(
      ({ time }) => (fromTime === undefined || time >= fromTime) && (toTime === undefined || time <= toTime),
    )
    .map((commit) =>
      keep(
        commit,
        (event) =>
          event.version >= lowest &&
          (highest === 0n || event.version <= highest) &&
          (eventTypes.size === 0 || eventTypes.has(event.type)),
      ),
    );
  if (!backward) return chosen;
  return chosen.map((commit) => ({ ...commit, events: commit.events.toReversed() })).toReversed();
}

function correlated(
  log: readonly Commit[],
  { correlationId, eventTypes, visible = ['>'] }: CorrelationQuery,
): Commit[] {
  const isVisible = ({ stream }: Commit): boolean => visible.some((pattern) => matches(pattern, stream));
  return log
    .filter(isVisible)
    .map((commit) =>
      keep(
        commit,
        (event) =>
          event.correlationId === correlationId && (eventTypes.size === 0 || eventTypes.has(event.type)),
      ),
    );
}

export function keep(commit: Commit, wanted: (event: RecordedEvent) => boolean): Commit {
  return { ...commit, events: commit.events.filter(wanted) };
}

/** The first `maxCount` events of the commits, in pages; the last page says how the read ended. */
// eslint-disable-next-line @typescript-eslint/require-await -- an AsyncIterable without anything to wait for
async function* pages(
  commits: readonly Commit[],
  maxCount: bigint | undefined,
  call: CallContext,
): AsyncGenerator<Page, void> {
  const runs: EventRun[] = [];
  let left = maxCount === undefined ? Infinity : Number(maxCount);
  for (const commit of commits) {
    const events = commit.events.slice(0, left);
    left -= events.length;
    if (events.length === 0) continue;
    runs.push(toRun({ ...commit, events }));
  }
  const end = left === 0 ? 'maxCount' : 'complete';
  let from = 0;
  for (; from + commitsPerPage < runs.length; from += commitsPerPage) {
    check(call);
    yield { runs: runs.slice(from, from + commitsPerPage), end: undefined };
  }
  check(call);
  yield { runs: runs.slice(from), end };
}

/** The events as they are sent. */
export function toRun({ position: at, time, events }: Commit): EventRun {
  const commitTime = { seconds: time / 1_000_000_000n, nanos: Number(time % 1_000_000_000n) };
  const sent = events.map((event) => ({ ...event, position: at, commitTime }));
  return { position: at, events: encode(sent), eventCount: events.length };
}

function encode(events: readonly RecordedEvent[]): Uint8Array {
  return CommitRecord.encode({ events: [...events] }).finish();
}

// eslint-disable-next-line @typescript-eslint/require-await -- an AsyncIterable without anything to wait for
async function* listPages(
  log: readonly Commit[],
  { patterns, visible = ['>'], after, maxCount }: ListStreamsQuery,
  call: CallContext,
): AsyncGenerator<readonly StreamSummary[], void> {
  // Names are ASCII, so the order of sort() is byte order.
  const names = [...new Set(log.map(({ stream }) => stream))]
    .filter((name) => [patterns, visible].every((some) => some.some((pattern) => matches(pattern, name))))
    .filter((name) => name > after)
    .sort()
    .slice(0, maxCount === undefined ? undefined : Number(maxCount));
  for (let from = 0; from < names.length; from += namesPerPage) {
    check(call);
    yield names.slice(from, from + namesPerPage).map((stream) => {
      const head = headOf(commitsOf(log, stream).at(-1));
      return { stream, ...head, unreadable: false };
    });
  }
}

/** Whether a name matches a NATS pattern: `*` is one token, a final `>` one or more. */
export function matches(pattern: string, name: string): boolean {
  const wanted = pattern.split('.');
  const tokens = name.split('.');
  const isOpen = wanted.at(-1) === '>';
  if (isOpen ? tokens.length < wanted.length : tokens.length !== wanted.length) return false;
  return wanted.every(
    (token, index) => token === '*' || (token === '>' && isOpen) || token === tokens[index],
  );
}
