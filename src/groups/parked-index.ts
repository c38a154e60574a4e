import type { GroupName } from '../store/consumer-groups';
import type { StateRecord } from '../store/state-store';
import type { StreamName } from '../store/values';
import { ownCall, type GroupsContext } from './context';
import type { CurrentGroup } from './group-record';
import { decodeParked, parkedPattern } from './parked-record';
import { ParkedSet, type ParkedEntry, type ParkedStream } from './parked-set';
import { UnreadableRecordError } from './record-fields';
import { visitRecords } from './record-pages';

/** As many events as may be parked take some seconds. */
const listTimeoutMs = 60_000;
/** The age at which the list is read again when its length matters, and a millisecond more for each event. */
const oldMs = 1_000;

/** The parked events of a group by stream and version, as far as this gateway knows. */
export class ParkedIndex {
  private known: ParkedSet;
  private readMs = -Infinity;
  /** What was changed here while the list is being read; undefined: it is not. */
  private changes: ((fresh: ParkedSet) => void)[] | undefined;
  private refreshing: Promise<void> | undefined;
  private next: Promise<void> | undefined;

  constructor(
    private readonly context: GroupsContext,
    private readonly group: CurrentGroup,
  ) {
    this.known = this.newSet();
  }

  get count(): number {
    return this.known.count;
  }

  /** Those of one stream; undefined: it has no parked events. */
  of(stream: StreamName): ParkedStream | undefined {
    return this.known.of(stream);
  }

  /** Whether any event is to be replayed. */
  get hasReplaying(): boolean {
    return this.known.hasReplaying;
  }

  /** See `ParkedSet`. */
  replayingIn(lane: number): ReadonlySet<StreamName> {
    return this.known.replayingIn(lane);
  }

  firstReplaying(stream: StreamName): number | undefined {
    return this.known.firstReplaying(stream);
  }

  moveBack(stream: StreamName): void {
    this.known.moveBack(stream);
  }

  set(stream: StreamName, version: number, { position, isReplaying }: ParkedEntry): void {
    this.change((to) => {
      to.set(stream, version, { position, isReplaying });
    });
  }

  delete(stream: StreamName, version: number): void {
    this.change((to) => {
      to.delete(stream, version);
    });
  }

  private change(make: (to: ParkedSet) => void): void {
    this.changes?.push(make);
    make(this.known);
  }

  /** Begins to read the list again if that is long ago: other gateways have parked and replayed events since. */
  refreshIfOld(): void {
    if (performance.now() - this.readMs < oldMs + this.count) return;
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
      const { state } = this.context;
      const call = ownCall(listTimeoutMs);
      const fresh = this.newSet();
      const visit = ({ value, key }: StateRecord): void => {
        this.take(fresh, value, key);
      };
      await visitRecords(state, parkedPattern(this.group.stored.group.name), visit, call);
      for (const change of this.changes) change(fresh);
      this.known = fresh;
    } finally {
      this.changes = undefined;
    }
  }

  private take(fresh: ParkedSet, value: Uint8Array, key: string): void {
    try {
      const { group, stream, version, position, isReplaying } = decodeParked(value);
      if (group === this.group.stored.id) fresh.set(stream, version, { position, isReplaying });
    } catch (error) {
      if (!(error instanceof UnreadableRecordError)) throw error;
      this.context.log.warn({ err: error, key }, 'the record of a parked event cannot be read');
    }
  }

  private newSet(): ParkedSet {
    return new ParkedSet(this.group.stored.group.settings.lanes);
  }
}

/** The key of the record that changes when parked events are to be replayed or were dropped. */
export function replayKey(group: GroupName): string {
  return `replay.${group}`;
}
