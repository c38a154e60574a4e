import type { CallerLimits } from '../auth/permissions';
import type { Share, Slot } from '../auth/quota';
import { boundName, type Limits } from '../limits';
import { OverloadedError } from '../store/errors';
import type { RefusingBound } from '../store/refusing-bounds';
import type { Caller } from './call-scope';
import type { Connection } from './connections';

/** Bounds how many calls of one kind are under way: in all, of one client connection, and of one principal. */
export interface Slots {
  /** Returns a function that frees the slot. Throws OverloadedError or QuotaExceededError, which name the bound that is reached. */
  take(caller: Caller): () => void;
  /** How many slots are taken. */
  readonly taken: number;
}

export type Kind = Exclude<Slot, 'calls'>;

/** The slots of each kind of calls. */
export function createAllSlots(limits: Limits): Record<Kind, Slots> {
  const of = (what: Kind, total: SlotBound, share: SlotBound): Slots =>
    createSlots(what, { key: total, max: limits[total] }, { key: share, max: limits[share] });
  return {
    reads: of('reads', 'readsMax', 'connectionReadsMax'),
    subscriptions: of('subscriptions', 'subscriptionsMax', 'connectionSubscriptionsMax'),
    members: of('members', 'membersMax', 'connectionMembersMax'),
    sessions: of('sessions', 'sessionsMax', 'connectionSessionsMax'),
    lookups: of('lookups', 'lookupsMax', 'connectionLookupsMax'),
  };
}

type SlotBound = RefusingBound & keyof Limits;

interface Bound {
  readonly key: SlotBound;
  readonly max: number;
}

function createSlots(what: Kind, total: Bound, share: Bound): Slots {
  const byConnection = new Map<Connection, number>();
  let taken = 0;
  const refuse = (count: number, whose: string, { key }: Bound): never => {
    throw new OverloadedError(
      key,
      `${count} ${what}${whose} are under way, as many as ${boundName(key)} allows`,
    );
  };
  return {
    get taken() {
      return taken;
    },
    take({ connection, share: ofPrincipal, access }) {
      if (taken >= total.max) refuse(taken, '', total);
      const own = byConnection.get(connection) ?? 0;
      if (own >= share.max) refuse(own, ' of this connection', share);
      enterShare(ofPrincipal, what, access.permissions.limits);
      byConnection.set(connection, own + 1);
      taken++;
      return () => {
        taken--;
        leaveShare(ofPrincipal, what);
        const left = (byConnection.get(connection) ?? 0) - 1;
        if (left > 0) byConnection.set(connection, left);
        else byConnection.delete(connection);
      };
    },
  };
}

/** A member of a group counts as a subscription as well. Throws QuotaExceededError. */
function enterShare(share: Share | undefined, what: Kind, limits: CallerLimits): void {
  share?.enter(what, limits);
  if (what !== 'members') return;
  try {
    share?.enter('subscriptions', limits);
  } catch (error) {
    share?.leave(what);
    throw error;
  }
}

function leaveShare(share: Share | undefined, what: Kind): void {
  share?.leave(what);
  if (what === 'members') share?.leave('subscriptions');
}
