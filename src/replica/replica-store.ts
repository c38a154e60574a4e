import type { EventStore, Pages, StreamHead } from '../store/event-store';
import type { LogView, ViewedCommit } from '../store/log';
import { hashOf } from '../store/hash';
import { fetchRecords } from './segments/fetch-records';
import { listStreams } from './reads/list-streams';
import { readAll } from './reads/read-all';
import { readByCorrelation } from './reads/read-by-correlation';
import { headAsOf, headOf, readStream, soundHead } from './reads/read-stream';
import {
  bodyOf,
  commitIdOf,
  errorOf,
  firstVersionOf,
  isInTransaction,
  nameOf,
  sequenceOf,
} from './segments/record';
import type { Replica } from './replica';
import type { StoredRecord } from './segments/record';
import { subscribe } from './subscriptions/subscribe';

/** Everything but appends. */
type Reads = Omit<EventStore, 'append' | 'appendMulti' | 'info'>;

/** What a replica answers: reads, and what appends ask. */
export function createReplicaStore(replica: Replica): { readonly reads: Reads; readonly view: LogView } {
  const translated = async <T>(work: () => T | Promise<T>): Promise<T> => {
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
  const withPages = async <R extends { readonly pages: Pages }>(work: () => Promise<R>): Promise<R> => {
    const read = await translated(work);
    const { pages } = read;
    return Symbol.asyncIterator in pages ? { ...read, pages: translatedPages(pages) } : read;
  };
  return {
    view: createView(replica, translated),
    reads: {
      readStream: (query, call) => withPages(() => readStream(replica, query, call)),
      readByCorrelation: (query, call) => withPages(() => readByCorrelation(replica, query, call)),
      readAll: async (query, call) => {
        const read = await translated(() => readAll(replica, query, call));
        return { ...read, pages: translatedPages(read.pages) };
      },
      listStreams: (query, call) => translatedPages(listStreams(replica, query, call)),
      subscribe: (query, call, stop) => subscribe(replica, query, call, stop),
      getVersion: (stream, asOf, call) =>
        translated(async (): Promise<StreamHead> => {
          await replica.catchUp('leader', call);
          if (asOf !== undefined) return headAsOf(replica, stream, asOf, call);
          const entry = replica.files.index.head(stream);
          return soundHead(entry) ?? headOf(replica, stream, entry);
        }),
    },
  };
}

function createView(replica: Replica, translated: <T>(work: () => T | Promise<T>) => Promise<T>): LogView {
  return {
    get isReady() {
      return replica.ready;
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
      const entry = replica.files.index.head(stream);
      await translated(() => headOf(replica, stream, entry));
      return entry ?? { version: 0n, sequence: 0n, position: 0n, timeNanos: 0n };
    },
    headSync(stream) {
      const entry = replica.files.index.head(stream);
      return entry === undefined || entry.count === 0 ? undefined : entry;
    },
    mayContain(commitId) {
      if (!replica.mayContain(commitId)) return false;
      return replica.files.index.locations('commit', hashOf(commitId), 0n, 1).length > 0;
    },
    async commitsById(commitId) {
      const { files } = replica;
      const located = files.index.locations('commit', hashOf(commitId));
      const records = await translated(() => fetchRecords(files, located));
      return records.map(toCommit).filter((commit) => commit.commitId === commitId);
    },
    onAcknowledged(sequence) {
      replica.onAcknowledged(sequence);
    },
    fillingError: () => replica.fillingError(),
  };
}

function toCommit({ bytes, header }: StoredRecord): ViewedCommit {
  if (header.kind !== 'commit') throw errorOf(bytes, header);
  const firstVersion = firstVersionOf(bytes, header);
  return {
    stream: nameOf(bytes, header),
    firstVersion,
    lastVersion: firstVersion + BigInt(header.count) - 1n,
    sequence: sequenceOf(bytes, header),
    position: header.position,
    timeNanos: header.timeNanos,
    commitId: commitIdOf(bytes, header),
    inTransaction: isInTransaction(bytes, header),
    events: bodyOf(bytes, header),
  };
}
