import type { CallContext, EventFilter, EventRun } from './event-store';
import type { Position, StreamName, UnixNanos, Version } from './values';

/** What a group selects and how it treats what fails; complete: defaults are filled in. */
export interface GroupSettings {
  readonly filter: EventFilter;
  readonly lanes: number;
  /** 0: events are never parked. */
  readonly attemptsMax: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly ackTimeoutMs: number;
  readonly handoverTimeoutMs: number;
  readonly parkedMax: number;
  /** Whether what follows a parked event on its stream is parked too. */
  readonly parkFollowing: boolean;
  readonly skipUnreadable: boolean;
}

export type GroupStart =
  | { readonly kind: 'beginning' }
  | { readonly kind: 'end' }
  | { readonly kind: 'position'; readonly after: Position }
  | { readonly kind: 'time'; readonly from: UnixNanos };

/** A group as it is stored. */
export interface Group {
  readonly name: GroupName;
  readonly settings: GroupSettings;
  readonly start: Position;
  /** Changes with each update and reset. */
  readonly revision: bigint;
  readonly createTime: UnixNanos;
}

declare const brand: unique symbol;
/** A valid name of a group or id of a member: 1 to 100 characters of those of a stream's token. */
export type GroupName = string & { readonly [brand]: 'GroupName' };

const groupName = /^[A-Za-z0-9_:@=+~-]{1,100}$/;

/** The name, or undefined if it is not a valid one. Also a security boundary: a name becomes a NATS subject. */
export function parseGroupName(text: string): GroupName | undefined {
  return groupName.test(text) ? (text as GroupName) : undefined;
}

export interface LaneState {
  readonly number: number;
  /** "": no member has it. */
  readonly member: string;
  readonly floor: Position;
  readonly cursor: Position;
  /** When the oldest event that is not settled was committed; undefined: nothing is outstanding up to the cursor. */
  readonly oldestTime: UnixNanos | undefined;
  readonly streamsWaiting: number;
}

export interface MemberState {
  readonly id: GroupName;
  readonly lanes: readonly number[];
  readonly inFlightMax: number;
  readonly gateway: string;
}

export interface GroupState {
  readonly group: Group;
  readonly lanes: readonly LaneState[];
  readonly members: readonly MemberState[];
  readonly parkedCount: number;
  readonly head: Position;
}

export interface ParkedEvent {
  readonly stream: StreamName;
  readonly version: Version;
  readonly position: Position;
  readonly eventId: string;
  readonly type: string;
  readonly reason: string;
  readonly attempts: number;
  readonly parkTime: UnixNanos;
  readonly following: boolean;
  readonly replaying: boolean;
  /** The event, framed as in `EventRun`; undefined if it was not requested or can no longer be read. */
  readonly event: EventRun | undefined;
}

/** Which parked events. */
export interface ParkedSelection {
  readonly group: GroupName;
  /** undefined: of all streams. */
  readonly stream: StreamName | undefined;
  /** undefined: all of them. */
  readonly version: Version | undefined;
}

export interface JoinCommand {
  readonly group: GroupName;
  /** undefined: a new one is made. */
  readonly member: GroupName | undefined;
  readonly inFlightMax: number;
  /** undefined: no heartbeats. */
  readonly heartbeatMs: number | undefined;
}

/** Encoded events, framed as in `EventRun`: [start, end) of a block of which others may have parts, too. */
export interface EventBytes {
  readonly block: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Events of one stream that follow one another there, of the same commit, as far as the group selects them. */
export interface Delivery {
  /** Names it within its membership: from 1. */
  readonly id: number;
  readonly lane: number;
  readonly stream: StreamName;
  readonly events: EventBytes;
  readonly eventCount: number;
  /** How often its first event was tried, this time included. */
  readonly attempt: number;
  readonly redelivered: boolean;
  readonly replayed: boolean;
}

/** What a member says is the id of a delivery: any uint64, of which a number has only those that it has exactly. */
export type SaidId = number | bigint;

export type MemberUpdate =
  | { readonly kind: 'deliveries'; readonly deliveries: readonly Delivery[] }
  | { readonly kind: 'assigned'; readonly lanes: readonly number[] }
  /** `timeoutMs` undefined: the lanes are lost already. */
  | { readonly kind: 'revoked'; readonly lanes: readonly number[]; readonly timeoutMs: number | undefined }
  | { readonly kind: 'refused'; readonly delivery: bigint; readonly error: Error }
  | { readonly kind: 'caughtUp' }
  | { readonly kind: 'heartbeat'; readonly head: Position }
  | { readonly kind: 'draining' };

/** What became of a delivery whose event after the first `handled` failed. */
export type Failed =
  | { readonly kind: 'retry'; readonly delayMs: number | undefined; readonly reason: string }
  | { readonly kind: 'park'; readonly reason: string }
  | { readonly kind: 'skip' };

/**
 * A member of a group. Settling never throws: for what the member does not have, an update `refused` comes. Nothing waits
 * here: what was settled is stored within a second, and before `updates` ends.
 */
export interface Membership {
  readonly member: GroupName;
  /** "": the store has no id. */
  readonly storeId: string;
  /** Those in force: another object once the group was updated, and before lanes are assigned by it. */
  readonly settings: GroupSettings;
  /** Updates `refused` that were not taken yet: nothing more is settled while there are many, so that they cannot pile up. */
  readonly refusedWaiting: number;
  /**
   * What the member gets, once; the next deliveries come when those before were taken. Ends when the member has left and what it
   * settled is stored. Throws a StoreError or a GroupError if the membership ends otherwise; leaving the loop ends it too.
   */
  readonly updates: AsyncIterable<MemberUpdate>;
  ack(deliveries: readonly SaidId[]): void;
  fail(delivery: SaidId, handled: number, failed: Failed): void;
  extend(deliveries: readonly SaidId[]): void;
  leave(): void;
}

export interface CreateGroup {
  readonly name: GroupName;
  readonly settings: GroupSettings;
  readonly start: GroupStart;
}

export interface UpdateGroup {
  readonly name: GroupName;
  readonly settings: GroupSettings;
  /** The one that the caller has seen; 0n: any. */
  readonly revision: bigint;
}

export interface DeleteGroup {
  readonly name: GroupName;
  readonly force: boolean;
}

export interface ResetGroup {
  readonly name: GroupName;
  readonly to: GroupStart;
  readonly force: boolean;
}

export interface ListGroups {
  /** Only names after this one in byte order; "": from the first. */
  readonly after: string;
  /** undefined: no bound. */
  readonly maxCount: number | undefined;
}

export interface ListParked extends ParkedSelection {
  /** undefined: no bound. */
  readonly maxCount: number | undefined;
  readonly withEvents: boolean;
}

/** The groups of a store. Every method throws only `StoreError`s and `GroupError`s. */
export interface ConsumerGroups {
  /** The group as it is stored; undefined: it does not exist. */
  find(name: GroupName, call: CallContext): Promise<Group | undefined>;
  create(
    command: CreateGroup,
    call: CallContext,
  ): Promise<{ readonly group: Group; readonly created: boolean }>;
  update(command: UpdateGroup, call: CallContext): Promise<Group>;
  /** Whether there was one. */
  delete(command: DeleteGroup, call: CallContext): Promise<boolean>;
  /** All groups by name, after a name. */
  list(after: string, call: CallContext): Promise<readonly Group[]>;
  get(name: GroupName, call: CallContext): Promise<GroupState>;
  reset(command: ResetGroup, call: CallContext): Promise<Group>;
  /** `stop` is aborted when the connection of the member ends or the gateway stops, with the error that the member gets. */
  join(command: JoinCommand, call: CallContext, stop: AbortSignal): Promise<Membership>;
  /** In the order of their positions, in pages. */
  listParked(query: ListParked, call: CallContext): AsyncIterable<readonly ParkedEvent[]>;
  /** The number of events that will be delivered again. */
  replayParked(selection: ParkedSelection, call: CallContext): Promise<number>;
  /** The number of events that were removed. */
  dropParked(selection: ParkedSelection, call: CallContext): Promise<number>;
  /** The groups that have members on this gateway, from memory. */
  facts(): readonly GroupFacts[];
}

/** What became of deliveries. `timedOut`: the member took too long; `lost`: its lane went to another member, or it went away. */
export const groupOutcomes = ['acknowledged', 'retried', 'parked', 'skipped', 'timedOut', 'lost'] as const;
export type GroupOutcome = (typeof groupOutcomes)[number];

/** How a group is doing, as far as this gateway knows. Counts are those of its own members, since they are here. */
export interface GroupFacts {
  readonly name: GroupName;
  readonly members: number;
  /** Lanes that no member of any gateway has. */
  readonly lanesWithoutOwner: number;
  /** The lowest floor of all lanes. */
  readonly floor: Position;
  readonly head: Position;
  /** When the oldest event that is not settled was committed; undefined: nothing is outstanding. */
  readonly oldestTime: UnixNanos | undefined;
  readonly streamsWaiting: number;
  readonly parked: number;
  readonly deliveries: number;
  readonly redeliveries: number;
  readonly outcomes: Readonly<Record<GroupOutcome, number>>;
}
