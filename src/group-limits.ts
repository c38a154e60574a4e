/** The limits of consumer groups: a part of `Limits` (limits.ts). */
export interface GroupLimits {
  /** Consumer groups of a store: each has some records beside the log. */
  readonly groupsMax: number;
  /** Members of one group, on all gateways: each has a record that is renewed. */
  readonly groupMembersMax: number;
  /** Members of groups on this gateway: each needs as much as a subscription, and its deliveries. */
  readonly membersMax: number;
  /** Members of one client connection: one caller alone must not use up the bound for all. */
  readonly connectionMembersMax: number;
  /** Deliveries that one member may have at a time. */
  readonly memberInFlightMax: number;
  /**
   * Bytes of events that wait for the members of one group on this gateway or are with them, except one delivery for each lane; and as
   * much for replays of parked events.
   */
  readonly groupBytesMax: number;
  /** The same for all groups on this gateway. */
  readonly groupsBytesMax: number;
  /** Streams of one lane that may wait for an event that failed or is not settled: the record of the lane names them. */
  readonly laneStreamsWaitingMax: number;
}

export const groupLimits: GroupLimits = {
  groupsMax: 2_000,
  groupMembersMax: 256,
  membersMax: 1_000,
  connectionMembersMax: 500,
  memberInFlightMax: 10_000,
  groupBytesMax: 8 << 20,
  groupsBytesMax: 64 << 20,
  laneStreamsWaitingMax: 1_000,
};
