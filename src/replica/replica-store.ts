import type { EventStore, Pages } from '../store/event-store';
import { hashOf } from './index/id-hash';
import type { LogView } from '../store/log';
import { beginning, noVersion } from '../store/values';
import { commitsById } from './reads/commits-by-id';
import { firstMatch } from './reads/first-match';
import { describeStream } from './reads/describe-stream';
import { findCommit } from './reads/find-commit';
import { erasableRange } from './reads/erasable-range';
import { listStreams } from './reads/list-streams';
import { readAll } from './reads/read-all';
import { readByCorrelation } from './reads/read-by-correlation';
import { readStream } from './reads/read-stream';
import { headOf, readVersion } from './reads/stream-head';
import type { Replica } from './replica';
import { subscribe } from './subscriptions/subscribe';

/** Everything except appends and `info`. */
type Reads = Omit<EventStore, 'append' | 'appendMulti' | 'control' | 'info'>;

/** The reads of an event store, served from a replica, and the view of the log for appends. */
export function createReplicaStore(replica: Replica): { readonly reads: Reads; readonly view: LogView } {
  const translate = createTranslator(replica);
  return { reads: createReads(replica, translate), view: createView(replica, translate) };
}

function createReads(replica: Replica, { result, pages, read }: Translator): Reads {
  return {
    readStream: (query, call) => read(() => readStream(replica, query, call)),
    readByCorrelation: (query, call) => read(() => readByCorrelation(replica, query, call)),
    readAll: async (query, call) => {
      const found = await result(() => readAll(replica, query, call));
      return { ...found, pages: pages(found.pages) };
    },
    listStreams: (query, call) => pages(listStreams(replica, query, call)),
    subscribe: (query, call, stop) => subscribe(replica, query, call, stop),
    getStream: (stream, call) => result(() => describeStream(replica, stream, call)),
    getCommit: (query, call) => result(() => findCommit(replica, query, call)),
    getVersion: (stream, asOf, call) => result(() => readVersion(replica, stream, asOf, call)),
  };
}

function createView(replica: Replica, { result }: Translator): LogView {
  return {
    get isReady() {
      return replica.isReady;
    },
    get fillingSinceMs() {
      return replica.fillingSinceMs;
    },
    get isDoubted() {
      return replica.isDoubted;
    },
    get applied() {
      return replica.applied;
    },
    catchUp: (call) => replica.catchUp('leader', call),
    waitUntilApplied: (sequence, call) => replica.waitUntilApplied(sequence, call),
    async head(stream) {
      const { index } = replica.files;
      const entry = index.head(stream);
      const rules = index.rules.get(stream)?.rules;
      await result(() => headOf(replica, stream, entry));
      return { ...(entry ?? nothing), rules };
    },
    headSync(stream) {
      const { index } = replica.files;
      const entry = index.head(stream);
      if (entry === undefined || entry.kind === 'damage') return undefined;
      return entry.kind === 'commit' ? entry : { ...entry, rules: index.rules.get(stream)?.rules };
    },
    mayContain: (commitId) =>
      replica.mayContain(commitId) &&
      replica.files.index.locations('commit', hashOf(commitId), 0n, 1).length > 0,
    commitsById: (commitId, streams) => result(() => commitsById(replica.files, commitId, streams)),
    erasable: (stream, fromVersion, toVersion) =>
      erasableRange(replica.files.index, stream, { fromVersion, toVersion }),
    firstMatch: (query, range, call) => result(() => firstMatch(replica, query, range, call)),
    onAcknowledged(sequence) {
      replica.onAcknowledged(sequence);
    },
    fillingError: () => replica.fillingError(),
  };
}

/** Of a stream that does not exist. */
const nothing = { version: noVersion, sequence: beginning, position: beginning, timeNanos: 0n };

/** Turns the errors of reads into StoreErrors; damage begins a rebuild. */
interface Translator {
  readonly result: <T>(work: () => T | Promise<T>) => Promise<T>;
  readonly pages: <T>(pages: AsyncIterable<T>) => AsyncGenerator<T, void>;
  readonly read: <R extends { readonly pages: Pages }>(work: () => Promise<R>) => Promise<R>;
}

function createTranslator(replica: Replica): Translator {
  const result = async <T>(work: () => T | Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw replica.toStoreError(error);
    }
  };
  async function* translatedPages<T>(pages: AsyncIterable<T>): AsyncGenerator<T, void> {
    try {
      yield* pages;
    } catch (error) {
      throw replica.toStoreError(error);
    }
  }
  return {
    result,
    pages: translatedPages,
    read: async (work) => {
      const found = await result(work);
      const { pages } = found;
      return Symbol.asyncIterator in pages ? { ...found, pages: translatedPages(pages) } : found;
    },
  };
}
