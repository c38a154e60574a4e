import type { Limits } from '../limits';
import { OverloadedError } from '../store/errors';
import type { Connection } from './connections';

/** Bounds how many calls of one kind are under way: in all, and of one client connection. */
export interface Places {
  /** Gives a function that gives the place back. Throws OverloadedError with the bound that is reached. */
  take(connection: Connection): () => void;
  /** How many are taken. */
  readonly taken: number;
}

/** The places of each kind of calls. */
export function createAllPlaces(
  limits: Limits,
): Record<'reads' | 'subscriptions' | 'sessions' | 'lookups', Places> {
  const of = (what: string, total: keyof Limits, share: keyof Limits): Places =>
    createPlaces(
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

/** What ServerLimits and docs/configuration.md call a bound. */
function wireName(key: keyof Limits): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

interface Bound {
  readonly name: string;
  readonly max: number;
}

/** `what` names the calls, such as "reads". */
function createPlaces(what: string, total: Bound, share: Bound): Places {
  const byConnection = new Map<Connection, number>();
  let all = 0;
  const refuse = (count: number, whose: string, { name }: Bound): never => {
    throw new OverloadedError(`${count} ${what}${whose} are under way, as many as ${name} allows`);
  };
  return {
    get taken() {
      return all;
    },
    take(connection) {
      if (all >= total.max) refuse(all, '', total);
      const own = byConnection.get(connection) ?? 0;
      if (own >= share.max) refuse(own, ' of this connection', share);
      byConnection.set(connection, own + 1);
      all++;
      return () => {
        all--;
        const left = (byConnection.get(connection) ?? 0) - 1;
        if (left > 0) byConnection.set(connection, left);
        else byConnection.delete(connection);
      };
    },
  };
}
