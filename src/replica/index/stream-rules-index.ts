import type { Database } from 'lmdb';
import type { StreamRules } from '../../store/stream-rules';
import type { Position } from '../../store/values';
import { readRules, rulesBytes, writeRules } from '../segments/control-body';
import { writeUint64BE } from '../segments/uint64';
import { FirstVersions } from './first-versions';
import { check, checksumBytes, integerKey, seal } from './index-keys';

/** What the newest control of a stream says. */
export interface StoredRules {
  readonly rules: StreamRules;
  /** Of that control. */
  readonly position: Position;
}

/**
 * What holds of each stream that ever had a control, by the name of the stream: `files.index.rules`. In LMDB, so that the memory does
 * not grow with the number of such streams. A lookup takes about as long as that of a head; reads of a store without controls need
 * none: `isEmpty` is a field. In one turn of the event loop, `rules.get` and `head` see the same state of the log.
 *
 * In the table of streams a control has an entry of the kind `control`: `head` and `nextStream` return it, `forward` and `backward`
 * skip it. Among the records its kind is `control`, which `filterRecord` skips.
 */
export class StreamRulesIndex {
  /** Whether no stream of the store ever had a control, so that nothing is hidden. */
  isEmpty = true;
  private inMemory: FirstVersions | undefined;
  /** The controls up to here are in memory. */
  private upTo = 0n;
  private isBehind = false;

  /** `throwIfClosed`: LMDB would end the process. */
  constructor(
    private readonly tables: {
      /** By stream. */
      readonly rules: Database<Buffer, Buffer>;
      /** The streams of all controls, by position. */
      readonly controls: Database<Buffer, Buffer>;
    },
    private readonly throwIfClosed: () => void,
  ) {
    this.refresh();
  }

  /**
   * undefined: the stream never had a control. Looks also if `isEmpty`: appends must not take a tombstone that is in the index
   * already, and that `isEmpty` does not show yet, for a commit. Throws DamagedReplicaError.
   */
  get(stream: string): StoredRules | undefined {
    // LMDB has no empty keys.
    if (stream === '') return undefined;
    this.throwIfClosed();
    const key = Buffer.from(stream, 'latin1');
    const value = this.tables.rules.get(key);
    return value && toRules(key, value);
  }

  /** Each stream that has rules, by name, from a name on. Throws DamagedReplicaError. */
  *all(from = ''): Generator<StoredRules & { readonly stream: string }, void> {
    this.throwIfClosed();
    const range = from === '' ? {} : { start: Buffer.from(from, 'latin1') };
    for (const { key, value } of this.tables.rules.getRange(range))
      yield { stream: key.toString('latin1'), ...toRules(key, value) };
  }

  /** The streams of the controls after a position, in the order of the log; a stream may come more than once. Throws DamagedReplicaError. */
  *streamsAfter(position: bigint): Generator<{ readonly stream: string; readonly position: bigint }, void> {
    if (this.isEmpty) return;
    this.throwIfClosed();
    for (const { key, value } of this.tables.controls.getRange({ start: integerKey(position + 1n) }))
      yield { stream: toStream(key, value), position: key.readBigUInt64BE(0) };
  }

  /** The position of the last control; 0: no stream ever had one. */
  get lastControl(): bigint {
    if (this.isEmpty) return 0n;
    this.throwIfClosed();
    for (const key of this.tables.controls.getKeys({ reverse: true, limit: 1 }))
      return key.readBigUInt64BE(0);
    return 0n;
  }

  /** What the rules of all streams hide. They are read when they are first needed. Throws DamagedReplicaError. */
  firstVersions(): FirstVersions {
    if (this.inMemory !== undefined && !this.isBehind) return this.inMemory;
    const { upTo, lastControl } = this;
    const firstVersions = this.inMemory ?? new FirstVersions();
    if (this.inMemory === undefined)
      for (const { stream, rules } of this.all()) firstVersions.set(stream, rules);
    else
      for (const { stream } of this.streamsAfter(upTo)) {
        const stored = this.get(stream);
        if (stored !== undefined) firstVersions.set(stream, stored.rules);
      }
    [this.inMemory, this.upTo, this.isBehind] = [firstVersions, lastControl, false];
    return firstVersions;
  }

  /** The position of the last control that `firstVersions` has, which is called first. Throws DamagedReplicaError. */
  refreshedUpTo(): bigint {
    this.firstVersions();
    return this.upTo;
  }

  /** Rules may have been stored, by this process or another one. */
  refresh(): void {
    this.isBehind = true;
    if (!this.isEmpty) return;
    for (const key of this.tables.rules.getKeys({ limit: 1 })) this.isEmpty = key.length === 0;
  }

  /** Checks all entries. Throws DamagedReplicaError. */
  checkEntries(): void {
    for (const { key, value } of this.tables.rules.getRange({})) toRules(key, value);
    for (const { key, value } of this.tables.controls.getRange({})) toStream(key, value);
  }
}

/** The length of what is stored for a control. */
export function controlBytes(stream: string): number {
  return stream.length + checksumBytes;
}

/** Writes the value after its key, the position of the control, which begins at `keyAt`. */
export function writeControl(target: Buffer, keyAt: number, valueAt: number, stream: string): void {
  const end = valueAt + target.write(stream, valueAt, 'latin1');
  seal(target, keyAt, end + checksumBytes);
}

function toStream(key: Buffer, value: Buffer): string {
  check(key, value, value.length);
  return value.toString('latin1', 0, value.length - checksumBytes);
}

export const storedRulesBytes = rulesBytes + 8 + checksumBytes;

/** Writes the value after its key, the name of the stream, which begins at `keyAt`. */
export function writeStoredRules(
  target: Buffer,
  keyAt: number,
  valueAt: number,
  { rules, position }: StoredRules,
): void {
  writeRules(target, valueAt, rules);
  writeUint64BE(target, valueAt + rulesBytes, position);
  seal(target, keyAt, valueAt + storedRulesBytes);
}

function toRules(key: Buffer, value: Buffer): StoredRules {
  check(key, value, storedRulesBytes);
  return { rules: readRules(value, 0), position: value.readBigUInt64BE(rulesBytes) as Position };
}
