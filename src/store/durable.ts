import type { Limits } from '../limits';
import { leftToNats, type Durability } from './durability';
import { OutcomeUnknownError, isStoreError, type StoreError } from './errors';
import type { CallContext, EventStore } from './event-store';
import { during } from './trace';
import type { CommitId, Position, StreamName } from './values';

/**
 * Whether an error shows what the log has, a version for instance. Nothing that is shown may be taken back by a loss of power.
 */
const showsLog: Record<StoreError['code'], boolean> = {
  VERSION_CONFLICT: true,
  // The event that is shown comes from the replica.
  APPEND_CONDITION_FAILED: false,
  CONDITION_CONTENDED: false,
  COMMIT_ID_REUSE: true,
  INVALID_REQUEST: false,
  STORE_UNAVAILABLE: false,
  REPLICA_FILLING: false,
  OUTCOME_UNKNOWN: false,
  OVERLOADED: false,
  STORE_FULL: false,
  STORE_REFUSED: false,
  STORE_MISMATCH: false,
  UNREADABLE_COMMIT: false,
  STREAM_NOT_FOUND: false,
  STREAM_TOMBSTONED: true,
  VERSION_BEYOND_END: true,
  ERASE_SPLITS_COMMIT: true,
  STORE_IMMUTABLE: false,
  NOT_PERMITTED: false,
  DEADLINE_EXCEEDED: false,
  CANCELLED: false,
};

/**
 * The store, of which every result and every error waits until what it shows of the log is durable. Appends to one stream do not
 * wait for each other's sync: each waits here, after the next one has begun.
 *
 * Every method is listed, so that a new one is decided on here before it compiles.
 */
export function durable(store: EventStore, durability: Durability, limits: Timeout): EventStore {
  if (durability === leftToNats) return store; // nothing would wait
  const appends = new DurableAppends(durability, limits);
  return {
    append: (command, call) =>
      command.validateOnly === true
        ? appends.validated(store.append(command, call), call)
        : appends.run(store.append(command, call), command.stream, call),
    appendMulti: (command, call) =>
      command.validateOnly === true
        ? appends.validated(store.appendMulti(command, call), call)
        : appends.run(store.appendMulti(command, call), command.appends[0]?.stream, call),
    control: (command, call) => appends.run(store.control(command, call), command.stream, call),
    async info(call) {
      const info = await store.info(call);
      await durability.whenDurable(info.position, giveUpMs(call, limits));
      return info;
    },
    // The replica gets a commit only once it is durable (src/jetstream/follow/follow-log.ts), so these show nothing else.
    readStream: (query, call) => store.readStream(query, call),
    getStream: (stream, call) => store.getStream(stream, call),
    getVersion: (stream, asOf, call) => store.getVersion(stream, asOf, call),
    getCommit: (query, call) => store.getCommit(query, call),
    readByCorrelation: (query, call) => store.readByCorrelation(query, call),
    readAll: (query, call) => store.readAll(query, call),
    subscribe: (query, call, stop) => store.subscribe(query, call, stop),
    listStreams: (query, call) => store.listStreams(query, call),
  };
}

type Timeout = Pick<Limits, 'appendTimeoutMs'>;

/** How long a call waits from now on. */
function giveUpMs({ deadlineMs }: CallContext, { appendTimeoutMs }: Timeout): number {
  return Math.min(deadlineMs, performance.now() + appendTimeoutMs);
}

/** What every result of an append has. */
interface Appended {
  readonly position: Position;
  readonly commitId: CommitId | undefined;
}

class DurableAppends {
  private underWay = 0;

  constructor(
    private readonly durability: Durability,
    private readonly limits: Timeout,
  ) {}

  /** Of an append that stores nothing: what it shows of the log has no position of its own. */
  async validated<Result>(append: Promise<Result>, call: CallContext): Promise<Result> {
    const result = await append.catch((error: unknown) => this.refused(error, call));
    await this.durability.whenAllDurable(giveUpMs(call, this.limits));
    return result;
  }

  /** Not an async function, since every append runs through it. */
  run<Result extends Appended>(
    append: Promise<Result>,
    stream: StreamName | undefined,
    call: CallContext,
  ): Promise<Result> {
    const endsMs = giveUpMs(call, this.limits);
    this.underWay++;
    return append.then(
      (result) => {
        this.underWay--;
        const syncing = this.durability.whenDurable(result.position, endsMs, this.underWay > 0);
        if (syncing === undefined) return result;
        const { trace } = call;
        return (trace === undefined ? syncing : during(trace, 'sync', syncing)).then(
          () => result,
          (cause: unknown) => {
            throw failureOf(result, stream, cause);
          },
        );
      },
      (error: unknown) => {
        this.underWay--;
        return this.refused(error, call);
      },
    );
  }

  /** Throws the error, once what it shows of the log is durable. */
  private async refused(error: unknown, call: CallContext): Promise<never> {
    if (isStoreError(error) && showsLog[error.code])
      await this.durability.whenAllDurable(giveUpMs(call, this.limits));
    throw error;
  }
}

/** What it means for an append that its commit cannot be synced. Without events there is no commit. */
function failureOf({ commitId }: Appended, stream: StreamName | undefined, cause: unknown): unknown {
  if (commitId === undefined || stream === undefined) return cause;
  return new OutcomeUnknownError(stream, commitId, { cause });
}
