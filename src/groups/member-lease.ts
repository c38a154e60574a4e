import { setTimeout as sleep } from 'node:timers/promises';
import { OverloadedError } from '../store/errors';
import type { GroupName } from '../store/consumer-groups';
import type { CallContext } from '../store/event-store';
import { GroupError } from '../store/group-errors';
import { StateChangedError, type StateRecord } from '../store/state-store';
import { ownCall, type GroupsContext } from './context';
import { decodeMember, encodeMember, memberKey, type StoredMember } from './member-record';
import { isStillOf } from './record-fields';

/** So short that a second renewal fits into a lease. */
const renewTimeoutMs = 2_500;
const removeTimeoutMs = 5_000;
/** How often it is looked at whether a member is dead. */
const polls = 20;

/**
 * What became of a renewal. `fenced`: another gateway took the member for dead, so that its lanes are lost. `replaced`: another
 * gateway has a member of this id.
 */
export type Renewal = 'renewed' | 'fenced' | 'replaced' | 'failed';

/** The record of a member, which shows other gateways that it is alive. */
export class MemberLease {
  private revision = 0n;
  /** When the last renewal that succeeded was begun. */
  private renewedMs = -Infinity;
  private nextMs = 0;
  /** Whether the last renewal has failed: only the first one is logged. */
  private isFailing = false;
  private renewing: Promise<Renewal> | undefined;

  constructor(
    private readonly context: GroupsContext,
    private readonly group: GroupName,
    private readonly member: GroupName,
    private readonly session: string,
  ) {}

  /** Whether other gateways cannot have taken the member for dead. */
  isValid(nowMs: number): boolean {
    return nowMs - this.renewedMs < this.context.timings.leaseMs;
  }

  isDue(nowMs: number): boolean {
    return this.renewing === undefined && nowMs >= this.nextMs;
  }

  /**
   * Makes the record. If there is one already, it waits until it is clear whether its member is alive. Throws GroupError if it is,
   * and StoreError.
   */
  async create(stored: StoredMember, call: CallContext): Promise<void> {
    const { state } = this.context;
    for (;;) {
      call.signal.throwIfAborted();
      const nowMs = performance.now();
      try {
        this.revision = await state.put(this.key, encodeMember(stored), await this.deadRevision(call), call);
        this.renewedMs = nowMs;
        this.nextMs = nowMs + this.context.timings.renewMs;
        return;
      } catch (error) {
        if (!(error instanceof StateChangedError)) throw error;
      }
    }
  }

  /** The revision of the record of a dead member; 0n: there is no record. */
  private async deadRevision(call: CallContext): Promise<bigint> {
    const record = await this.context.state.get(this.key, call);
    if (record === undefined) return 0n;
    const { memberDeadMs } = this.context.timings;
    for (const sinceMs = performance.now(); performance.now() - sinceMs < memberDeadMs;) {
      await sleep(memberDeadMs / polls, undefined, { signal: call.signal });
      const now = await this.context.state.get(this.key, call);
      if (now === undefined) return 0n;
      if (now.revision !== record.revision)
        throw new GroupError('MEMBER_EXISTS', `the group has a member ${this.member}`);
    }
    return record.revision;
  }

  renew(stored: StoredMember): Promise<Renewal> {
    this.renewing ??= this.store(stored).finally(() => (this.renewing = undefined));
    return this.renewing;
  }

  private async store(stored: StoredMember): Promise<Renewal> {
    const nowMs = performance.now();
    this.nextMs = nowMs + this.context.timings.renewMs / 6;
    try {
      this.revision = await this.context.state.put(
        this.key,
        encodeMember(stored),
        this.revision,
        ownCall(renewTimeoutMs),
      );
    } catch (error) {
      if (error instanceof StateChangedError) return await this.whyChanged();
      if (!this.isFailing)
        this.context.log.warn({ err: error, member: this.key }, 'the record of a member was not renewed');
      this.isFailing = true;
      return 'failed';
    }
    this.renewedMs = nowMs;
    this.isFailing = false;
    this.nextMs = nowMs + this.context.timings.renewMs;
    return 'renewed';
  }

  private async whyChanged(): Promise<Renewal> {
    try {
      const record = await this.context.state.get(this.key, ownCall(renewTimeoutMs));
      this.nextMs = 0;
      if (record !== undefined && !this.isOwn(record)) return 'replaced';
      this.revision = record?.revision ?? 0n;
      return record === undefined ? 'fenced' : 'failed';
    } catch {
      return 'failed';
    }
  }

  /** Removes the record. Throws nothing: a record that stays is taken for that of a dead member. */
  async remove(): Promise<void> {
    await this.renewing;
    this.nextMs = Infinity;
    await this.context.state
      .remove(this.key, this.revision, ownCall(removeTimeoutMs))
      .catch((error: unknown) => {
        this.context.log.debug({ err: error, member: this.key }, 'the record of a member was not removed');
      });
  }

  private isOwn({ value }: StateRecord): boolean {
    return isStillOf(value, decodeMember, ({ session }) => session === this.session);
  }

  private get key(): string {
    return memberKey(this.group, this.member);
  }
}

/** Throws OverloadedError if there is no room for another member. */
export function checkRoom(count: number, bound: 'groupMembersMax' | 'membersMax', max: number): void {
  if (count < max) return;
  const where = bound === 'membersMax' ? 'the gateway' : 'the group';
  throw new OverloadedError(bound, `${where} has ${max.toString()} members, the most that it may have`);
}
