import { eventId, eventSpans, eventType, type EventSpan } from '../protobuf/commit-record';
import type { Delivery, Failed, GroupOutcome, GroupSettings } from '../store/consumer-groups';
import { isStoreError } from '../store/errors';
import { StateChangedError } from '../store/state-store';
import { ownCall, type GroupsContext } from './context';
import { toPosition, type CurrentGroup } from './group-record';
import type { Held, LaneOwner } from './lane-owner';
import type { Member } from './member';
import type { ParkedIndex } from './parked-index';
import { encodeParked, keptReason, parkedKey } from './parked-record';
import type { Replay } from './replay';
import { Replays } from './replays';
import { unitFrom, versionAt, type Offer, type Unit } from './unit';

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

  /** The next deliveries for a member, from each of its lanes in turn. */
  collect(member: Member): Delivery[] {
    const found: Delivery[] = [];
    let room = member.inFlightMax - member.held.size;
    let bytes = this.context.limits.pageBytesMax;
    let lanes = member.activeLanes().filter((owner) => this.hasReady(owner));
    while (lanes.length > 0 && room > 0 && bytes > 0) {
      for (const owner of lanes) {
        const delivery = room > 0 && bytes > 0 ? this.next(member, owner) : undefined;
        if (delivery === undefined) continue;
        found.push(delivery);
        room--;
        bytes -= delivery.run.events.length;
      }
      lanes = lanes.filter((owner) => this.hasReady(owner));
    }
    return found;
  }

  private hasReady(owner: LaneOwner): boolean {
    return owner.lane.hasReady || this.replays.hasReady(owner);
  }

  private next(member: Member, owner: LaneOwner): Delivery | undefined {
    const replay = this.replays.next(owner);
    if (replay !== undefined) {
      const offer = { unit: replay.unit, attempt: replay.parked.attempts + 1, redelivered: true };
      return this.deliver(member, owner, offer, replay);
    }
    const offer = owner.lane.next();
    if (offer === undefined) return undefined;
    const deliverable = this.parked.of(offer.unit.stream) === undefined ? offer : this.unparked(owner, offer);
    return deliverable === undefined ? undefined : this.deliver(member, owner, deliverable);
  }

  private deliver(
    member: Member,
    owner: LaneOwner,
    { unit, attempt, redelivered }: Offer,
    replay?: Replay,
  ): Delivery {
    const nowMs = performance.now();
    const id = member.nextId();
    const dueMs = nowMs + this.settings.ackTimeoutMs;
    member.held.set(id, { id, owner, unit, replay, dueMs });
    member.quiet.goOn(nowMs);
    this.count++;
    if (redelivered) this.redeliveries++;
    const { stream, events, eventCount } = unit;
    const run = { position: toPosition(unit.position), events, eventCount };
    return { id, lane: owner.number, stream, run, attempt, redelivered, replayed: replay !== undefined };
  }

  /** What may be delivered of a unit whose stream has parked events; undefined: nothing now. */
  private unparked(owner: LaneOwner, offer: Offer): Offer | undefined {
    const { unit } = offer;
    const parked = this.parked.of(unit.stream)?.entries;
    if (parked === undefined) return offer;
    const versions = eventSpans(unit.events).map((_, index) => versionAt(unit, index));
    const isParked = versions.map((version) => parked.has(version));
    // An event that is parked was not settled before its lane was lost.
    const open = isParked.indexOf(false);
    const settled = open === -1 ? versions.length : open;
    if (settled > 0) owner.lane.settleThrough(unit.stream, versions[settled - 1] as number);
    else if (this.settings.parkFollowing && isAfterParked(unit, parked)) this.follow(owner, unit);
    else return { ...offer, unit: firstEvents(unit, isParked.indexOf(true)) };
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
    for (const { owner, unit, replay } of held) {
      if (owner.isLost) continue;
      this.outcomes.acknowledged++;
      if (replay !== undefined) this.replays.settle(owner, replay, undefined);
      else owner.lane.settleThrough(unit.stream, unit.lastVersion);
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
    const { stream, position, events } = unit;
    const span = eventSpans(events)[index] as EventSpan;
    const value = encodeParked({
      group: this.group.stored.id,
      stream,
      version,
      position,
      eventId: eventId(events, span),
      type: eventType(events, span),
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

const outcomeOf = { retry: 'retried', park: 'parked', skip: 'skipped' } as const;

const followReason = 'an event before it on its stream is parked';

/** A group that was set back delivers what comes before a parked event again. */
function isAfterParked({ firstVersion }: Unit, parked: ReadonlyMap<number, unknown>): boolean {
  for (const version of parked.keys()) if (version < firstVersion) return true;
  return false;
}

/** The first events of a unit; a negative number: all. */
function firstEvents(unit: Unit, count: number): Unit {
  if (count < 0) return unit;
  const rest = unitFrom(unit, count);
  const end = unit.events.length - rest.events.length;
  return {
    ...unit,
    lastVersion: versionAt(unit, count - 1),
    events: unit.events.subarray(0, end),
    eventCount: count,
  };
}
