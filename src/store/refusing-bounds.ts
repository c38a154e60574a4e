import type { Limits } from '../limits';

/** Every bound at which calls or appends are refused. `nats`: one of NATS itself. */
export const refusingBounds = [
  'streamQueueMax',
  'appendsMax',
  'appendsBytesMax',
  'connectionAppendsMax',
  'connectionAppendsBytesMax',
  'sessionsMax',
  'connectionSessionsMax',
  'readsMax',
  'connectionReadsMax',
  'subscriptionsMax',
  'connectionSubscriptionsMax',
  'lookupsMax',
  'connectionLookupsMax',
  'callsMax',
  'heldBytesMax',
  'connectionHeldBytesMax',
  'identifyingMax',
  'connectionIdentifyingMax',
  'identifyTimeoutMs',
  'jwtsWaitingMax',
  'auditBytesMax',
  'httpBodiesBytesMax',
  'httpConnectionCallsMax',
  'groupsMax',
  'groupMembersMax',
  'membersMax',
  'connectionMembersMax',
  'nats',
] as const satisfies readonly (keyof Limits | 'nats')[];

export type RefusingBound = (typeof refusingBounds)[number];
