import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import type { Limits } from '../limits';
import type { CallContext, EventStore } from '../store/event-store';
import type { StateStore } from '../store/state-store';

/** What the groups of a gateway work with. */
export interface GroupsContext {
  readonly store: EventStore;
  readonly state: StateStore;
  readonly limits: Limits;
  readonly log: Logger;
  /** Where this gateway listens: members are listed with it. */
  readonly gateway: string;
  /** Those of tests are shorter. */
  readonly timings: GroupTimings;
}

/** Times of the protocol, in milliseconds: the same for all gateways of a store. */
export interface GroupTimings {
  /** A member whose record has not changed for this long is dead for other gateways. */
  readonly memberDeadMs: number;
  /** A member that could not renew its record for this long gives up its lanes, before others may take them. */
  readonly leaseMs: number;
  /** How often a member renews its record. */
  readonly renewMs: number;
  /** How often the record of a lane is written, at most. */
  readonly laneWriteMs: number;
  /** How often the record of a lane is written of which only the cursor has moved. */
  readonly cursorWriteMs: number;
  /** How often everything is looked at that depends on the time. */
  readonly tickMs: number;
}

export const defaultTimings: GroupTimings = {
  memberDeadMs: 10_000,
  leaseMs: 7_000,
  renewMs: 3_000,
  laneWriteMs: 1_000,
  cursorWriteMs: 300_000,
  tickMs: 100,
};

/** A call of the gateway itself. */
export function ownCall(timeoutMs: number): CallContext {
  const { signal } = new AbortController();
  setMaxListeners(0, signal); // one for each record of a list
  return { signal, deadlineMs: performance.now() + timeoutMs };
}
