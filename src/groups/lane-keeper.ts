import type { Position } from '../store/values';
import { GroupError } from '../store/group-errors';
import { StateChangedError, type StateRecord } from '../store/state-store';
import { assign } from './assignment';
import { ownCall, type GroupsContext } from './context';
import type { StoredGroup } from './group-record';
import type { LaneBounds } from './lane-progress';
import { byMember, type Held, type LaneHolder, type LaneOwner } from './lane-owner';
import { decodeLane, encodeLaneWithin, laneKey, type StoredLane } from './lane-record';
import { decodeMember, memberPrefix } from './member-record';
import { UnreadableRecordError } from './record-fields';
import type { GroupRecords } from './state-feed';
import { storeEnd } from './store-reads';
import { takeLane } from './take-lane';

/** What the keeper of the lanes needs of its group. */
export interface KeeperHost {
  readonly stored: StoredGroup;
  readonly records: GroupRecords;
  readonly bounds: LaneBounds;
  /** A member of this gateway that may have lanes. */
  memberOf(id: string): LaneHolder | undefined;
  /** Called before a lane that was taken is used. */
  beforeUse(): Promise<void>;
  /** A member has lost what it had of a lane. */
  onDropped(owner: LaneOwner, held: readonly Held[]): void;
  /** Lanes have come, or gone. */
  onChange(): void;
  onFailure(error: Error): void;
}

const callTimeoutMs = 5_000;

/** Which lanes the members of this gateway have: takes those that are assigned to them and free, and gives back the others. */
export class LaneKeeper {
  readonly owners = new Map<number, LaneOwner>();
  /** Lanes that are being taken or given back. */
  private readonly changing = new Set<number>();
  /** Lanes that were taken, of which their members do not know yet. */
  private taken: LaneOwner[] = [];
  private readonly fencing = new Set<string>();
  /** Members to which no lane is assigned, since there are more members than lanes. */
  private withoutLanes: ReadonlySet<string> = new Set();

  constructor(
    private readonly context: GroupsContext,
    private readonly host: KeeperHost,
  ) {}

  /** Whether a lane of a member is being taken or given back. */
  get isChanging(): boolean {
    return this.changing.size > 0 || this.taken.length > 0;
  }

  /** Whether no lane is for the member, as things are. */
  isWithoutLanes(member: LaneHolder): boolean {
    return this.withoutLanes.has(member.member);
  }

  /** Compares the lanes with the records, and begins what follows from that. */
  review(): void {
    const { stored, records } = this.host;
    const { name, settings } = stored.group;
    const members = this.membersNow();
    const targets = assign(settings.lanes, members.assignable);
    this.withoutLanes = new Set(members.assignable.filter((id) => !targets.includes(id)));
    let end: Promise<Position> | undefined;
    for (const [number, target] of targets.entries()) {
      if (this.changing.has(number)) continue;
      const record = records.get(laneKey(name, number));
      const owner = this.owners.get(number);
      if (record !== undefined) owner?.observe(record);
      if (owner !== undefined) this.reviewOwned(owner, target);
      else if (this.isFree(record, members.present)) {
        const member = target === undefined ? undefined : this.host.memberOf(target);
        if (member === undefined) this.release(record, number);
        // The end is requested after the record was seen, which says how far the lane is.
        else void this.take(number, member, record, (end ??= this.end()));
      }
    }
  }

  /** Lets members know of the lanes that they have got, and use them. */
  assignTaken(): void {
    const usable = this.taken.filter((owner) => owner.isActive && !owner.member.hasEnded);
    this.taken = [];
    for (const [member, owners] of byMember(usable)) {
      member.awaitsCaughtUp = true;
      member.notify({ kind: 'assigned', lanes: owners.map(({ number }) => number).sort((a, b) => a - b) });
      for (const owner of owners) member.lanes.add(owner);
    }
  }

  private end(): Promise<Position> {
    return storeEnd(this.context.store, ownCall(callTimeoutMs)).then(({ position }) => position);
  }

  private membersNow(): { readonly assignable: readonly string[]; readonly present: ReadonlySet<string> } {
    const prefix = memberPrefix(this.host.stored.group.name);
    const present = this.host.records.under(prefix).map(({ record }) => record);
    const idOf = ({ key }: StateRecord): string => key.slice(prefix.length);
    const assignable = present.filter(({ value }) => isAssignable(value)).map(idOf);
    return { assignable, present: new Set(present.map(idOf)) };
  }

  private reviewOwned(owner: LaneOwner, target: string | undefined): void {
    const { member, stored } = owner;
    if (owner.isLost) this.lose(owner);
    else if (owner.revokedUntilMs === undefined && (target !== member.member || stored !== this.host.stored))
      this.revoke([owner], this.host.stored.group.settings.handoverTimeoutMs);
  }

  /** Whether no member can have the lane, because its record names none, one that is gone, or one here that does not have it. */
  private isFree(record: StateRecord | undefined, present: ReadonlySet<string>): boolean {
    const lane = record === undefined ? undefined : readLane(record);
    const { id, generation } = this.host.stored;
    if (lane === undefined || lane.group !== id || lane.generation !== generation) return true;
    return lane.member === '' || !present.has(lane.member) || this.host.memberOf(lane.member) !== undefined;
  }

  /** Makes the record of a lane say that no member has it, if it names one of this gateway. */
  private release(record: StateRecord | undefined, number: number): void {
    const lane = record === undefined ? undefined : readLane(record);
    if (record === undefined || lane === undefined || this.host.memberOf(lane.member) === undefined) return;
    this.changing.add(number);
    const { state } = this.context;
    const value = encodeLaneWithin({ ...lane, member: '' }, state.valueBytesMax);
    state
      .put(record.key, value, record.revision, ownCall(callTimeoutMs))
      .catch((error: unknown) => {
        if (!(error instanceof StateChangedError))
          this.context.log.debug({ err: error, lane: record.key }, 'a lane was not given back');
      })
      .finally(() => this.changing.delete(number));
  }

  private async take(
    number: number,
    member: LaneHolder,
    record: StateRecord | undefined,
    end: Promise<Position>,
  ): Promise<void> {
    this.changing.add(number);
    try {
      const { stored, bounds } = this.host;
      const take = { stored, member, number, record, bounds, end: await end };
      const owner = await takeLane(this.context, take);
      if (owner === undefined) return;
      await this.host.beforeUse();
      this.owners.set(number, owner);
      if (this.host.memberOf(member.member) === member) this.taken.push(owner);
      else await this.giveBack(owner);
    } catch (error) {
      if (error instanceof GroupError) this.host.onFailure(error);
      else this.context.log.warn({ err: error, lane: number }, 'a lane was not taken');
    } finally {
      this.changing.delete(number);
      this.host.onChange();
    }
  }

  /** Tells members that they lose lanes: when they have settled what they have of them, or the time is over, they are given back. */
  revoke(owners: readonly LaneOwner[], timeoutMs: number): void {
    for (const [member, revoked] of byMember(owners)) {
      for (const owner of revoked) owner.revokedUntilMs = performance.now() + timeoutMs;
      if (Number.isFinite(timeoutMs))
        member.notify({ kind: 'revoked', lanes: revoked.map(({ number }) => number), timeoutMs });
    }
    this.host.onChange();
  }

  /** Gives back the lanes that were revoked and with which their members are done. */
  giveBackRevoked(nowMs: number): void {
    for (const owner of this.owners.values()) {
      const { revokedUntilMs: untilMs, lane } = owner;
      if (untilMs === undefined || this.changing.has(owner.number)) continue;
      if (lane.busyCount === 0 || nowMs >= untilMs) void this.giveBackChanging(owner);
    }
  }

  private async giveBackChanging(owner: LaneOwner): Promise<void> {
    this.changing.add(owner.number);
    await this.giveBack(owner);
    this.changing.delete(owner.number);
    this.host.onChange();
  }

  /** Gives back all lanes of a member, whatever it has of them. */
  async giveBackAll(member: LaneHolder): Promise<void> {
    const owned = [...this.owners.values()].filter((owner) => owner.member === member);
    await Promise.all(
      owned.filter(({ number }) => !this.changing.has(number)).map((owner) => this.giveBackChanging(owner)),
    );
  }

  private async giveBack(owner: LaneOwner): Promise<void> {
    this.remove(owner);
    await owner.release();
  }

  /** The lane belongs to another gateway now, or may do so at any time. */
  lose(owner: LaneOwner): void {
    owner.isLost = true;
    this.remove(owner, true);
  }

  loseAll(member?: LaneHolder): void {
    for (const owner of [...this.owners.values()])
      if (member === undefined || owner.member === member) this.lose(owner);
  }

  private remove(owner: LaneOwner, mustTell = false): void {
    const { member, number } = owner;
    owner.revokedUntilMs ??= -Infinity;
    if (this.owners.get(number) === owner) this.owners.delete(number);
    const had = member.lanes.delete(owner);
    const dropped = member.drop(owner);
    this.host.onDropped(owner, dropped);
    if (had && (dropped.length > 0 || mustTell))
      member.notify({ kind: 'revoked', lanes: [number], timeoutMs: undefined });
  }

  /** Removes the records of members that are dead, which then cannot renew them. */
  fence(): void {
    const { memberDeadMs } = this.context.timings;
    const prefix = memberPrefix(this.host.stored.group.name);
    for (const seen of this.host.records.under(prefix)) {
      const { key, revision } = seen.record;
      const isHere = this.host.memberOf(key.slice(prefix.length)) !== undefined;
      if (isHere || this.host.records.ageOf(seen) < memberDeadMs || this.fencing.has(key)) continue;
      this.fencing.add(key);
      this.context.state
        .remove(key, revision, ownCall(callTimeoutMs))
        .catch((error: unknown) => {
          if (!(error instanceof StateChangedError))
            this.context.log.debug({ err: error, member: key }, 'a dead member was not removed');
        })
        .finally(() => this.fencing.delete(key));
    }
  }
}

/** Whether a member gets lanes. */
function isAssignable(value: Uint8Array): boolean {
  try {
    return !decodeMember(value).isLeaving;
  } catch (error) {
    if (error instanceof UnreadableRecordError) return false;
    throw error;
  }
}

/** undefined: the record cannot be read. */
function readLane({ value }: StateRecord): StoredLane | undefined {
  try {
    return decodeLane(value);
  } catch (error) {
    if (error instanceof UnreadableRecordError) return undefined;
    throw error;
  }
}
