import type { Limits } from '../limits';
import type { Admission } from './admission';
import type { Calls } from './calls';
import type { Connections } from './connections';
import type { FailureCounts } from './failure-counts';
import type { Serving } from './health';
import type { Identify } from './identify-caller';
import type { RpcCounts } from './rpc-counts';
import type { FileCredentials } from './tls-files';

/** What a server can tell of itself at any time, for metrics and health. */
export interface ServerFacts {
  readonly rpcs: readonly RpcCounts[];
  readonly failures: FailureCounts;
  connectionsRefused(): number;
  serving(): Serving;
  /** undefined: plain text. */
  readonly certificate: Pick<FileCredentials, 'expiresAtMs' | 'isCurrent'> | undefined;
  /** The bounds of all callers together. */
  bounds(): readonly BoundInUse[];
}

/** How much of a bound is in use. */
export interface BoundInUse {
  readonly bound: keyof Limits;
  readonly used: number;
  readonly max: number;
}

interface Parts {
  readonly calls: Pick<Calls, 'slots'>;
  readonly admission: Admission;
  readonly identify: Identify;
  readonly connections: Connections;
}

export function boundsOf(
  limits: Limits,
  { calls: { slots }, admission, identify, connections }: Parts,
): BoundInUse[] {
  const used = {
    readsMax: slots.reads.taken,
    subscriptionsMax: slots.subscriptions.taken,
    membersMax: slots.members.taken,
    sessionsMax: slots.sessions.taken,
    lookupsMax: slots.lookups.taken,
    callsMax: admission.callsOpen,
    heldBytesMax: admission.heldBytes,
    identifyingMax: identify.waiting(),
  };
  const bounds = Object.entries(used) as [keyof typeof used, number][];
  return [
    ...bounds.map(([bound, count]) => ({ bound, used: count, max: limits[bound] })),
    { bound: 'connectionsMax', used: connections.size, max: connections.max },
  ];
}
