import type { QueryMatch } from './append-condition';
import { UnreadableCommitError } from './errors';
import type { EventQuery } from './event-query';
import type { CallContext } from './event-store';
import type { StreamControl, StreamRules } from './stream-rules';
import {
  beginning,
  noVersion,
  position as toPosition,
  type Position,
  type Sequence,
  type Version,
} from './values';

/** A complete commit of the log. */
export interface LogCommit {
  readonly stream: string;
  readonly firstVersion: Version;
  readonly lastVersion: Version;
  /** The sequence of its last message. */
  readonly sequence: Sequence;
  /** The position of its transaction if it belongs to one, else its own sequence. */
  readonly position: Position;
  readonly timeNanos: bigint;
  readonly commitId: string;
  readonly inTransaction: boolean;
  /** Part of its transaction is lost or unreadable, so reads over all streams skip it. */
  readonly isTorn: boolean;
  /** CommitRecord bytes; of an erased commit, with a stub for each event: its id, stream, version, type, and `erased`. */
  readonly record: Uint8Array;
  /** Its contents were erased, and then removed from the log. Absent: they were not, or the log still has them. */
  readonly isErased?: true;
}

/** A control of a stream: a commit without events. It never belongs to a transaction. */
export interface LogControl {
  readonly kind: 'control';
  readonly stream: string;
  /** The version of the stream, which it leaves as it is. */
  readonly version: Version;
  readonly sequence: Sequence;
  /** The same number. */
  readonly position: Position;
  readonly timeNanos: bigint;
  readonly commitId: string;
  readonly control: StreamControl;
  /** What holds of the stream from then on. */
  readonly rules: StreamRules;
  /** The principal that asked for it, as the log has it; "": nobody is recorded. */
  readonly principal: string;
}

/** A message of the log that is not a readable commit. */
export interface UnreadableEntry {
  /** `foreign`: not written by Sluice. */
  readonly kind: 'unreadable' | 'foreign';
  /** The last part of its subject, for a foreign message; otherwise the name of its stream. */
  readonly stream: string;
  readonly position: Position;
  readonly timeNanos: bigint;
  /** The version of its stream according to its headers; 0 if they do not say. */
  readonly claimedVersion: Version;
  readonly reason: string;
}

/** Messages that the log no longer has. */
export interface LostEntry {
  readonly kind: 'lost';
  readonly stream: '';
  /** The first and the last of them. */
  readonly firstPosition: Position;
  readonly position: Position;
  readonly timeNanos: 0n;
  readonly reason: string;
  /** Whether they were removed on purpose. Absent: they were not. */
  readonly isRemoved?: boolean;
}

/** What the log has in place of a commit. */
export type LogDamage = UnreadableEntry | LostEntry;

export type LogEntry = LogCommit | LogControl | LogDamage;

/** The end of the log, according to its leader. */
export interface LogEnd {
  readonly sequence: Sequence;
  /** Distinguishes this log from another one with the same name. */
  readonly identity: string;
  /** How many messages up to the end are lost. */
  readonly lost: bigint;
  /** false: another server may have become the leader without this one knowing. */
  readonly isAuthoritative: boolean;
}

/** The reason that `Log.follow` gives when the cause is the connection, not the log. */
export const lostConnection = 'the connection to NATS was lost';

/** Where a reader of the log stands. */
export interface LogCursor {
  readonly sequence: Sequence;
  /**
   * The last commit up to the sequence. If the log has another commit there, it is another log, and `follow` ends without an
   * entry. undefined: there is no commit yet, or the reader accepts any.
   */
  readonly last: { readonly sequence: Sequence; readonly identity: string } | undefined;
}

/** Receives the entries of the log. */
export interface LogSink {
  /**
   * Receives entries in order; the entries of one transaction form a group. No later call has an entry up to `upTo`. Messages
   * that were removed on purpose, since nobody can read them, are left out without an entry; an erased commit has one. `removed`: how
   * many messages both are. The log waits for the promise before it calls again.
   */
  receive(groups: readonly (readonly LogEntry[])[], upTo: Sequence, removed: bigint): Promise<void>;
  /** The log is being followed. The sink calls `fetchNow` when a reader begins to wait for new entries. */
  onStarted(fetchNow: () => void): void;
  /** Whether a reader waits for new entries; if not, the log may fetch them a little later. */
  isAwaited(): boolean;
  /** The log was found to have no more entries, or has delivered some. */
  onProgress(): void;
}

/** The known faults of a log. */
export interface LogFaults {
  /** Whether the log has lost messages, and no operator has accepted the loss. */
  readonly isIncomplete: boolean;
  /** The error for a stream without messages if the log is incomplete; undefined: the stream is empty. */
  errorOfEmptyStream(stream: string): UnreadableCommitError | undefined;
  /** The error for a result that may miss lost messages. */
  incompleteError(): UnreadableCommitError;
  /** Records a message that cannot be read. */
  noteUnreadable(error: UnreadableCommitError): void;
}

/** The log as a replica uses it. Every method throws only StoreErrors. */
export interface Log {
  /**
   * Whether only this gateway writes to the log, and nothing has put its state in doubt. Then the log ends at the last
   * acknowledged commit, and the leader need not be asked.
   */
  readonly isSoleWriter: boolean;
  /**
   * How often the state of the log was put in doubt. A server that comes back, or a new leader, may have an earlier state
   * of it.
   */
  readonly doubts: number;
  /** Calls the listener each time `doubts` increases. */
  onDoubt(listener: () => void): void;
  readonly faults: LogFaults;
  /** The id of the store, as of the latest answer of the leader; "": the store has no id. */
  readonly storeId: string;
  /** The end of the log at a moment after the call; concurrent calls share one request. */
  end(call: CallContext): Promise<LogEnd>;
  /** The identity of the commit at a sequence; undefined: there is no commit. */
  identityAt(sequence: Sequence, call: CallContext): Promise<string | undefined>;
  /** Delivers the entries after a cursor until the signal aborts or the log stops delivering; returns the reason. */
  follow(after: LogCursor, sink: LogSink, signal: AbortSignal): Promise<string>;
  /** Reads entries after a sequence, up to and including another one, about `bytesMax` bytes at most. */
  read(after: Sequence, upTo: Sequence, bytesMax: number): Promise<LogSlice>;
  /** The entry whose last message has this sequence. */
  entryAt(sequence: Sequence): Promise<LogEntry>;
}

/** Consecutive entries of the log; the entries of one transaction form a group. */
export interface LogSlice {
  readonly groups: readonly (readonly LogEntry[])[];
  /** The slice has all entries up to here, inclusive. */
  readonly upTo: Sequence;
}

export function isDamage(entry: LogEntry): entry is LogDamage {
  return 'reason' in entry;
}

/** The version of its stream after a commit or a control. */
export function lastVersionOf(entry: LogCommit | LogControl): Version {
  return isControl(entry) ? entry.version : entry.lastVersion;
}

export function isControl(entry: LogEntry): entry is LogControl {
  return 'rules' in entry;
}

/** The error for a reader that needs this part of the log. */
export function damageError(damage: LogDamage): UnreadableCommitError {
  const { stream, reason } = damage;
  const at = toPosition(damage.position);
  if (damage.kind !== 'lost') return new UnreadableCommitError(stream, at, reason);
  const message = `the log has lost its messages from position ${damage.firstPosition.toString()} to ${at.toString()}`;
  return new UnreadableCommitError('', at, reason, message);
}

/** Distinguishes a commit from any other commit at its sequence. */
export function identityOf({
  stream,
  timeNanos,
  commitId,
}: Pick<LogCommit, 'stream' | 'timeNanos' | 'commitId'>): string {
  return `${stream} ${timeNanos.toString()} ${commitId}`;
}

/** A commit, or a control, as a view of the log holds it. */
export interface ViewedCommit extends Omit<LogCommit, 'record' | 'isTorn' | 'isErased'> {
  readonly firstVersion: Version;
  readonly lastVersion: Version;
  readonly sequence: Sequence;
  readonly position: Position;
  /** Its events, each with position and commit time: the bytes of a CommitRecord. Empty for a control. */
  readonly events: Uint8Array;
  /** What it asked for; undefined: it is not a control. The first version of a control is the one after the last. */
  readonly control?: StreamControl | undefined;
  /** Whether its events are stubs. Absent: they are not, as far as is known. */
  readonly isErased?: boolean | undefined;
  /** Whether it was removed from the log, so that its events are not known. Its stream is "" if it is not one of those asked for. */
  readonly isRemoved?: boolean | undefined;
}

/** A commit that was removed from the log, and of which nothing but its id is known. */
export function removedCommit(commitId: string, sequence: Sequence): ViewedCommit {
  return {
    stream: '',
    firstVersion: noVersion,
    lastVersion: noVersion,
    sequence,
    position: beginning,
    timeNanos: 0n,
    commitId,
    inTransaction: false,
    events: new Uint8Array(0),
    isRemoved: true,
  };
}

/** What a view has of a range of versions of a stream. */
export interface ErasableRange {
  /** The smallest range around it that splits no commit: the same one if it splits none. */
  readonly fromVersion: Version;
  readonly toVersion: Version;
  /** Whether all of its commits are erased, or gone. */
  readonly isErased: boolean;
}

/** Which events a query is compared with. */
export interface MatchRange {
  /** Only commits after this position, */
  readonly after: Position;
  /** up to this sequence, */
  readonly upTo: Sequence;
  /** and of this stream; undefined: of all. */
  readonly stream: string | undefined;
}

/** What appends look up in a view of the log. The view may lag behind the log; JetStream's own check decides. */
export interface LogView {
  /** Whether the view is filled and follows the log: what it does not have up to `applied` is not in the log. */
  readonly isReady: boolean;
  /** When the view last ceased to be ready, in milliseconds since 1970. */
  readonly fillingSinceMs: number;
  /** Whether the log may have changed since the view last compared itself with it; `catchUp` compares. */
  readonly isDoubted: boolean;
  /** The view has all messages up to here. */
  readonly applied: Sequence;
  /** Waits until the view has all that the log had when the call began; returns `applied`. Throws StoreErrors. */
  catchUp(call: CallContext): Promise<Sequence>;
  /** Waits until the view has all messages up to a sequence. Throws StoreErrors. */
  waitUntilApplied(sequence: Sequence, call: CallContext): Promise<void>;
  /** The newest commit of a stream. Throws UnreadableCommitError if it is unreadable or may be lost. */
  head(stream: string): Promise<ViewedHead>;
  /** The same, if it is known without a wait. */
  headSync(stream: string): ViewedHead | undefined;
  /** Whether a commit may have this id; false: no commit has it. */
  mayContain(commitId: string): boolean;
  /**
   * The commits that have a commit id, which are those of one transaction, in order. `streams`: where the caller expects them, since of
   * a commit that was removed from the log a view may know no more than that it had this id, on a stream that is named.
   */
  commitsById(commitId: string, streams: readonly string[]): Promise<ViewedCommit[]>;
  /** What an erasure of versions of a stream would erase. */
  erasable(stream: string, fromVersion: Version, toVersion: Version): ErasableRange;
  /** The first event within a range that a query selects. Throws StoreErrors, UnreadableCommitError among them. */
  firstMatch(query: EventQuery, range: MatchRange, call: CallContext): Promise<QueryMatch | undefined>;
  /** A commit was acknowledged: every later read must see it. */
  onAcknowledged(sequence: Sequence): void;
  /** The error for a request that needs the view while it is not ready. */
  fillingError(): Error;
}

/** The newest commit of a stream, controls included. All numbers are 0 for a stream that does not exist. */
export interface ViewedHead {
  readonly version: Version;
  /** What holds of the stream; undefined: it never had a control. */
  readonly rules?: StreamRules | undefined;
  /** The sequence of its last message. */
  readonly sequence: Sequence;
  readonly position: Position;
  readonly timeNanos: bigint;
}
