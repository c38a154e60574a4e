import { randomUUID } from 'node:crypto';
import { CancelledError } from '../store/errors';
import type { GroupFacts, GroupName, JoinCommand, Membership } from '../store/consumer-groups';
import type { CallContext } from '../store/event-store';
import { GroupError } from '../store/group-errors';
import { parseGroupName } from '../store/consumer-groups';
import { ownCall, type GroupsContext } from './context';
import { factsOf } from './group-facts';
import { readGroup } from './group-admin';
import { GroupRunner } from './group-runner';
import type { StoredGroup } from './group-record';
import type { LaneBounds } from './lane-progress';
import { Member } from './member';
import { checkRoom, MemberLease } from './member-lease';
import { memberPrefix } from './member-record';
import type { Joined } from './memberships';
import { StateFeed } from './state-feed';
import { holesWithin } from './lane-record';
import { storeEnd } from './store-reads';

/** How long a member may keep what it has when the gateway stops. */
const drainMs = 5_000;
const openTimeoutMs = 10_000;

/** The groups of which members are on this gateway. */
export class GroupRunners {
  private readonly runners = new Map<GroupName, Promise<GroupRunner>>();
  private readonly open = new Set<GroupRunner>();
  private readonly closing = new Map<GroupName, Promise<void>>();
  private readonly feed: StateFeed;
  private timer: NodeJS.Timeout | undefined;
  private joining = 0;
  private streamsMaxBefore = 0;

  constructor(private readonly context: GroupsContext) {
    this.feed = new StateFeed(context);
  }

  /** See `ConsumerGroups`. */
  async join(command: JoinCommand, call: CallContext, stop: AbortSignal): Promise<Membership> {
    const stored = await readGroup(this.context, command.group, call);
    if (stored === undefined) throw new GroupError('GROUP_NOT_FOUND', `there is no group ${command.group}`);
    checkRoom(this.memberCount + this.joining, 'membersMax', this.context.limits.membersMax);
    this.joining++;
    try {
      const runner = await this.runnerOf(command.group, stored);
      try {
        return await this.joinRunner(runner, command, call, stop);
      } finally {
        runner.pending--;
        this.closeIfEmpty(runner);
      }
    } finally {
      this.joining--;
    }
  }

  facts(): GroupFacts[] {
    return [...this.open].filter(({ memberships }) => memberships.joined.size > 0).map(factsOf);
  }

  /** Resolves when the last member has gone. */
  async close(): Promise<void> {
    const members = [...this.open].flatMap((runner) =>
      [...runner.memberships.joined.values()].map(({ member }) => {
        member.end(new CancelledError('the gateway stops'));
        return runner.remove(member);
      }),
    );
    await Promise.all(members);
    await Promise.all(this.closing.values());
    clearInterval(this.timer);
  }

  private get memberCount(): number {
    return [...this.open].reduce((sum, { memberships }) => sum + memberships.joined.size, 0);
  }

  private async joinRunner(
    runner: GroupRunner,
    command: JoinCommand,
    call: CallContext,
    stop: AbortSignal,
  ): Promise<Membership> {
    const { limits } = this.context;
    const id = command.member ?? newMemberId();
    await this.checkNew(runner, id);
    const others = runner.records.under(memberPrefix(command.group)).length;
    checkRoom(others, 'groupMembersMax', limits.groupMembersMax);
    const session = randomUUID();
    const member = new Member(id, command.inFlightMax, runner);
    const { heartbeatMs } = command;
    const joined: Joined = {
      member,
      lease: new MemberLease(this.context, command.group, id, session),
      session,
      heartbeatMs,
      nextHeartbeatMs: performance.now() + (heartbeatMs ?? 0),
    };
    await joined.lease.create(runner.memberships.toRecord(joined), call);
    runner.add(joined);
    watchEnd(runner, member, call, stop);
    return member;
  }

  /** Throws GroupError if this gateway has a member of that id, after one that is just leaving has gone. */
  private async checkNew(runner: GroupRunner, id: GroupName): Promise<void> {
    await runner.memberships.joined.get(id)?.removal;
    if (runner.memberships.joined.has(id))
      throw new GroupError('MEMBER_EXISTS', `the group has a member ${id}`);
  }

  /** The group, opened if there is no member yet. It stays open while `pending` is above 0. */
  private async runnerOf(name: GroupName, stored: StoredGroup): Promise<GroupRunner> {
    await this.closing.get(name);
    let opening = this.runners.get(name);
    if (opening === undefined) {
      opening = this.openRunner(name, stored);
      this.runners.set(name, opening);
      opening.catch(() => this.runners.delete(name));
    }
    const runner = await opening;
    runner.pending++;
    return runner;
  }

  private async openRunner(name: GroupName, stored: StoredGroup): Promise<GroupRunner> {
    // Other members may wait for it when the first one goes.
    const { storeId } = await storeEnd(this.context.store, ownCall(openTimeoutMs));
    const records = await this.feed.join(name);
    const runner = new GroupRunner(this.context, stored, {
      storeId,
      records,
      bounds: { streamsMax: this.streamsMax(), bytesMax: 0 },
      onEmpty: () => {
        this.closeIfEmpty(runner);
      },
    });
    this.open.add(runner);
    this.share();
    this.timer ??= setInterval(() => {
      const nowMs = performance.now();
      for (const one of this.open) one.tick(nowMs);
    }, this.context.timings.tickMs);
    return runner;
  }

  /** How many streams of a lane may wait: the record of the lane, which names them, must not be larger than NATS takes. */
  private streamsMax(): number {
    const { limits, state, log } = this.context;
    const { valueBytesMax } = state;
    const found = Math.min(limits.laneStreamsWaitingMax, holesWithin(valueBytesMax));
    if (found < limits.laneStreamsWaitingMax && found !== this.streamsMaxBefore)
      log.warn(
        {
          streamsMax: found,
          laneStreamsWaitingMax: limits.laneStreamsWaitingMax,
          recordBytesMax: valueBytesMax,
        },
        'fewer streams of a lane may wait than is configured: NATS takes no larger record, see its max_payload',
      );
    this.streamsMaxBefore = found;
    return found;
  }

  /** Sets what each lane may hold: the bytes that all groups may hold are divided among the lanes. */
  private share(): void {
    const streamsMax = this.streamsMax();
    const { groupBytesMax, groupsBytesMax } = this.context.limits;
    const groupBytes = Math.min(groupBytesMax, groupsBytesMax / Math.max(1, this.open.size));
    for (const { bounds, settings } of this.open)
      Object.assign(bounds, { streamsMax, bytesMax: groupBytes / settings.lanes } satisfies LaneBounds);
  }

  private closeIfEmpty(runner: GroupRunner): void {
    const { name } = runner;
    if (runner.memberships.joined.size > 0 || runner.pending > 0 || !this.open.delete(runner)) return;
    this.runners.delete(name);
    this.share();
    const closed = runner.close().finally(() => this.closing.delete(name));
    this.closing.set(name, closed);
    if (this.open.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

function newMemberId(): GroupName {
  const id = parseGroupName(randomUUID());
  if (id === undefined) throw new Error('a UUID is a valid id of a member');
  return id;
}

/** Ends the membership when its call has ended, and lets it settle what it has when the gateway stops. */
function watchEnd(runner: GroupRunner, member: Member, call: CallContext, stop: AbortSignal): void {
  const drain = (): void => {
    member.notify({ kind: 'draining' });
    runner.memberships.leave(member, stop.reason, performance.now() + drainMs);
  };
  const drop = (): void => {
    runner.memberships.end(member, call.signal.reason);
  };
  stop.addEventListener('abort', drain, { once: true });
  call.signal.addEventListener('abort', drop, { once: true });
  if (stop.aborted) drain();
  if (call.signal.aborted) drop();
}
