import type { GroupName } from '../store/consumer-groups';
import { GroupError } from '../store/group-errors';
import type { GroupsContext } from './context';
import type { Deliveries } from './deliveries';
import { toPosition, type StoredGroup } from './group-record';
import type { LaneKeeper } from './lane-keeper';
import type { Member } from './member';
import type { MemberLease, Renewal } from './member-lease';
import type { StoredMember } from './member-record';
import type { Reader } from './reader';

/** A member with its record. */
export interface Joined {
  readonly member: Member;
  readonly lease: MemberLease;
  /** See `StoredMember`. */
  readonly session: string;
  /** undefined: no heartbeats. */
  readonly heartbeatMs: number | undefined;
  nextHeartbeatMs: number;
  /** How the membership ends once it has no lanes any more, or it is too late; undefined: it goes on. */
  leaving?: { readonly error: unknown; readonly untilMs: number };
  /** Resolves when everything is stored and the record is removed. */
  removal?: Promise<void>;
}

export interface MembershipsHost {
  readonly keeper: LaneKeeper;
  readonly deliveries: Deliveries;
  /** Of now: others replace them. */
  reader(): Reader;
  stored(): StoredGroup;
  onChange(): void;
  /** The last member has gone. */
  onEmpty(): void;
}

/** The members of a group on this gateway: their time-outs, their records, and how they leave. */
export class Memberships {
  readonly joined = new Map<GroupName, Joined>();

  constructor(
    private readonly context: GroupsContext,
    private readonly host: MembershipsHost,
  ) {}

  add(joined: Joined): void {
    this.joined.set(joined.member.member, joined);
  }

  /** A member that may have lanes. */
  holder(id: string): Member | undefined {
    const joined = this.joined.get(id as GroupName);
    const mayHave = joined?.leaving === undefined && joined?.member.hasEnded === false;
    return mayHave && joined.lease.isValid(performance.now()) ? joined.member : undefined;
  }

  tick(nowMs: number): void {
    for (const joined of this.joined.values()) {
      const { member, lease } = joined;
      if (joined.removal !== undefined) continue;
      if (lease.isDue(nowMs)) void this.renew(joined);
      if (member.lanes.size > 0 && !lease.isValid(nowMs)) this.host.keeper.loseAll(member);
      this.timeOut(member, nowMs);
      this.heartbeat(joined, nowMs);
      if (joined.leaving !== undefined) this.finishLeaving(joined, nowMs);
    }
  }

  /** The member gets no more lanes and deliveries, and settles those it has. Then its membership ends, with an error unless undefined. */
  leave(member: Member, error: unknown, untilMs: number): void {
    const joined = this.joined.get(member.member);
    if (joined?.member !== member || joined.leaving !== undefined || member.hasEnded) return;
    joined.leaving = { error, untilMs };
    member.isLeaving = true;
    void this.renew(joined);
    const owners = [...this.host.keeper.owners.values()].filter((owner) => owner.member === member);
    this.host.keeper.revoke(owners, Infinity);
  }

  /** Ends a membership at once. */
  end(member: Member, error: unknown): void {
    member.end(error);
    void this.remove(member);
  }

  /** Gives up what a member has. Resolves when what it has settled is stored. */
  async remove(member: Member): Promise<void> {
    const joined = this.joined.get(member.member);
    if (joined?.member !== member) return;
    joined.removal ??= this.removeNow(joined);
    await joined.removal;
  }

  private async removeNow({ member, lease }: Joined): Promise<void> {
    await this.host.keeper.giveBackAll(member);
    await lease.remove();
    this.joined.delete(member.member);
    this.host.onChange();
    if (this.joined.size === 0) this.host.onEmpty();
  }

  private finishLeaving(joined: Joined, nowMs: number): void {
    const { member, leaving } = joined;
    const hasLanes = [...this.host.keeper.owners.values()].some((owner) => owner.member === member);
    if (leaving === undefined || (nowMs < leaving.untilMs && (hasLanes || this.host.keeper.isChanging)))
      return;
    void this.remove(member).then(() => {
      member.end(leaving.error);
    });
  }

  /** What the record of a member has now. */
  toRecord({ member, session, leaving }: Joined): StoredMember {
    const { at } = this.host.reader();
    const idle = [...member.lanes].filter(
      ({ lane, isActive }) => isActive && lane.isEmpty && lane.cursor >= at,
    );
    return {
      session,
      gateway: this.context.gateway,
      inFlightMax: member.inFlightMax,
      isLeaving: leaving !== undefined,
      generation: this.host.stored().generation,
      position: at,
      idle: idle.map(({ number }) => number),
    };
  }

  private async renew(joined: Joined): Promise<void> {
    this.onRenewal(joined, await joined.lease.renew(this.toRecord(joined)));
  }

  private onRenewal({ member }: Joined, renewal: Renewal): void {
    if (renewal === 'renewed' || renewal === 'failed') return;
    this.context.log.warn({ member: member.member, renewal }, 'another gateway took a member for dead');
    this.host.keeper.loseAll(member);
    if (renewal === 'replaced')
      this.end(member, new GroupError('MEMBER_EXISTS', `another gateway has a member ${member.member} now`));
  }

  /** Deliveries are in the order of their time-outs. */
  private timeOut(member: Member, nowMs: number): void {
    const { ackTimeoutMs } = this.host.stored().group.settings;
    const reason = `the member ${member.member} took longer than ${ackTimeoutMs.toString()} ms`;
    for (const held of member.held.values()) {
      if (held.dueMs > nowMs) break;
      member.held.delete(held.id);
      this.host.deliveries.fail(held, 0, { kind: 'retry', delayMs: undefined, reason }, true);
      this.host.onChange();
    }
    if (member.held.size === 0) member.quiet.pause(nowMs);
    if (member.quiet.at(nowMs) < 2 * ackTimeoutMs) return;
    const settles = `the member has settled and extended nothing for ${(2 * ackTimeoutMs).toString()} ms`;
    this.end(member, new GroupError('MEMBER_STALLED', settles));
  }

  private heartbeat(joined: Joined, nowMs: number): void {
    const { heartbeatMs, nextHeartbeatMs, member } = joined;
    if (heartbeatMs === undefined || nowMs < nextHeartbeatMs) return;
    joined.nextHeartbeatMs = nowMs + heartbeatMs;
    member.heartbeat(toPosition(this.host.reader().head));
  }
}
