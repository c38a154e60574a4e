import type { Slot } from '../auth/quota';
import type { Limits } from '../limits';
import { OverloadedError } from '../store/errors';
import type { Caller } from './call-scope';
import type { Connection } from './connections';

/** Bounds how many calls of one kind are under way: in all, of one client connection, and of one principal. */
export interface Slots {
  /** Returns a function that frees the slot. Throws OverloadedError or QuotaExceededError, which name the bound that is reached. */
  take(caller: Caller): () => void;
  /** How many slots are taken. */
  readonly taken: number;
}

type Kind = Exclude<Slot, 'calls'>;

/** The slots of each kind of calls. */
export function createAllSlots(limits: Limits): Record<Kind, Slots> {
  const of = (what: Kind, total: keyof Limits, share: keyof Limits): Slots =>
    createSlots(
      what,
      { name: wireName(total), max: limits[total] },
      { name: wireName(share), max: limits[share] },
    );
  return {
    reads: of('reads', 'readsMax', 'connectionReadsMax'),
    subscriptions: of('subscriptions', 'subscriptionsMax', 'connectionSubscriptionsMax'),
    sessions: of('sessions', 'sessionsMax', 'connectionSessionsMax'),
    lookups: of('lookups', 'lookupsMax', 'connectionLookupsMax'),
  };
}

/** The name of a bound in ServerLimits and docs/configuration.md. */
function wireName(key: keyof Limits): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

interface Bound {
  readonly name: string;
  readonly max: number;
}

function createSlots(what: Kind, total: Bound, share: Bound): Slots {
  const byConnection = new Map<Connection, number>();
  let taken = 0;
  const refuse = (count: number, whose: string, { name }: Bound): never => {
    throw new OverloadedError(`${count} ${what}${whose} are under way, as many as ${name} allows`);
  };
  return {
    get taken() {
      return taken;
    },
    take({ connection, share: ofPrincipal, access }) {
      if (taken >= total.max) refuse(taken, '', total);
      const own = byConnection.get(connection) ?? 0;
      if (own >= share.max) refuse(own, ' of this connection', share);
      ofPrincipal?.enter(what, access.permissions.limits);
      byConnection.set(connection, own + 1);
      taken++;
      return () => {
        taken--;
        ofPrincipal?.leave(what);
        const left = (byConnection.get(connection) ?? 0) - 1;
        if (left > 0) byConnection.set(connection, left);
        else byConnection.delete(connection);
      };
    },
  };
}
