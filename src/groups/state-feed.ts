import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupName } from '../store/consumer-groups';
import type { StateRecord, StateStore, StateView } from '../store/state-store';
import { ownCall, type GroupsContext } from './context';

/** A record, and since when this gateway knows it, in milliseconds of `performance.now()`. */
export interface SeenRecord {
  readonly record: StateRecord;
  readonly sinceMs: number;
}

/** The records of one group, except parked events. */
export class GroupRecords {
  private readonly seen = new Map<string, SeenRecord>();
  listener: () => void = () => undefined;

  constructor(
    private readonly feed: Pick<StateFeed, 'verifiedMs'>,
    readonly leave: () => void,
  ) {}

  get(key: string): StateRecord | undefined {
    return this.seen.get(key)?.record;
  }

  /** Those whose keys begin with the prefix. */
  under(prefix: string): SeenRecord[] {
    return [...this.seen.values()].filter(({ record }) => record.key.startsWith(prefix));
  }

  /** For how long a record is known not to have changed, in milliseconds. */
  ageOf({ sinceMs }: SeenRecord): number {
    return this.feed.verifiedMs - sinceMs;
  }

  /** Takes over a record of the view. */
  take(key: string, record: StateRecord | undefined): void {
    const known = this.seen.get(key);
    if (record === undefined) this.seen.delete(key);
    else if (known?.record.revision !== record.revision)
      this.seen.set(key, { record, sinceMs: performance.now() });
  }

  /** Takes over all records of a new view. */
  takeAll(records: ReadonlyMap<string, StateRecord>): void {
    for (const key of this.seen.keys()) if (!records.has(key)) this.seen.delete(key);
    for (const [key, record] of records) this.take(key, record);
  }
}

const patterns = ['group.*', 'member.>', 'lane.>', 'replay.*'];

/** How long a view that has failed waits until it is opened again. */
const reopenMs = 1_000;

/** One view of the state for all groups with members on this gateway, open while there are any. */
export class StateFeed {
  private readonly groups = new Map<string, GroupRecords>();
  private view: StateView | undefined;
  private opening: Promise<StateView> | undefined;

  constructor(private readonly context: Pick<GroupsContext, 'log'> & { readonly state: StateStore }) {}

  /** See `StateView`. */
  get verifiedMs(): number {
    return this.view?.verifiedMs ?? -Infinity;
  }

  /** The records of a group, which are followed until `leave`. */
  async join(group: GroupName): Promise<GroupRecords> {
    const records = new GroupRecords(this, () => {
      this.groups.delete(group);
      this.closeIfUnused();
    });
    this.groups.set(group, records);
    try {
      const view = await this.open();
      records.takeAll(recordsOf(group, view.records));
      return records;
    } catch (error) {
      records.leave();
      throw error;
    }
  }

  private async open(): Promise<StateView> {
    if (this.view !== undefined) return this.view;
    this.opening ??= this.context.state
      .watch(patterns, ownCall(openTimeoutMs))
      .finally(() => (this.opening = undefined));
    const view = await this.opening;
    this.useOnce(view);
    return view;
  }

  /** Several callers may have waited for it. */
  private useOnce(view: StateView): void {
    if (this.view !== undefined) return;
    this.view = view;
    view.onChange((keys) => {
      if (this.view === view) this.changed(keys, view);
    });
    void view.failed.then((error) => this.reopen(view, error));
  }

  private changed(keys: readonly string[], view: StateView): void {
    const changed = new Set<GroupRecords>();
    for (const key of keys) {
      const records = this.groups.get(groupOf(key));
      records?.take(key, view.records.get(key));
      if (records !== undefined) changed.add(records);
    }
    for (const records of changed) records.listener();
  }

  /** Until the view is open again, it stands still. */
  private async reopen(failed: StateView, error: Error): Promise<void> {
    if (this.view !== failed) return;
    this.context.log.warn({ err: error }, 'the view of the state of groups has failed; it is opened again');
    this.view = undefined;
    failed.close();
    while (this.groups.size > 0) {
      await sleep(reopenMs);
      try {
        const view = await this.open();
        for (const [group, records] of this.groups) {
          records.takeAll(recordsOf(group, view.records));
          records.listener();
        }
        return;
      } catch (cause) {
        this.context.log.warn({ err: cause }, 'the state of groups cannot be followed');
      }
    }
  }

  private closeIfUnused(): void {
    if (this.groups.size > 0) return;
    this.view?.close();
    this.view = undefined;
  }
}

const openTimeoutMs = 10_000;

function groupOf(key: string): string {
  return key.split('.', 2)[1] ?? '';
}

function recordsOf(
  group: string,
  records: ReadonlyMap<string, StateRecord>,
): ReadonlyMap<string, StateRecord> {
  return new Map([...records].filter(([key]) => groupOf(key) === group));
}
