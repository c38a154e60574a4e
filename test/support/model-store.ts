import { EventEmitter } from 'node:events';
import { defaultLimits, type Limits } from '../../src/limits';
import { CancelledError } from '../../src/store/errors';
import type { CallContext, EventStore, StreamHead } from '../../src/store/event-store';
import type { FoundCommit } from '../../src/store/found-commit';
import { noVersion, position, version, type StreamName, type UnixNanos } from '../../src/store/values';
import { append, appendMulti } from './model-append';
import { control, described } from './model-control';
import { follow, modelStoreId, readAllOf } from './model-follow';
import { check, commitsOf, encode, headOf, matches, type Commit } from './model-log';
import { correlated, listPages, pages, readCommits } from './model-read';
import { headNow, lifecycleOf } from './model-rules';

export interface ModelOptions {
  readonly limits?: Limits;
  /** Nanoseconds since 1970; a clock that goes back is held. */
  readonly now?: () => bigint;
}

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
    control: (command, call) =>
      answer(call, () => {
        const result = control(log, command, now);
        grown.emit('commit');
        return result;
      }),
    getStream: (stream, call) => answer(call, () => described(log, stream, now)),
    readStream: (query, call) =>
      answer(call, () => ({
        head: headNow(log, query.stream, now),
        pages: pages(readCommits(log, query, now), query.maxCount, call),
      })),
    getVersion: (stream, asOf, call) =>
      answer(call, () => (asOf === undefined ? headNow(log, stream, now) : headAt(log, stream, asOf, now()))),
    getCommit: ({ commitId, visible = ['>'] }, call) =>
      answer(call, () => found(log.filter(({ id }) => id === commitId).filter(onStreams(visible)))),
    readByCorrelation: (query, call) =>
      answer(call, () => ({
        position: log.at(-1)?.position ?? position(0n),
        pages: pages(correlated(log, query, now), query.maxCount, call),
      })),
    readAll: (query, call) => answer(call, () => readAllOf(log, query, now, call)),
    subscribe: (query, call, stop) => follow({ log, grown, now }, query, call, stop),
    listStreams: (query, call) => listPages(log, query, now, call),
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
          eventsReceived: log.reduce((sum, { events }) => sum + events.length, 0),
          isFilled: true,
          troubleNow: '',
          troubleLately: '',
          bytes: 0n,
        },
        wrongSettings: [],
        log: {
          lostMessages: 0n,
          lostMessagesAccepted: 0n,
          mirrors: [],
          unreadable: [],
          immutable: false,
          removalTrouble: '',
        },
      })),
  };
}

function onStreams(patterns: readonly string[]): (commit: Commit) => boolean {
  return ({ stream }) => patterns.some((pattern) => matches(pattern, stream));
}

function found(commits: readonly Commit[]): FoundCommit | undefined {
  const [first] = commits;
  if (first === undefined) return undefined;
  const streams = commits.map(({ stream, firstVersion, lastVersion, control }) => ({
    stream,
    version: version(lastVersion),
    firstVersion: control === undefined ? version(firstVersion) : noVersion,
  }));
  return { position: first.position, commitTime: first.time, streams };
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

/** The head at a time, with what can be read of the stream now. */
function headAt(log: readonly Commit[], stream: StreamName, asOf: UnixNanos, now: bigint): StreamHead {
  const commits = commitsOf(log, stream);
  const last = commits.findLast(({ time }) => time <= asOf);
  return last === undefined ? headOf(last) : { ...headOf(last), lifecycle: lifecycleOf(commits, now) };
}
