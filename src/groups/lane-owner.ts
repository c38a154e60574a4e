import { eventId, spanAt } from '../protobuf/commit-record';
import { StateChangedError } from '../store/state-store';
import { cursorWriteMs, laneWriteMs, ownCall, type GroupsContext } from './context';
import type { Lane, Mark } from './lane';
import { decodeLane, encodeLane, laneKey, type StoredLane } from './lane-record';
import type { Member } from './member';
import { UnreadableRecordError } from './record-fields';
import type { StoredGroup } from './group-record';

/** How long one write of a record may take. */
const writeTimeoutMs = 5_000;

/** A lane that a member of this gateway has, and its record. Whoever loses the compare-and-set of the record has lost the lane. */
export class LaneOwner {
  /** Another gateway has it, or it was given back: nothing of it may be delivered or settled any more. */
  isLost = false;
  /** When the member has to be done with it, in milliseconds of `performance.now()`; undefined: it keeps it. */
  revokedUntilMs: number | undefined;
  private mark: Mark | undefined;
  private writing: Promise<void> | undefined;
  private writtenMs = performance.now();
  private writtenCursor: number;

  constructor(
    private readonly context: GroupsContext,
    readonly stored: StoredGroup,
    readonly member: Member,
    readonly number: number,
    readonly lane: Lane,
    private readonly record: { readonly lease: string; revision: bigint; readonly mark: Mark | undefined },
  ) {
    this.mark = record.mark;
    this.writtenCursor = lane.cursor;
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
    const sinceMs = nowMs - this.writtenMs;
    const hasMoved = this.lane.cursor !== this.writtenCursor && sinceMs >= cursorWriteMs;
    if (hasMoved || (this.lane.hasChanged && sinceMs >= laneWriteMs)) void this.write();
  }

  /** Writes the record, after a write that is under way. Throws nothing: what was not stored is written with the next one. */
  async write(): Promise<void> {
    while (this.writing !== undefined) await this.writing;
    if (this.isLost) return;
    this.writing = this.store(this.member.member, this.record.lease).finally(() => (this.writing = undefined));
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
    const value = encodeLane(this.toStored(member, lease, nowMs));
    this.writtenCursor = lane.cursor;
    try {
      await this.put(value);
    } catch (error) {
      lane.hasChanged = true;
      if (!this.isLost)
        this.context.log.warn({ err: error, lane: this.key }, 'the record of a lane was not written');
    }
  }

  private async put(value: Uint8Array): Promise<void> {
    const { state } = this.context;
    for (let attempt = 0; attempt < writeAttemptsMax; attempt++) {
      try {
        this.record.revision = await state.put(this.key, value, this.record.revision, ownCall(writeTimeoutMs));
        return;
      } catch (error) {
        if (!(error instanceof StateChangedError)) throw error;
        await this.readAgain();
        if (this.isLost) return;
      }
    }
  }

  /** The record has changed: an earlier write was stored late, somebody edited or deleted the record, or another gateway has it. */
  private async readAgain(): Promise<void> {
    const record = await this.context.state.get(this.key, ownCall(writeTimeoutMs));
    if (record === undefined || isOf(record.value, this.record.lease))
      this.record.revision = record?.revision ?? 0n;
    else this.isLost = true;
  }

  private get key(): string {
    return laneKey(this.stored.group.name, this.number);
  }

  private toStored(member: string, lease: string, nowMs: number): StoredLane {
    const { lane, stored } = this;
    const settled = lane.takeLastSettled();
    if (settled !== undefined)
      this.mark = {
        stream: settled.stream,
        version: settled.firstVersion,
        position: settled.position,
        event: eventId(settled.events, spanAt(settled.events, 0)),
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

/** A record that cannot be read belongs to who had the lane. */
function isOf(value: Uint8Array, lease: string): boolean {
  try {
    return decodeLane(value).lease === lease;
  } catch (error) {
    if (error instanceof UnreadableRecordError) return true;
    throw error;
  }
}
