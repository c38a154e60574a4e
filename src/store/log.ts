import { UnreadableCommitError } from './errors';
import type { CallContext } from './event-store';
import { position as toPosition } from './values';

/** A whole commit of the log. */
export interface LogCommit {
  readonly stream: string;
  readonly firstVersion: bigint;
  readonly lastVersion: bigint;
  /** The sequence of its last message. */
  readonly sequence: bigint;
  /** Of the transaction, if it belongs to one over several streams; else its own sequence. */
  readonly position: bigint;
  readonly timeNanos: bigint;
  readonly commitId: string;
  readonly inTransaction: boolean;
  /** Its transaction cannot be read whole: it is left out of what is read over all streams. */
  readonly isLeftOut: boolean;
  /** CommitRecord bytes. */
  readonly record: Uint8Array;
}

/**
 * What stands in the place of a commit: a message that cannot be read (`damage`), one that is not part of the store
 * (`outside`), or messages that are gone (`lost`), at the position of the last of them.
 */
export interface LogDamage {
  readonly kind: 'damage' | 'outside' | 'lost';
  /** The name of its stream, or whatever stands in its place; "" of what is lost. */
  readonly stream: string;
  readonly position: bigint;
  readonly timeNanos: bigint;
  /** Of damage, the version that its stream has by the headers, 0: they do not say; of what is lost, the first position. */
  readonly claimed: bigint;
  readonly reason: string;
}

export type LogEntry = LogCommit | LogDamage;

/** The end of the log, as its leader knows it. */
export interface LogEnd {
  readonly sequence: bigint;
  /** What tells this log from another one with the same name. */
  readonly identity: string;
  /** Messages up to the end that are gone. */
  readonly lost: bigint;
  /** Whether who says so cannot have been replaced by another leader without knowing it. */
  readonly isSure: boolean;
}

/** Why a log does not come any more when that is no matter of its own. */
export const lostConnection = 'the connection to NATS was lost';

/** A place in the log. */
export interface LogPlace {
  readonly sequence: bigint;
  /**
   * The last commit up to there. Nothing is given if another one is in its place: then what comes after it is of another log.
   * undefined: there is none, or whoever asks does not mind.
   */
  readonly last: { readonly sequence: bigint; readonly identity: string } | undefined;
}

/** Where entries of the log go. */
export interface LogSink {
  /**
   * Takes entries in order, those of one transaction together in a group. Nothing up to `through` comes any more. What it
   * returns is waited for before it is called again.
   */
  take(groups: readonly (readonly LogEntry[])[], through: bigint): Promise<void>;
  /** The log is followed. `hurry` is to be called when somebody begins to wait for what comes. */
  started(hurry: () => void): void;
  /** Whether somebody waits for what comes: if not, it may come a little later. */
  isAwaited(): boolean;
  /** All that there is has come, or more of it comes. */
  progressed(): void;
}

/** What is known to be wrong with a log. */
export interface LogFaults {
  /** Whether messages are lost that nobody has accepted to be. */
  readonly isCut: boolean;
  /** The error for a stream without messages in a log that has lost some; undefined: it is known to be empty. */
  doubtOf(stream: string): UnreadableCommitError | undefined;
  /** The error for what cannot be complete in a log that has lost messages. */
  missing(): UnreadableCommitError;
  /** A message was met that cannot be read. */
  noteUnreadable(error: UnreadableCommitError): void;
}

/** What a replica needs of the log. Every method throws only StoreErrors. */
export interface Log {
  /**
   * Whether nobody but this gateway writes to it, and it is known to be as it was: its end is what was acknowledged last, and
   * nobody has to be asked.
   */
  readonly isOwn: boolean;
  /** So often it was in doubt whether the log is what it was: a server that comes back, and another leader, may have less of it. */
  readonly doubts: number;
  /** Told whenever it is. */
  onDoubt(listener: () => void): void;
  readonly faults: LogFaults;
  /** The end, asked for after the call began; callers share requests. */
  end(call: CallContext): Promise<LogEnd>;
  /** What is stored at a sequence, told apart from anything else that could be; undefined: nothing. */
  identityAt(sequence: bigint, call: CallContext): Promise<string | undefined>;
  /** Gives the entries after a place to the sink until the signal is aborted or they do not come any more; says why. */
  follow(after: LogPlace, sink: LogSink, signal: AbortSignal): Promise<string>;
  /** Entries after a sequence, about so many bytes of them, and no further than to another sequence. */
  read(after: bigint, through: bigint, bytesMax: number): Promise<LogStretch>;
  /** What ends at a sequence. */
  entryAt(sequence: bigint): Promise<LogEntry>;
}

/** Some entries that follow one another, those of one transaction together in a group. */
export interface LogStretch {
  readonly groups: readonly (readonly LogEntry[])[];
  /** There are no others up to here. */
  readonly through: bigint;
}

export function isDamage(entry: LogEntry): entry is LogDamage {
  return 'reason' in entry;
}

/** What a reader is told who meets it. */
export function damageError({
  kind,
  stream,
  position,
  claimed,
  reason,
}: Omit<LogDamage, 'timeNanos'>): UnreadableCommitError {
  const at = toPosition(position);
  if (kind !== 'lost') return new UnreadableCommitError(stream, at, reason);
  const message = `the log has lost its messages from position ${claimed.toString()} to ${position.toString()}`;
  return new UnreadableCommitError('', at, reason, message);
}

/** Tells a commit from any other at its sequence. */
export function identityOf({
  stream,
  timeNanos,
  commitId,
}: Pick<LogCommit, 'stream' | 'timeNanos' | 'commitId'>): string {
  return `${stream} ${timeNanos.toString()} ${commitId}`;
}

/** A commit as a view of the log has it. */
export interface ViewedCommit extends Omit<LogCommit, 'record' | 'isLeftOut'> {
  /** Its events, each with position and commit time: the bytes of a CommitRecord. */
  readonly events: Uint8Array;
}

/** What appends ask of a view of the log, which may lag behind it; JetStream's own check decides. */
export interface LogView {
  /** Whether it has been filled and goes on: what it does not have up to `applied` is not in the log. */
  readonly ready: boolean;
  /** Since when it is not ready, in milliseconds since 1970; or when it was not, last. */
  readonly fillingSinceMs: number;
  /** Whether the log may not be what it was when the view was made, until that is found out: `reach` does so. */
  readonly isDoubted: boolean;
  /** All messages up to here are in it. */
  readonly applied: bigint;
  /** Comes up to the end of the log as of now. Throws StoreErrors. */
  reach(consistency: 'leader', call: CallContext): Promise<bigint>;
  /** Comes up to a sequence. Throws StoreErrors. */
  through(sequence: bigint, call: CallContext): Promise<void>;
  /** The newest commit of a stream. Throws UnreadableCommitError if it is none, or may be gone. */
  head(stream: string): Promise<ViewedHead>;
  /** The same if that can be told at once. */
  headNow(stream: string): ViewedHead | undefined;
  /** Whether a commit may have this id; false: none has. */
  mayHave(commitId: string): boolean;
  /** The commits that have a commit id, those of one transaction, in order. */
  commitsById(commitId: string): Promise<ViewedCommit[]>;
  /** Something was stored and acknowledged; whoever reads from now on sees it. */
  onAcknowledged(sequence: bigint): void;
  /** The error for what cannot be found out while it is not ready. */
  filling(): Error;
}

/** Zeroes of a stream that does not exist. */
export interface ViewedHead {
  readonly version: bigint;
  /** Of its last message. */
  readonly sequence: bigint;
  readonly position: bigint;
  readonly timeNanos: bigint;
}
