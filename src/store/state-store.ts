import type { CallContext } from './event-store';

/** What the gateways of a store keep beside its log: small records, each changed only by who has seen its last value. */
export interface StateRecord {
  /** Tokens joined by ".", with the characters of a stream name. */
  readonly key: string;
  readonly value: Uint8Array;
  /** Higher after each change; of two records, the one with the higher revision was changed later. */
  readonly revision: bigint;
  /** By the clock of the store, in nanoseconds since 1970. */
  readonly timeNanos: bigint;
}

/** The record has changed or is gone since it was read. Code that changes records catches it: no caller sees it. */
export class StateChangedError extends Error {}

/** The records under a prefix as they change. */
export interface StateView {
  /** Every record, by key. In place once `watch` has resolved; usually some milliseconds behind the store. */
  readonly records: ReadonlyMap<string, StateRecord>;
  /**
   * Everything that the store had at this time of `performance.now()` is in `records`. While the store is reached, it is at most
   * some seconds ago. To wait for a record to change, use it in place of the clock: a view that stands still shows no change.
   */
  readonly verifiedMs: number;
  /** Called after each change of `records`; the listener of an earlier call is replaced. */
  onChange(listener: (keys: readonly string[]) => void): void;
  /** Ends when the view has failed for good, for instance because the store's user may not read. */
  readonly failed: Promise<Error>;
  close(): void;
}

/**
 * The state of the gateways. Every method throws only `StoreError`s and, where it says so, StateChangedError. A change of a record
 * under "group." is as durable as an append when it resolves; a loss of power can undo the last changes of others.
 */
export interface StateStore {
  /** The most bytes that a value may have now; Infinity: that is not known. It changes when the servers of the store are configured. */
  readonly valueBytesMax: number;
  /** The record as the leader of the store has it. */
  get(key: string, call: CallContext): Promise<StateRecord | undefined>;
  /**
   * The keys that match a pattern, in NATS notation, in any order; also of records that were removed within the last minutes.
   * For what may be many: a list has all values in memory.
   */
  keys(pattern: string, call: CallContext): Promise<readonly string[]>;
  /**
   * Calls `visit` with each record that matches a pattern, in any order, and again with those that change meanwhile. One that is
   * removed meanwhile may have been visited. For what may be many: none of them has to stay in memory.
   */
  scan(pattern: string, visit: (record: StateRecord) => void, call: CallContext): Promise<void>;
  /** All records whose keys begin with the prefix, which ends with ".", by key. */
  list(prefix: string, call: CallContext): Promise<readonly StateRecord[]>;
  /**
   * Stores a value, of at least one byte, if the revision of the record is still the given one; 0n: if there is no record. Resolves
   * with the new revision. Throws StateChangedError if the revision is another, also if this value was stored and has been changed
   * since. If an answer is lost, it finds out what became of the value. It throws StoreUnavailableError if it cannot find out
   * within the deadline of the call: then the value may be stored, even some seconds later.
   */
  put(key: string, value: Uint8Array, revision: bigint, call: CallContext): Promise<bigint>;
  /** Removes the record under the same condition and with the same errors; a record that does not exist is no error. */
  remove(key: string, revision: bigint, call: CallContext): Promise<void>;
  /** Follows the records whose keys match one of the patterns, in NATS notation. */
  watch(patterns: readonly string[], call: CallContext): Promise<StateView>;
}
