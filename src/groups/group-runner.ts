import type { Delivery, Failed, GroupName, GroupSettings } from '../store/consumer-groups';
import { GroupError } from '../store/group-errors';
import { ownCall, type GroupsContext } from './context';
import { Deliveries } from './deliveries';
import { decodeGroup, groupKey, type CurrentGroup, type StoredGroup } from './group-record';
import { readGroup, unreadableGroup } from './group-admin';
import { Memberships, type Joined } from './memberships';
import type { Lane } from './lane';
import type { LaneBounds } from './lane-progress';
import { LaneKeeper } from './lane-keeper';
import { LaneLoader } from './lane-loader';
import type { Held, LaneOwner } from './lane-owner';
import type { Member, MemberHost } from './member';
import { ParkedIndex, replayKey } from './parked-index';
import { Reader } from './reader';
import { UnreadableRecordError } from './record-fields';
import type { GroupRecords } from './state-feed';

const callTimeoutMs = 5_000;

/** What a group is opened with. */
export interface RunnerOpening {
  readonly storeId: string;
  readonly records: GroupRecords;
  /** Changes with the number of groups. */
  readonly bounds: LaneBounds;
  /** Called when the last member has gone. */
  readonly onEmpty: () => void;
}

/** A group of which members are on this gateway: puts its parts together. */
export class GroupRunner implements MemberHost {
  readonly memberships: Memberships;
  readonly deliveries: Deliveries;
  readonly keeper: LaneKeeper;
  readonly parked: ParkedIndex;
  reader: Reader;
  private readonly current: CurrentGroup;
  private readonly loader: LaneLoader;
  private isScheduled = false;
  private wakeTimer: NodeJS.Timeout | undefined;
  private nextReviewMs = 0;
  private replayRevision: bigint | undefined;
  /** Members that are about to join. */
  pending = 0;

  constructor(
    private readonly context: GroupsContext,
    stored: StoredGroup,
    private readonly opening: RunnerOpening,
  ) {
    const { records, onEmpty } = opening;
    this.current = { stored };
    this.parked = new ParkedIndex(context, this.current);
    this.deliveries = new Deliveries(context, this.current, this.parked, this.schedule);
    this.loader = new LaneLoader(context, this.current, this.schedule, this.fail);
    this.keeper = new LaneKeeper(context, this.keeperHost());
    this.memberships = new Memberships(context, {
      keeper: this.keeper,
      deliveries: this.deliveries,
      reader: () => this.reader,
      stored: () => this.stored,
      onChange: this.schedule,
      onEmpty,
    });
    this.reader = this.openReader();
    this.replayRevision = records.get(replayKey(this.name))?.revision;
    records.listener = () => {
      this.onRecords();
    };
  }

  get storeId(): string {
    return this.opening.storeId;
  }

  get records(): GroupRecords {
    return this.opening.records;
  }

  get bounds(): LaneBounds {
    return this.opening.bounds;
  }

  get name(): GroupName {
    return this.stored.group.name;
  }

  get stored(): StoredGroup {
    return this.current.stored;
  }

  get settings(): GroupSettings {
    return this.stored.group.settings;
  }

  add(joined: Joined): void {
    this.memberships.add(joined);
    this.keeper.review();
  }

  async close(): Promise<void> {
    clearTimeout(this.wakeTimer);
    this.records.leave();
    await this.reader.close();
  }

  collect(member: Member): readonly Delivery[] {
    this.checkLease(member);
    const found = this.deliveries.collect(member);
    if (found.length === 0 && member.awaitsCaughtUp && this.hasCaughtUp(member)) {
      member.awaitsCaughtUp = false;
      member.notify({ kind: 'caughtUp' });
    }
    return found;
  }

  private hasCaughtUp(member: Member): boolean {
    if (this.keeper.isChanging) return false;
    const lanes = member.activeLanes();
    if (lanes.length === 0) return this.keeper.isWithoutLanes(member);
    if (!lanes.every(({ lane }) => this.reader.isLive(lane) && lane.isIdle)) return false;
    return !lanes.some(({ number }) => this.parked.replayingIn(number).size > 0);
  }

  acknowledge(held: readonly Held[]): void {
    this.deliveries.acknowledge(held);
    this.schedule();
  }

  failDelivery(held: Held, handled: number, failed: Failed): void {
    this.deliveries.fail(held, handled, failed);
    this.schedule();
  }

  checkLease(member: Member): void {
    const joined = this.memberships.joined.get(member.member);
    if (member.lanes.size === 0 || joined?.lease.isValid(performance.now()) !== false) return;
    this.keeper.loseAll(member);
  }

  /** Calls `pump` at the end of this turn of the event loop. */
  readonly schedule = (): void => {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      this.pump();
    });
  };

  /** Moves on what can move on. */
  private pump(): void {
    const nowMs = performance.now();
    this.keeper.assignTaken();
    let dueMs = Infinity;
    for (const owner of this.keeper.owners.values()) {
      const { lane, isActive } = owner;
      if (!isActive) this.deliveries.replays.drop(owner);
      if (!isActive) continue;
      lane.wake(nowMs);
      this.loader.load(lane);
      dueMs = Math.min(dueMs, lane.dueMs);
    }
    this.deliveries.replays.load(this.keeper.owners.values(), this.bounds.bytesMax);
    this.keeper.giveBackRevoked(nowMs);
    this.failIfUnreadable();
    this.reader.check();
    for (const { member } of this.memberships.joined.values()) member.wake();
    clearTimeout(this.wakeTimer);
    if (dueMs < Infinity) this.wakeTimer = setTimeout(this.schedule, Math.max(1, dueMs - nowMs));
  }

  /** Does what depends on the time. */
  tick(nowMs: number): void {
    this.memberships.tick(nowMs);
    for (const owner of this.keeper.owners.values()) owner.writeIfDue(nowMs);
    if (nowMs >= this.nextReviewMs) {
      this.nextReviewMs = nowMs + this.context.timings.laneWriteMs;
      this.keeper.fence();
      this.keeper.review();
      this.schedule();
    }
    this.keeper.giveBackRevoked(nowMs);
  }

  leave(member: Member): void {
    this.memberships.leave(member, undefined, Infinity);
  }

  remove(member: Member): Promise<void> {
    return this.memberships.remove(member);
  }

  /** Ends all memberships. */
  readonly fail = (error: Error): void => {
    for (const { member } of this.memberships.joined.values()) this.memberships.end(member, error);
  };

  /** Ends all memberships if everything was delivered that comes before a message that is not a commit. */
  private failIfUnreadable(): void {
    const { unreadable } = this.reader;
    if (unreadable === undefined || this.keeper.isChanging) return;
    const isDone = [...this.keeper.owners.values()].every(({ lane }) => lane.isIdle && lane.busyCount === 0);
    if (isDone && this.keeper.owners.size > 0) this.fail(unreadable);
  }

  private onRecords(): void {
    const record = this.records.get(groupKey(this.name));
    if (record === undefined) {
      void this.onGroupMissing();
      return;
    }
    if (record.revision !== this.stored.group.revision) this.onGroupChanged(record);
    const replay = this.records.get(replayKey(this.name))?.revision;
    if (replay !== this.replayRevision) this.onParkedChanged(replay);
    this.keeper.review();
    this.schedule();
  }

  /** The group was deleted, or has just been created and is not in the view yet. */
  private async onGroupMissing(): Promise<void> {
    const stored = await readGroup(this.context, this.name, ownCall(callTimeoutMs)).catch(() => this.stored);
    if (stored !== undefined) return;
    this.keeper.loseAll();
    this.fail(new GroupError('GROUP_NOT_FOUND', `the group ${this.name} was deleted`));
  }

  private onGroupChanged(record: Parameters<typeof decodeGroup>[1]): void {
    const before = this.stored;
    try {
      this.current.stored = decodeGroup(this.name, record);
    } catch (error) {
      if (!(error instanceof UnreadableRecordError)) throw error;
      this.fail(unreadableGroup(this.name, error));
      return;
    }
    const { id, generation } = this.stored;
    if (id !== before.id) this.fail(new GroupError('GROUP_NOT_FOUND', `the group ${this.name} was deleted`));
    // What its lanes have settled is void.
    if (id !== before.id || generation !== before.generation) this.keeper.loseAll();
    void this.reader.close();
    this.reader = this.openReader();
  }

  private onParkedChanged(revision: bigint | undefined): void {
    this.replayRevision = revision;
    this.parked.refresh().then(this.schedule, (error: unknown) => {
      this.context.log.warn({ err: error, group: this.name }, 'the parked events of a group were not listed');
      this.replayRevision = undefined;
    });
  }

  private openReader(): Reader {
    const { owners } = this.keeper;
    const active = (owner: LaneOwner | undefined): Lane | undefined =>
      owner?.isActive === true && owner.stored === this.stored ? owner.lane : undefined;
    const host = {
      settings: this.settings,
      activeLane: (number: number) => active(owners.get(number)),
      activeLanes: () => [...owners.values()].flatMap((owner) => active(owner) ?? []),
      onRead: this.schedule,
      onFailure: this.fail,
    };
    return new Reader(this.context.store, host, this.context.limits.pageBytesMax);
  }

  private keeperHost(): ConstructorParameters<typeof LaneKeeper>[1] {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- its getters need it
    const runner = this;
    return {
      get stored() {
        return runner.stored;
      },
      records: this.records,
      bounds: this.bounds,
      memberOf: (id) => this.memberships.holder(id),
      beforeUse: () => this.parked.refresh(),
      onDropped: (owner, held) => {
        this.deliveries.lose(owner, held);
      },
      onChange: this.schedule,
      onFailure: this.fail,
    };
  }
}
