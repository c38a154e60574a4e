import { eventId, eventType } from '../protobuf/commit-record';
import type { Delivery, Failed, GroupOutcome, GroupSettings } from '../store/consumer-groups';
import { isStoreError } from '../store/errors';
import { StateChangedError } from '../store/state-store';
import { ownCall, type GroupsContext } from './context';
import type { CurrentGroup } from './group-record';
import { Held, type LaneOwner } from './lane-owner';
import type { Member } from './member';
import type { Offer } from './offer';
import type { ParkedIndex } from './parked-index';
import { encodeParked, keptReason, parkedKey } from './parked-record';
import { Replays } from './replays';
import { bytesOf, eventAt, unitBefore, versionAt, versionsOf, type Unit } from './unit';

/** An event of a delivery, by its index, that is to be parked. */
interface ToPark {
  readonly unit: Unit;
  readonly index: number;
  readonly attempts: number;
  readonly reason: string;
  readonly isFollowing: boolean;
}

const parkTimeoutMs = 5_000;
/** When a stream looks again whether what was parked of it has been replayed. */
const replayWaitMs = 200;
/** When what could not be parked is tried again. */
const parkAgainMs = 1_000;

/** Hands out units as deliveries, and decides what follows from their outcomes. */
export class Deliveries {
  readonly outcomes: Record<GroupOutcome, number> = {
    acknowledged: 0,
    retried: 0,
    parked: 0,
    skipped: 0,
    timedOut: 0,
    lost: 0,
  };
  count = 0;
  redeliveries = 0;
  readonly replays: Replays;
  /** Events that are being parked. */
  private parking = 0;

  /** `onChange`: called after anything has changed outside of a call. */
  constructor(
    private readonly context: GroupsContext,
    private readonly group: CurrentGroup,
    private readonly parked: ParkedIndex,
    private readonly onChange: () => void,
  ) {
    this.replays = new Replays(context, group, parked, onChange);
  }

  /**
   * The next deliveries for a member: one from each of its lanes in turn, and after each one from the lane that has most in memory.
   * If all got the same, lanes with many streams would fall behind, and the reader would have to go back for them.
   */
  collect(member: Member): Delivery[] {
    const found: Delivery[] = [];
    const roomMax = member.inFlightMax - member.held.size;
    if (roomMax <= 0) return found;
    const nowMs = performance.now();
    const dueMs = nowMs + this.settings.ackTimeoutMs;
    let bytes = this.context.limits.pageBytesMax;
    const take = (owner: LaneOwner | undefined): void => {
      if (owner === undefined || found.length >= roomMax || bytes <= 0) return;
      const held = this.next(member, owner, dueMs);
      if (held === undefined) return;
      found.push(held);
      bytes -= bytesOf(held.unit);
    };
    let lanes = member.activeLanes().filter((owner) => this.hasReady(owner));
    while (lanes.length > 0 && found.length < roomMax && bytes > 0) {
      for (const owner of lanes) {
        take(owner);
        if (lanes.length > 1) take(fullest(lanes));
      }
      lanes = lanes.filter((owner) => this.hasReady(owner));
    }
    if (found.length > 0) member.quiet.goOn(nowMs);
    return found;
  }

  private hasReady(owner: LaneOwner): boolean {
    return owner.lane.hasReady || this.replays.hasReady(owner);
  }

  private next(member: Member, owner: LaneOwner, dueMs: number): Held | undefined {
    const offer = this.replayed(owner) ?? this.offered(owner);
    if (offer === undefined) return undefined;
    this.count++;
    if (offer.redelivered) this.redeliveries++;
    return member.hold(new Held(member.nextId(), owner, offer, dueMs));
  }

  private replayed(owner: LaneOwner): Offer | undefined {
    const replay = this.replays.next(owner);
    if (replay === undefined) return undefined;
    const attempt = replay.parked.attempts + 1;
    return { unit: replay.unit, attempt, redelivered: true, queue: undefined, replay };
  }

  private offered(owner: LaneOwner): Offer | undefined {
    const offer = owner.lane.next();
    if (offer === undefined || this.parked.count === 0) return offer;
    return this.parked.of(offer.unit.stream) === undefined ? offer : this.unparked(owner, offer);
  }

  /** What may be delivered of a unit whose stream has parked events; undefined: nothing now. */
  private unparked(owner: LaneOwner, offer: Offer): Offer | undefined {
    const { unit } = offer;
    const parked = this.parked.of(unit.stream)?.entries;
    if (parked === undefined) return offer;
    const versions = versionsOf(unit);
    const isParked = versions.map((version) => parked.has(version));
    // An event that is parked was not settled before its lane was lost.
    const open = isParked.indexOf(false);
    const settled = open === -1 ? versions.length : open;
    if (settled > 0) owner.lane.settleThrough(unit.stream, versions[settled - 1] as number);
    else if (this.settings.parkFollowing && isAfterParked(unit, parked)) this.follow(owner, unit);
    else
      return isParked.includes(true) ? { ...offer, unit: unitBefore(unit, isParked.indexOf(true)) } : offer;
    return undefined;
  }

  /** Parks what follows a parked event; while all of those are being replayed, it waits for them. */
  private follow(owner: LaneOwner, unit: Unit): void {
    const parked = this.parked.of(unit.stream);
    const isReplaying = parked?.replayingCount === parked?.entries.size;
    const waitMs = isReplaying ? replayWaitMs : parkAgainMs;
    if (isReplaying || this.isFull) owner.lane.retry(unit.stream, performance.now() + waitMs, false);
    else void this.park(owner, { unit, index: 0, attempts: 0, reason: followReason, isFollowing: true });
  }

  acknowledge(held: readonly Held[]): void {
    for (const { owner, offer } of held) {
      if (owner.isLost) continue;
      this.outcomes.acknowledged++;
      if (offer.replay !== undefined) this.replays.settle(owner, offer.replay, undefined);
      else owner.lane.settleOffer(offer);
    }
  }

  fail(held: Held, handled: number, failed: Failed, isTimeout = false): void {
    const { owner, replay } = held;
    if (owner.isLost) return;
    this.outcomes[isTimeout ? 'timedOut' : outcomeOf[failed.kind]]++;
    if (replay !== undefined) this.replays.settle(owner, replay, failed);
    else this.failLive(held, handled, failed);
  }

  /** A lane was lost, and with it what its member had of it. */
  lose(owner: LaneOwner, held: readonly Held[]): void {
    this.outcomes.lost += held.length;
    for (const { replay } of held) if (replay !== undefined) this.replays.lost(owner, replay);
    this.replays.drop(owner);
  }

  private failLive({ owner, unit }: Held, handled: number, failed: Failed): void {
    const { lane } = owner;
    if (handled > 0) lane.settleFirst(unit.stream, versionAt(unit, handled) - 1);
    if (failed.kind === 'skip') {
      lane.settleThrough(unit.stream, versionAt(unit, handled));
      return;
    }
    const attempts = lane.attemptsOf(unit.stream) + 1;
    const isLast = this.settings.attemptsMax > 0 && attempts >= this.settings.attemptsMax;
    const { reason } = failed;
    if (failed.kind === 'retry' && !isLast)
      lane.retry(unit.stream, performance.now() + (failed.delayMs ?? this.backoffMs(attempts)));
    else if (this.isFull) lane.retry(unit.stream, performance.now() + this.settings.backoffMaxMs);
    else void this.park(owner, { unit, index: handled, attempts, reason, isFollowing: false });
  }

  /** Parks an event of a busy stream, and then settles it. */
  private async park(owner: LaneOwner, toPark: ToPark): Promise<void> {
    const { unit, index } = toPark;
    const version = versionAt(unit, index);
    this.parking++;
    try {
      await this.writeParked(toPark, version).finally(() => this.parking--);
    } catch (error) {
      if (!isStoreError(error)) throw error;
      if (!owner.isLost) owner.lane.retry(unit.stream, performance.now() + parkAgainMs, false);
      this.onChange();
      return;
    }
    if (!owner.isLost) owner.lane.settleThrough(unit.stream, version);
    this.onChange();
  }

  private async writeParked({ unit, index, ...others }: ToPark, version: number): Promise<void> {
    const { stream, position } = unit;
    const event = eventAt(unit, index);
    const value = encodeParked({
      group: this.group.stored.id,
      stream,
      version,
      position,
      eventId: eventId(event.bytes, event),
      type: eventType(event.bytes, event),
      reason: keptReason(others.reason),
      attempts: others.attempts,
      isFollowing: others.isFollowing,
      isReplaying: false,
    });
    const key = parkedKey(this.group.stored.group.name, { stream, version, position });
    try {
      await this.context.state.put(key, value, 0n, ownCall(parkTimeoutMs));
      this.parked.set(stream, version, { position, isReplaying: false });
    } catch (error) {
      if (!(error instanceof StateChangedError)) throw error;
      // It was parked before, by an owner that did not come to settle it, and may have been asked for since.
      await this.parked.refresh();
    }
  }

  private backoffMs(attempts: number): number {
    const { backoffMinMs, backoffMaxMs } = this.settings;
    return Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(attempts - 1, 30));
  }

  private get isFull(): boolean {
    this.parked.refreshIfOld();
    return this.parked.count + this.parking >= this.settings.parkedMax;
  }

  private get settings(): GroupSettings {
    return this.group.stored.group.settings;
  }
}

/** The lane that has most in memory, of those with something to deliver. */
function fullest(lanes: readonly LaneOwner[]): LaneOwner | undefined {
  let found: LaneOwner | undefined;
  let most = 0;
  for (const owner of lanes) {
    const { hasReady, bytes } = owner.lane;
    if (hasReady && bytes > most) [found, most] = [owner, bytes];
  }
  return found;
}

const outcomeOf = { retry: 'retried', park: 'parked', skip: 'skipped' } as const;

const followReason = 'an event before it on its stream is parked';

/** A group that was set back delivers what comes before a parked event again. */
function isAfterParked({ firstVersion }: Unit, parked: ReadonlyMap<number, unknown>): boolean {
  for (const version of parked.keys()) if (version < firstVersion) return true;
  return false;
}
