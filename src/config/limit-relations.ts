import { defaultLimits, type Limits } from '../limits';

type Given = Partial<Limits>;

/** A bound that is of no use, or does harm, when it is above another one. */
interface Relation {
  readonly smaller: keyof Limits;
  readonly larger: keyof Limits;
}

/** What must hold of the limits in force, however they came about. */
export const relations: readonly Relation[] = [
  { smaller: 'eventBytesMax', larger: 'appendBytesMax' },
  { smaller: 'appendBytesMax', larger: 'connectionAppendsBytesMax' },
  { smaller: 'appendBytesMax', larger: 'appendsBytesMax' },
  { smaller: 'connectionAppendsBytesMax', larger: 'appendsBytesMax' },
  { smaller: 'connectionAppendsMax', larger: 'appendsMax' },
  { smaller: 'streamQueueMax', larger: 'appendsMax' },
  { smaller: 'sessionAppendsMax', larger: 'streamQueueMax' },
  { smaller: 'sessionAppendsMax', larger: 'connectionAppendsMax' },
  { smaller: 'sessionBytesMax', larger: 'connectionAppendsBytesMax' },
  { smaller: 'sessionsMax', larger: 'callsMax' },
  { smaller: 'readsMax', larger: 'callsMax' },
  { smaller: 'subscriptionsMax', larger: 'callsMax' },
  { smaller: 'lookupsMax', larger: 'callsMax' },
  { smaller: 'connectionSessionsMax', larger: 'sessionsMax' },
  { smaller: 'connectionReadsMax', larger: 'readsMax' },
  { smaller: 'connectionSubscriptionsMax', larger: 'subscriptionsMax' },
  { smaller: 'connectionLookupsMax', larger: 'lookupsMax' },
  { smaller: 'appendBytesMax', larger: 'requestBytesMax' },
  { smaller: 'appendBytesMax', larger: 'heldBytesMax' },
  { smaller: 'connectionHeldBytesMax', larger: 'heldBytesMax' },
  { smaller: 'pageBytesMax', larger: 'fetchBytesMax' },
  { smaller: 'fetchBytesMax', larger: 'fetchesBytesMax' },
  { smaller: 'subscriptionBytesMax', larger: 'catchUpBytesMax' },
  { smaller: 'subscriptionBytesMax', larger: 'subscriptionsBytesMax' },
  { smaller: 'tailBytesMax', larger: 'replicaBytesMax' },
  { smaller: 'heartbeatIntervalMinMs', larger: 'heartbeatIntervalMaxMs' },
];

/** A request that carries no events, with every list of names as long as it may be, has less. */
const smallRequestBytesMax = 256 << 10;

/** So many that the last place is never taken by one alone; of one place, that one. */
function half(total: number): number {
  return Math.ceil(total / 2);
}

type Following = readonly [key: keyof Limits, value: (limits: Limits) => number];

/** The bounds that follow others unless they are given, in the order in which they do. */
const following: readonly Following[] = [
  ['eventBytesMax', (limits) => Math.min(limits.eventBytesMax, limits.appendBytesMax)],
  ['streamQueueMax', (limits) => Math.min(limits.streamQueueMax, limits.appendsMax)],
  ['connectionAppendsMax', (limits) => Math.min(limits.connectionAppendsMax, half(limits.appendsMax))],
  ['connectionAppendsBytesMax', shareOfBytes],
  ['sessionsMax', (limits) => Math.min(limits.sessionsMax, limits.callsMax)],
  ['readsMax', (limits) => Math.min(limits.readsMax, limits.callsMax)],
  ['subscriptionsMax', (limits) => Math.min(limits.subscriptionsMax, limits.callsMax)],
  ['lookupsMax', (limits) => Math.min(limits.lookupsMax, limits.callsMax)],
  ['connectionSessionsMax', (limits) => half(limits.sessionsMax)],
  ['connectionReadsMax', (limits) => half(limits.readsMax)],
  ['connectionSubscriptionsMax', (limits) => half(limits.subscriptionsMax)],
  ['connectionLookupsMax', (limits) => half(limits.lookupsMax)],
  ['sessionAppendsMax', shareOfSession],
  ['sessionBytesMax', bytesOfSession],
  ['requestBytesMax', (limits) => Math.max(2 * limits.appendBytesMax, smallRequestBytesMax)],
  ['connectionHeldBytesMax', shareOfHeld],
  ['segmentBytesMax', shareOfReplica],
];

/** It must have room for the largest append, and should have it beside what a session has under way. */
function shareOfBytes(limits: Limits): number {
  const { connectionAppendsBytesMax, appendsBytesMax, appendBytesMax, sessionBytesMax } = limits;
  const wanted = Math.max(connectionAppendsBytesMax, appendBytesMax + sessionBytesMax);
  return Math.min(wanted, Math.max(half(appendsBytesMax), appendBytesMax));
}

/** It should have room for the largest request beside others. */
function shareOfHeld({ connectionHeldBytesMax, requestBytesMax, heldBytesMax }: Limits): number {
  return Math.min(Math.max(connectionHeldBytesMax, 2 * requestBytesMax), heldBytesMax);
}

/** The oldest file is removed as a whole, and the newest one stays. */
function shareOfReplica({ segmentBytesMax, replicaBytesMax }: Limits): number {
  return Math.min(segmentBytesMax, Math.floor(replicaBytesMax / 8));
}

/** A session is not refused for what it has under way itself. */
function shareOfSession({ sessionAppendsMax, streamQueueMax, connectionAppendsMax }: Limits): number {
  return Math.min(sessionAppendsMax, streamQueueMax, connectionAppendsMax);
}

/** The same, when the largest append comes on top; 1: one append at a time. */
function bytesOfSession({ sessionBytesMax, connectionAppendsBytesMax, appendBytesMax }: Limits): number {
  return Math.max(1, Math.min(sessionBytesMax, connectionAppendsBytesMax - appendBytesMax));
}

/**
 * All limits: those that were given, the defaults for the rest, but for those that follow others. So one may lower
 * `appendsMax` alone, and what one connection, one stream or one session may take of it goes down with it.
 */
export function limitsInForce(given: Given): Limits {
  let limits: Limits = { ...defaultLimits, ...given };
  for (const [key, value] of following) limits = { ...limits, [key]: given[key] ?? value(limits) };
  return limits;
}

/** The relations that do not hold, without those of bounds that would follow: another relation says why they cannot. */
export function brokenRelations(given: Given): readonly Relation[] {
  const limits = limitsInForce(given);
  const followers = following.map(([key]) => key).filter((key) => given[key] === undefined);
  return relations.filter(
    ({ smaller, larger }) => limits[smaller] > limits[larger] && !followers.includes(smaller),
  );
}
