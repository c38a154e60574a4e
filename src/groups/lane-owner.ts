import { eventId, spanAt } from '../protobuf/commit-record';
import type { Delivery, EventBytes, GroupName, MemberUpdate } from '../store/consumer-groups';
import { StoreUnavailableError } from '../store/errors';
import { StateChangedError, type StateRecord } from '../store/state-store';
import type { StreamName } from '../store/values';
import { ownCall, type GroupsContext } from './context';
import type { Lane } from './lane';
import type { Mark } from './lane-progress';
import { decodeLane, encodeLaneWithin, laneKey, type StoredLane } from './lane-record';
import type { Offer } from './offer';
import type { Replay } from './replay';
import type { Unit } from './unit';
import { isStillOf } from './record-fields';
import { groupKey, type StoredGroup } from './group-record';

/** A delivery that a member has not settled. There is one for each event, so it keeps nothing twice. */
export class Held implements Delivery {
  /** `dueMs`: when it counts as failed, in milliseconds of `performance.now()`. */
  constructor(
    readonly id: number,
    readonly owner: LaneOwner,
    readonly offer: Offer,
    public dueMs: number,
  ) {}

  get unit(): Unit {
    return this.offer.unit;
  }

  /** undefined: it does not come from the list of parked events. */
  get replay(): Replay | undefined {
    return this.offer.replay;
  }

  get lane(): number {
    return this.owner.number;
  }

  get stream(): StreamName {
    return this.offer.unit.stream;
  }

  get events(): EventBytes {
    return this.offer.unit;
  }

  get eventCount(): number {
    return this.offer.unit.eventCount;
  }

  get attempt(): number {
    return this.offer.attempt;
  }

  get redelivered(): boolean {
    return this.offer.redelivered;
  }

  get replayed(): boolean {
    return this.offer.replay !== undefined;
  }
}

/** A member that has lanes. */
export interface LaneHolder {
  readonly member: GroupName;
  readonly lanes: Set<LaneOwner>;
  readonly hasEnded: boolean;
  /** Whether it is to learn when nothing is left to deliver. */
  awaitsCaughtUp: boolean;
  /** Sends a notice before all further deliveries. */
  notify(notice: MemberUpdate): void;
  /** Gives up what it has of a lane. */
  drop(owner: LaneOwner): readonly Held[];
}

/** Which lane of which group it is, and who has it. */
export interface LanePlace {
  readonly stored: StoredGroup;
  readonly member: LaneHolder;
  readonly number: number;
}

/** How long one write of a record may take. */
const writeTimeoutMs = 5_000;

/** A lane that a member of this gateway has, and its record. The compare-and-set of the record that is lost is the lane lost. */
export class LaneOwner {
  /** Another gateway has it, or it was given back: nothing of it may be delivered or settled any more. */
  isLost = false;
  /** When the member has to be done with it, in milliseconds of `performance.now()`; undefined: it keeps it. */
  revokedUntilMs: number | undefined;
  private mark: Mark | undefined;
  private writing: Promise<void> | undefined;
  private writtenMs = performance.now();
  private writtenCursor: number;
  /** Whether a failure was reported since the last write that succeeded. */
  private isFailing = false;

  constructor(
    private readonly context: GroupsContext,
    private readonly place: LanePlace,
    readonly lane: Lane,
    private readonly record: { readonly lease: string; revision: bigint; readonly mark: Mark | undefined },
  ) {
    this.mark = record.mark;
    this.writtenCursor = lane.cursor;
  }

  get stored(): StoredGroup {
    return this.place.stored;
  }

  get member(): LaneHolder {
    return this.place.member;
  }

  get number(): number {
    return this.place.number;
  }

  /** Takes note of a record that was seen: whether another gateway has the lane. */
  observe(record: StateRecord): void {
    if (this.writing !== undefined || record.revision <= this.record.revision) return;
    if (!this.isOwn(record)) this.isLost = true;
  }

  /** Whether deliveries come from it. */
  get isActive(): boolean {
    return !this.isLost && this.revokedUntilMs === undefined;
  }

  get lease(): string {
    return this.record.lease;
  }

  get hasUnwritten(): boolean {
    return this.lane.hasChanged || this.writing !== undefined;
  }

  /** Writes the record if it has changed and the last write is long enough ago. */
  writeIfDue(nowMs: number): void {
    if (this.isLost || this.writing !== undefined) return;
    const { cursorWriteMs, laneWriteMs } = this.context.timings;
    const sinceMs = nowMs - this.writtenMs;
    const hasMoved = this.lane.cursor !== this.writtenCursor && sinceMs >= cursorWriteMs;
    if (hasMoved || (this.lane.hasChanged && sinceMs >= laneWriteMs)) void this.write();
  }

  /** Writes the record, after a write that is under way. Throws nothing: what was not stored is written with the next one. */
  async write(): Promise<void> {
    while (this.writing !== undefined) await this.writing;
    if (this.isLost) return;
    this.writing = this.store(this.member.member, this.record.lease).finally(
      () => (this.writing = undefined),
    );
    await this.writing;
  }

  /** Gives the lane back: its record is written for the last time. The member must have nothing of it any more. */
  async release(): Promise<void> {
    while (this.writing !== undefined) await this.writing;
    if (this.isLost) return;
    await this.store('', '');
    this.isLost = true;
  }

  private async store(member: string, lease: string): Promise<void> {
    const { lane } = this;
    const nowMs = performance.now();
    this.writtenMs = nowMs;
    lane.hasChanged = false;
    const { valueBytesMax } = this.context.state;
    const value = encodeLaneWithin(this.toStored(member, lease, nowMs), valueBytesMax);
    this.writtenCursor = lane.cursor;
    try {
      await this.put(value);
      this.isFailing = false;
    } catch (error) {
      lane.hasChanged = true;
      if (!this.isLost) this.report(error);
    }
  }

  /** That the store is away is reported elsewhere, and passes. */
  private report(error: unknown): void {
    const isNew = !this.isFailing && !(error instanceof StoreUnavailableError);
    this.isFailing ||= isNew;
    this.context.log[isNew ? 'warn' : 'debug'](
      { err: error, lane: this.key },
      'the record of a lane is not written: what is settled comes again if this gateway ends',
    );
  }

  private async put(value: Uint8Array): Promise<void> {
    const { state } = this.context;
    for (let attempt = 0; attempt < writeAttemptsMax; attempt++) {
      try {
        this.record.revision = await state.put(
          this.key,
          value,
          this.record.revision,
          ownCall(writeTimeoutMs),
        );
        return;
      } catch (error) {
        if (!(error instanceof StateChangedError)) throw error;
        await this.readAgain();
        if (this.isLost) return;
      }
    }
    throw new StoreUnavailableError(`the record ${this.key} changes all the time`);
  }

  /** The record has changed: an earlier write was stored late, somebody edited or deleted the record, or another gateway has it. */
  private async readAgain(): Promise<void> {
    const { state } = this.context;
    const record = await state.get(this.key, ownCall(writeTimeoutMs));
    // Without its group, the record was deleted for good.
    const isMine =
      record === undefined
        ? (await state.get(groupKey(this.stored.group.name), ownCall(writeTimeoutMs))) !== undefined
        : this.isOwn(record);
    if (isMine) this.record.revision = record?.revision ?? 0n;
    else this.isLost = true;
  }

  private isOwn({ value }: StateRecord): boolean {
    return isStillOf(value, decodeLane, ({ lease }) => lease === this.record.lease);
  }

  private get key(): string {
    return laneKey(this.stored.group.name, this.number);
  }

  private toStored(member: string, lease: string, nowMs: number): StoredLane {
    const { lane, stored } = this;
    const settled = lane.lastSettled;
    lane.lastSettled = undefined;
    if (settled !== undefined)
      this.mark = {
        stream: settled.stream,
        version: settled.firstVersion,
        position: settled.position,
        event: eventId(settled.block, spanAt(settled.block, settled.start)),
      };
    return {
      ...lane.progress(nowMs),
      group: stored.id,
      generation: stored.generation,
      member,
      lease,
      mark: this.mark,
      floor: lane.floor,
      oldestTime: lane.oldestTime,
      streamsWaiting: lane.streamsWaiting,
    };
  }
}

const writeAttemptsMax = 3;

export function byMember(owners: readonly LaneOwner[]): ReadonlyMap<LaneHolder, LaneOwner[]> {
  const found = new Map<LaneHolder, LaneOwner[]>();
  for (const owner of owners) {
    const others = found.get(owner.member);
    if (others === undefined) found.set(owner.member, [owner]);
    else others.push(owner);
  }
  return found;
}
