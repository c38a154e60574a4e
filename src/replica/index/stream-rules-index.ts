import type { Database } from 'lmdb';
import type { StreamRules } from '../../store/stream-rules';
import type { Position } from '../../store/values';
import { readRules, rulesBytes, writeRules } from '../segments/control-body';
import { writeUint64BE } from '../segments/uint64';
import { check, checksumBytes, integerKey, seal } from './index-keys';

/** What the newest control of a stream says. */
export interface StoredRules {
  readonly rules: StreamRules;
  /** Of that control. */
  readonly position: Position;
}

/**
 * What holds of each stream that ever had a control, by the name of the stream: `files.index.rules`. In LMDB, so that the memory does
 * not grow with the number of such streams. A lookup takes about as long as that of a head; a store without controls needs none:
 * `isEmpty` is a field. In one turn of the event loop, `rules.get` and `head` see the same state of the log.
 *
 * In the table of streams a control has an entry of the kind `control`: `head` and `nextStream` return it, `forward` and `backward`
 * pass over it. Among the records its kind is `control`, which `filterRecord` skips.
 */
export class StreamRulesIndex {
  /** Whether no stream of the store ever had a control, so that nothing is hidden. */
  isEmpty = true;

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

  /** Whether a stream may have rules; false: it has none. */
  mayHave(stream: string): boolean {
    return !this.isEmpty && stream !== '';
  }

  /** undefined: the stream never had a control. Throws DamagedReplicaError. */
  get(stream: string): StoredRules | undefined {
    if (!this.mayHave(stream)) return undefined;
    this.throwIfClosed();
    const key = Buffer.from(stream, 'latin1');
    const value = this.tables.rules.get(key);
    return value && toRules(key, value);
  }

  /** Each stream that has rules, by name. Throws DamagedReplicaError. */
  *all(): Generator<StoredRules & { readonly stream: string }, void> {
    this.throwIfClosed();
    for (const { key, value } of this.tables.rules.getRange({}))
      yield { stream: key.toString('latin1'), ...toRules(key, value) };
  }

  /** The streams of the controls after a position, in the order of the log; a stream may come more than once. */
  *streamsAfter(position: bigint): Generator<{ readonly stream: string; readonly position: bigint }, void> {
    if (this.isEmpty) return;
    this.throwIfClosed();
    for (const { key, value } of this.tables.controls.getRange({ start: integerKey(position + 1n) }))
      yield { stream: value.toString('latin1'), position: key.readBigUInt64BE(0) };
  }

  /** The position of the last control; 0: there is none. */
  get lastControl(): bigint {
    if (this.isEmpty) return 0n;
    this.throwIfClosed();
    for (const key of this.tables.controls.getKeys({ reverse: true, limit: 1 }))
      return key.readBigUInt64BE(0);
    return 0n;
  }

  /** Looks whether another process has stored rules. */
  refresh(): void {
    if (!this.isEmpty) return;
    for (const key of this.tables.rules.getKeys({ limit: 1 })) this.isEmpty = key.length === 0;
  }

  /** Checks all entries. Throws DamagedReplicaError. */
  checkEntries(): void {
    for (const { key, value } of this.tables.rules.getRange({})) toRules(key, value);
  }
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
