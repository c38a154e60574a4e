import type { Limits } from '../limits';
import { OverloadedError } from '../store/errors';
import type { Connection } from './connections';

/** Bounds how many calls of one kind are under way: in all, and of one client connection. */
export interface Slots {
  /** Returns a function that frees the slot. Throws OverloadedError, which names the bound that is reached. */
  take(connection: Connection): () => void;
  /** How many slots are taken. */
  readonly taken: number;
}

/** The slots of each kind of calls. */
export function createAllSlots(
  limits: Limits,
): Record<'reads' | 'subscriptions' | 'sessions' | 'lookups', Slots> {
  const of = (what: string, total: keyof Limits, share: keyof Limits): Slots =>
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

/** `what` names the calls, such as "reads". */
function createSlots(what: string, total: Bound, share: Bound): Slots {
  const byConnection = new Map<Connection, number>();
  let taken = 0;
  const refuse = (count: number, whose: string, { name }: Bound): never => {
    throw new OverloadedError(`${count} ${what}${whose} are under way, as many as ${name} allows`);
  };
  return {
    get taken() {
      return taken;
    },
    take(connection) {
      if (taken >= total.max) refuse(taken, '', total);
      const own = byConnection.get(connection) ?? 0;
      if (own >= share.max) refuse(own, ' of this connection', share);
      byConnection.set(connection, own + 1);
      taken++;
      return () => {
        taken--;
        const left = (byConnection.get(connection) ?? 0) - 1;
        if (left > 0) byConnection.set(connection, left);
        else byConnection.delete(connection);
      };
    },
  };
}
