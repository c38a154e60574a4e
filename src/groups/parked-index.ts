import type { GroupName } from '../store/consumer-groups';
import type { StreamName } from '../store/values';
import { ownCall, type GroupsContext } from './context';
import type { CurrentGroup } from './group-record';
import { decodeParked, parkedPrefix } from './parked-record';
import { UnreadableRecordError } from './record-fields';

/** What an owner of lanes has to know of a parked event. */
export interface ParkedEntry {
  readonly isReplaying: boolean;
}

/** As many events as may be parked take some 15 s. */
const listTimeoutMs = 60_000;
/** The age at which the list is read again when its length matters, and a millisecond more for each event. */
const oldMs = 1_000;

/** The parked events of a group by stream and version, as far as this gateway knows. */
export class ParkedIndex {
  private streams = new Map<StreamName, Map<number, ParkedEntry>>();
  private countNow = 0;
  private readMs = -Infinity;
  /** What was changed here while the list is being read; undefined: it is not. */
  private changes: (() => void)[] | undefined;
  private refreshing: Promise<void> | undefined;
  private next: Promise<void> | undefined;

  constructor(
    private readonly context: GroupsContext,
    private readonly group: CurrentGroup,
  ) {}

  get count(): number {
    return this.countNow;
  }

  /** Those of one stream by version; undefined: it has no parked events. */
  of(stream: StreamName): ReadonlyMap<number, ParkedEntry> | undefined {
    return this.streams.get(stream);
  }

  /** Streams of which events are to be replayed. */
  readonly replaying = new Set<StreamName>();

  set(stream: StreamName, version: number, entry: ParkedEntry): void {
    this.changes?.push(() => {
      this.set(stream, version, entry);
    });
    const entries = this.streams.get(stream) ?? new Map<number, ParkedEntry>();
    if (!entries.has(version)) this.countNow++;
    entries.set(version, entry);
    this.streams.set(stream, entries);
    // A stream can have all events that may be parked.
    if (entry.isReplaying) this.replaying.add(stream);
    else if (this.replaying.has(stream)) this.note(stream);
  }

  delete(stream: StreamName, version: number): void {
    this.changes?.push(() => {
      this.delete(stream, version);
    });
    const entries = this.streams.get(stream);
    if (entries?.delete(version) === true) this.countNow--;
    if (entries?.size === 0) this.streams.delete(stream);
    this.note(stream);
  }

  /** Something of a stream is to be replayed no more. */
  private note(stream: StreamName): void {
    for (const { isReplaying } of this.streams.get(stream)?.values() ?? []) if (isReplaying) return;
    this.replaying.delete(stream);
  }

  /** Begins to read the list again if that is long ago: other gateways have parked and replayed events since. */
  refreshIfOld(): void {
    if (performance.now() - this.readMs < oldMs + this.countNow) return;
    this.readMs = performance.now();
    this.refresh().catch((error: unknown) => {
      this.context.log.debug({ err: error }, 'the parked events of a group were not listed');
    });
  }

  /** Resolves when it has everything that was stored before the call. Throws StoreError. */
  async refresh(): Promise<void> {
    if (this.refreshing === undefined) {
      this.refreshing = this.read().finally(() => (this.refreshing = undefined));
      return this.refreshing;
    }
    // What is being read may have begun before something was stored that the caller knows of.
    this.next ??= this.refreshing
      .catch(() => undefined)
      .then(() => {
        this.next = undefined;
        return this.refresh();
      });
    return this.next;
  }

  private async read(): Promise<void> {
    this.changes = [];
    this.readMs = performance.now();
    try {
      const { name } = this.group.stored.group;
      const records = await this.context.state.list(parkedPrefix(name), ownCall(listTimeoutMs));
      const { changes } = this;
      this.changes = undefined;
      this.streams = new Map();
      this.countNow = 0;
      this.replaying.clear();
      for (const { value, key } of records) this.take(value, key);
      for (const change of changes) change();
    } finally {
      this.changes = undefined;
    }
  }

  private take(value: Uint8Array, key: string): void {
    try {
      const { group, stream, version, isReplaying } = decodeParked(value);
      if (group === this.group.stored.id) this.set(stream, version, { isReplaying });
    } catch (error) {
      if (!(error instanceof UnreadableRecordError)) throw error;
      this.context.log.warn({ err: error, key }, 'the record of a parked event cannot be read');
    }
  }
}

/** The key of the record that changes when parked events are to be replayed or were dropped. */
export function replayKey(group: GroupName): string {
  return `replay.${group}`;
}
