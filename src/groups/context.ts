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
}

/** A member whose record has not changed for this long is dead for other gateways. */
export const memberDeadMs = 10_000;
/** A member that could not renew its record for this long gives up its lanes, before others may take them. */
export const leaseMs = 7_000;
/** How often a member renews its record. */
export const renewMs = 3_000;
/** How often the record of a lane is written, at most. */
export const laneWriteMs = 1_000;
/** How often the record of a lane is written of which only the cursor has moved. */
export const cursorWriteMs = 60_000;
/** How often everything is looked at that depends on the time. */
export const tickMs = 100;

/** A call of the gateway itself. */
export function ownCall(timeoutMs: number, signal: AbortSignal = never): CallContext {
  return { signal, deadlineMs: performance.now() + timeoutMs };
}

const never = new AbortController().signal;
