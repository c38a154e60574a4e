import { StoreRefusedError, StoreUnavailableError } from '../../src/store/errors';
import type { CallContext } from '../../src/store/event-store';
import { patternMatcher } from '../../src/store/patterns';
import {
  StateChangedError,
  type StateRecord,
  type StateStore,
  type StateView,
} from '../../src/store/state-store';

/** A StateStore as one gateway has it. */
export interface MemoryGateway extends StateStore {
  /** It does not reach the store: calls fail, and views stand still. */
  away: boolean;
  /** Its calls succeed, and its views stand still. */
  late: boolean;
  valueBytesMax: number;
}

/** The state of the gateways of a store in memory: the specification of src/store/state-store.ts. */
export class MemoryState {
  private readonly records = new Map<string, StateRecord>();
  private readonly views = new Set<MemoryView>();
  private revision = 0n;

  constructor(private readonly now: () => bigint = () => BigInt(Date.now()) * 1_000_000n) {}

  /** Another gateway of the same store. */
  gateway(): MemoryGateway {
    const flags = { away: false, late: false, valueBytesMax: Infinity };
    const answer = async <T>(call: CallContext, run: () => T): Promise<T> => {
      call.signal.throwIfAborted();
      await new Promise(setImmediate);
      if (flags.away) throw new StoreUnavailableError('the store is away');
      return run();
    };
    return Object.assign(flags, {
      get: (key, call) => answer(call, () => this.records.get(key)),
      keys: (pattern, call) => answer(call, () => [...this.records.keys()].filter(patternMatcher([pattern]))),
      scan: (pattern, visit, call) =>
        answer(call, () => {
          const matches = patternMatcher([pattern]);
          for (const record of [...this.records.values()]) if (matches(record.key)) visit(record);
        }),
      list: (prefix, call) => answer(call, () => this.list(prefix)),
      put: (key, value, revision, call) =>
        answer(call, () => {
          if (value.length > flags.valueBytesMax) throw new StoreRefusedError(`${key} is too large`, 0);
          return this.put(key, value, revision);
        }),
      remove: (key, revision, call) =>
        answer(call, () => {
          this.remove(key, revision);
        }),
      watch: (patterns, call) => answer(call, () => this.watch(patterns, flags)),
    } satisfies Omit<StateStore, 'valueBytesMax'>);
  }

  /** Changes a record as an operator can, whatever its revision is; undefined: removes it. */
  edit(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) this.records.delete(key);
    else this.store(key, value);
    this.changed(key);
  }

  private list(prefix: string): StateRecord[] {
    const found = [...this.records.values()].filter(({ key }) => key.startsWith(prefix));
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  private put(key: string, value: Uint8Array, revision: bigint): bigint {
    if (value.length === 0) throw new Error('a record has at least one byte');
    this.check(key, revision);
    const stored = this.store(key, Uint8Array.from(value));
    this.changed(key);
    return stored;
  }

  private store(key: string, value: Uint8Array): bigint {
    this.revision++;
    this.records.set(key, { key, value, revision: this.revision, timeNanos: this.now() });
    return this.revision;
  }

  private remove(key: string, revision: bigint): void {
    if (!this.records.has(key)) return;
    this.check(key, revision);
    this.records.delete(key);
    this.revision++;
    this.changed(key);
  }

  private check(key: string, revision: bigint): void {
    if ((this.records.get(key)?.revision ?? 0n) !== revision)
      throw new StateChangedError(`${key} has changed`);
  }

  private changed(key: string): void {
    for (const view of this.views) view.changed(key);
  }

  private watch(patterns: readonly string[], flags: Pick<MemoryGateway, 'away' | 'late'>): StateView {
    const view = new MemoryView(this.records, patterns, flags, () => this.views.delete(view));
    this.views.add(view);
    return view;
  }
}

const tickMs = 5;

/** Takes over what has changed at the end of the turn; after it stood still, a moment later. */
class MemoryView implements StateView {
  readonly records = new Map<string, StateRecord>();
  readonly failed = new Promise<Error>(() => undefined);
  private readonly matches: (key: string) => boolean;
  private readonly waiting = new Set<string>();
  private listener: (keys: readonly string[]) => void = () => undefined;
  private readonly timer: NodeJS.Timeout;
  private upToMs = performance.now();

  constructor(
    private readonly source: ReadonlyMap<string, StateRecord>,
    patterns: readonly string[],
    private readonly flags: Pick<MemoryGateway, 'away' | 'late'>,
    private readonly onClose: () => void,
  ) {
    this.matches = patternMatcher(patterns);
    for (const [key, record] of source) if (this.matches(key)) this.records.set(key, record);
    this.timer = setInterval(() => {
      this.take();
    }, tickMs).unref();
  }

  get verifiedMs(): number {
    this.take();
    return this.upToMs;
  }

  onChange(listener: (keys: readonly string[]) => void): void {
    this.listener = listener;
  }

  changed(key: string): void {
    if (!this.matches(key)) return;
    this.waiting.add(key);
    setImmediate(() => {
      this.take();
    });
  }

  close(): void {
    clearInterval(this.timer);
    this.onClose();
  }

  private take(): void {
    if (this.flags.away || this.flags.late) return;
    this.upToMs = performance.now();
    if (this.waiting.size === 0) return;
    const keys = [...this.waiting];
    this.waiting.clear();
    for (const key of keys) {
      const record = this.source.get(key);
      if (record === undefined) this.records.delete(key);
      else this.records.set(key, record);
    }
    this.listener(keys);
  }
}
