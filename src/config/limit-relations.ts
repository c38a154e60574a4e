import { defaultLimits, type Limits } from '../limits';

type Given = Partial<Limits>;

/** A limit that would be useless, or do harm, if it were above another one. */
interface Relation {
  readonly smaller: keyof Limits;
  readonly larger: keyof Limits;
  /** What `larger` must at least be, if that is not the value of `smaller`. */
  readonly least?: (limits: Limits) => number;
}

/** Every relation between limits that the gateway relies on. */
export const relations: readonly Relation[] = [
  { smaller: 'eventBytesMax', larger: 'appendBytesMax' },
  { smaller: 'appendBytesMax', larger: 'connectionAppendsBytesMax' },
  { smaller: 'connectionAppendsBytesMax', larger: 'appendsBytesMax' },
  { smaller: 'appendBytesMax', larger: 'appendsBytesMax' },
  { smaller: 'connectionAppendsMax', larger: 'appendsMax' },
  { smaller: 'streamQueueMax', larger: 'appendsMax' },
  // A session must not refuse its own appends.
  { smaller: 'sessionAppendsMax', larger: 'streamQueueMax' },
  { smaller: 'sessionAppendsMax', larger: 'connectionAppendsMax' },
  { smaller: 'sessionBytesMax', larger: 'connectionAppendsBytesMax', least: bytesOfSession },
  { smaller: 'sessionsMax', larger: 'callsMax' },
  { smaller: 'readsMax', larger: 'callsMax' },
  { smaller: 'subscriptionsMax', larger: 'callsMax' },
  { smaller: 'lookupsMax', larger: 'callsMax' },
  { smaller: 'connectionSessionsMax', larger: 'sessionsMax' },
  { smaller: 'connectionReadsMax', larger: 'readsMax' },
  { smaller: 'connectionSubscriptionsMax', larger: 'subscriptionsMax' },
  { smaller: 'membersMax', larger: 'callsMax' },
  { smaller: 'connectionMembersMax', larger: 'membersMax' },
  { smaller: 'groupBytesMax', larger: 'groupsBytesMax' },
  { smaller: 'connectionLookupsMax', larger: 'lookupsMax' },
  // An append that is too large must arrive, so that its error names the field.
  { smaller: 'appendBytesMax', larger: 'requestBytesMax', least: (limits) => 2 * limits.appendBytesMax },
  // An event has at least two fields: itself, and its type.
  { smaller: 'appendEventsMax', larger: 'requestFieldsMax', least: (limits) => 2 * limits.appendEventsMax },
  { smaller: 'queryBytesMax', larger: 'requestBytesMax' },
  { smaller: 'filterTypesMax', larger: 'queryBytesMax', least: (limits) => 2 * bytesOfFilter(limits) },
  { smaller: 'filterPatternsMax', larger: 'queryBytesMax', least: (limits) => 2 * bytesOfFilter(limits) },
  { smaller: 'appendBytesMax', larger: 'heldBytesMax' },
  { smaller: 'connectionHeldBytesMax', larger: 'heldBytesMax' },
  { smaller: 'subscriptionBytesMax', larger: 'catchUpBytesMax' },
  { smaller: 'subscriptionBytesMax', larger: 'subscriptionsBytesMax' },
  { smaller: 'tailBytesMax', larger: 'replicaBytesMax' },
  { smaller: 'segmentBytesMax', larger: 'replicaBytesMax' },
  { smaller: 'heartbeatIntervalMinMs', larger: 'heartbeatIntervalMaxMs' },
];

/** The relation of a session to its connection: its last append may come on top of its bound. 1: one append at a time. */
function bytesOfSession({ sessionBytesMax, appendBytesMax }: Limits): number {
  return sessionBytesMax === 1 ? appendBytesMax : sessionBytesMax + appendBytesMax;
}

/** The longest filter: types, prefixes of types and patterns, each with a tag and a length. */
function bytesOfFilter(limits: Limits): number {
  const { filterTypesMax, filterPatternsMax, labelBytesMax, streamNameBytesMax } = limits;
  const overheadBytes = 3;
  return (
    2 * filterTypesMax * (labelBytesMax + overheadBytes) +
    filterPatternsMax * (streamNameBytesMax + overheadBytes)
  );
}

type Following = readonly [key: keyof Limits, value: (limits: Limits) => number];

/** The limits that follow others unless they are given, in this order. */
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
  ['membersMax', (limits) => Math.min(limits.membersMax, limits.callsMax)],
  ['connectionMembersMax', (limits) => half(limits.membersMax)],
  ['groupBytesMax', (limits) => Math.min(limits.groupBytesMax, limits.groupsBytesMax)],
  ['connectionLookupsMax', (limits) => half(limits.lookupsMax)],
  ['sessionAppendsMax', appendsOfSession],
  ['sessionBytesMax', shareOfSession],
  ['requestBytesMax', (limits) => Math.max(2 * limits.appendBytesMax, requestBytesMin)],
  ['connectionHeldBytesMax', shareOfHeld],
  ['segmentBytesMax', shareOfReplica],
];

/** Enough for every request without events, with each of its lists as long as it may be. */
const requestBytesMin = 256 << 10;

/** Half of a bound, so that one connection cannot use it up; all of it if it is 1. */
function half(total: number): number {
  return Math.ceil(total / 2);
}

/** Enough for the largest append, and if possible for a full session beside it. */
function shareOfBytes(limits: Limits): number {
  const { connectionAppendsBytesMax, appendsBytesMax, appendBytesMax, sessionBytesMax } = limits;
  const ideal = Math.max(connectionAppendsBytesMax, appendBytesMax + sessionBytesMax);
  return Math.min(ideal, Math.max(half(appendsBytesMax), appendBytesMax));
}

/** If possible enough for two of the largest requests. */
function shareOfHeld({ connectionHeldBytesMax, requestBytesMax, heldBytesMax }: Limits): number {
  return Math.min(Math.max(connectionHeldBytesMax, 2 * requestBytesMax), heldBytesMax);
}

/** The replica removes its oldest file as a whole: with eight files it stays seven eighths full. */
function shareOfReplica({ segmentBytesMax, replicaBytesMax }: Limits): number {
  return Math.min(segmentBytesMax, Math.floor(replicaBytesMax / 8));
}

function appendsOfSession({ sessionAppendsMax, streamQueueMax, connectionAppendsMax }: Limits): number {
  return Math.min(sessionAppendsMax, streamQueueMax, connectionAppendsMax);
}

/** Leaves the bytes of the largest append to its connection; 1: one append at a time. */
function shareOfSession({ sessionBytesMax, connectionAppendsBytesMax, appendBytesMax }: Limits): number {
  return Math.max(1, Math.min(sessionBytesMax, connectionAppendsBytesMax - appendBytesMax));
}

/**
 * All limits: the given ones, and the defaults of the others, except those that follow. If only `appendsMax` is lowered, the
 * shares of one connection, one stream and one session follow it.
 */
export function limitsInForce(given: Given): Limits {
  let limits: Limits = { ...defaultLimits, ...given };
  for (const [key, value] of following) limits = { ...limits, [key]: given[key] ?? value(limits) };
  return limits;
}

/** Whether a limit follows others unless it is given. */
export function doesFollow(key: keyof Limits): boolean {
  return following.some(([follower]) => follower === key);
}

/**
 * The relations that do not hold. Limits that follow are left out: if they cannot follow, another relation is broken, and that
 * one is reported.
 */
export function brokenRelations(given: Given): readonly Relation[] {
  const limits = limitsInForce(given);
  return relations.filter(({ smaller, larger, least }) => {
    const isGiven = !doesFollow(smaller) || given[smaller] !== undefined;
    return isGiven && limits[larger] < (least?.(limits) ?? limits[smaller]);
  });
}
