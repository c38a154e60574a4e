import { setTimeout as sleep } from 'node:timers/promises';
import {
  NotPermittedError,
  StoreRefusedError,
  StoreUnavailableError,
  isStoreError,
} from '../../store/errors';
import type { StateRecord, StateView } from '../../store/state-store';
import { toSequence, type StoredMessage } from '../nats/message';
import type { StreamInfo } from '../nats/api';
import { isRefused, toStoreError } from '../nats/errors';
import { followRecords, type Selection } from './follow-records';
import { listKeys } from './list-records';
import { keyOf, recordIn } from './state-access';
import type { StateStream } from './state-stream';

const retryMs = 250;
/** How often it looks for a stream that does not exist. */
const absentMs = 1_000;
/** How often it looks whether somebody has deleted messages by hand, of which a consumer says nothing. */
const listMs = 15_000;

/** The records under patterns, followed until it is closed. */
export class RecordsView implements StateView {
  readonly records = new Map<string, StateRecord>();
  readonly failed: Promise<Error>;
  /** Resolves when the records are there for the first time. Rejects when the view fails before. */
  readonly ready: Promise<void>;
  verifiedMs = -Infinity;
  /** Why the last attempt to follow the records has ended. */
  obstacle: unknown;
  private fail: (error: Error) => void = () => undefined;
  private beReady: () => void = () => undefined;
  private listener: (keys: readonly string[]) => void = () => undefined;
  private readonly changed = new Set<string>();
  private readonly stop = new AbortController();
  private listedMs = performance.now();

  constructor(
    private readonly selection: Selection,
    private readonly state: StateStream,
    private readonly onClose: () => void,
  ) {
    this.failed = new Promise((resolve) => (this.fail = resolve));
    this.ready = new Promise((resolve, reject) => {
      this.beReady = resolve;
      void this.failed.then(reject);
    });
    this.ready.catch(() => undefined);
    void this.run();
  }

  onChange(listener: (keys: readonly string[]) => void): void {
    this.listener = listener;
  }

  close(): void {
    this.stop.abort();
    this.listener = () => undefined;
    this.onClose();
  }

  private async run(): Promise<void> {
    const { signal } = this.stop;
    const { logger } = this.selection.access;
    while (!signal.aborted) {
      try {
        const reason = await this.follow();
        this.obstacle = new StoreUnavailableError(`the records of consumer groups do not arrive: ${reason}`);
        logger.debug({ reason }, 'the records of consumer groups are followed again');
      } catch (error) {
        this.takeFailure(error);
      }
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private takeFailure(error: unknown): void {
    if (this.stop.signal.aborted) return;
    if (isRefused(error, 'streamNotFound')) this.state.forget();
    const known = toStoreError(error);
    this.obstacle = known;
    this.selection.access.logger.debug({ err: known }, 'the records of consumer groups cannot be followed');
    if (isStoreError(known) && !(known instanceof NotPermittedError) && !(known instanceof StoreRefusedError))
      return;
    this.stop.abort();
    this.fail(known as Error);
  }

  /** Resolves with the reason when the consumer has ended. */
  private async follow(): Promise<string> {
    const { signal } = this.stop;
    const atMs = performance.now();
    if (!(await this.state.exists({ signal, deadlineMs: Infinity }))) {
      this.replace(new Map());
      this.verify(atMs);
      await sleep(absentMs, undefined, { signal });
      return 'there is no stream yet';
    }
    let fresh: Map<string, StateRecord> | undefined = new Map();
    const sink = {
      onMessage: (message: StoredMessage) => {
        this.apply(message, fresh);
      },
      onVerified: async (checkedMs: number, info: StreamInfo) => {
        if (fresh !== undefined) this.replace(fresh);
        fresh = undefined;
        await this.take(info);
        this.verify(checkedMs);
      },
    };
    return followRecords(this.selection, sink, signal);
  }

  private verify(atMs: number): void {
    if (this.stop.signal.aborted) return;
    this.verifiedMs = atMs;
    this.obstacle = undefined;
    this.beReady();
  }

  /** `fresh`: the records of a consumer that has not delivered all of them yet. */
  private apply(message: StoredMessage, fresh: Map<string, StateRecord> | undefined): void {
    if (this.stop.signal.aborted) return;
    const { access } = this.selection;
    const record = recordIn(access, message);
    const key = keyOf(access, message.subject);
    const records = fresh ?? this.records;
    if (record === undefined) records.delete(key);
    else records.set(key, record);
    if (fresh === undefined) this.note(key);
  }

  private replace(fresh: ReadonlyMap<string, StateRecord>): void {
    if (this.stop.signal.aborted) return;
    for (const key of [...this.records.keys()]) if (!fresh.has(key)) this.drop(key);
    for (const [key, record] of fresh) {
      const { revision, timeNanos } = this.records.get(key) ?? {};
      if (revision === record.revision && timeNanos === record.timeNanos) continue;
      this.records.set(key, record);
      this.note(key);
    }
  }

  private async take(info: StreamInfo): Promise<void> {
    this.state.note(info);
    const [first, last] = [toSequence(info.state.first_seq), toSequence(info.state.last_seq)];
    for (const [key, { revision }] of this.records) if (revision < first) this.drop(key);
    if (performance.now() - this.listedMs < listMs) return;
    const listed = new Set<string>();
    const call = { signal: this.stop.signal, deadlineMs: Infinity };
    const { access, patterns } = this.selection;
    for (const pattern of patterns) for (const key of await listKeys(access, pattern, call)) listed.add(key);
    for (const [key, { revision }] of this.records) if (revision <= last && !listed.has(key)) this.drop(key);
    this.listedMs = performance.now();
  }

  private drop(key: string): void {
    this.records.delete(key);
    this.note(key);
  }

  private note(key: string): void {
    if (this.changed.size === 0)
      setImmediate(() => {
        const keys = [...this.changed];
        this.changed.clear();
        this.listener(keys);
      });
    this.changed.add(key);
  }
}
