/** Everything that is wrong with groups only; the calls of groups can also end with every `StoreError`. */
export const groupErrorCodes = [
  /** There is no group with this name. */
  'GROUP_NOT_FOUND',
  /** There is a group with this name, and it has other settings or another start. */
  'GROUP_EXISTS',
  /** The group is not at the revision that the caller has seen. */
  'GROUP_CHANGED',
  /** The group has members, which the caller did not expect. */
  'GROUP_HAS_MEMBERS',
  /** The group has settled what the store has not got, as after a restore of an older backup. */
  'GROUP_AHEAD_OF_STORE',
  /** What is stored of the group cannot be read: somebody has edited it, or a later version of Sluice wrote it. */
  'GROUP_STATE_UNREADABLE',
  /** The place is after the end of the store. */
  'POSITION_BEYOND_END',
  /** The group has a member with this id. */
  'MEMBER_EXISTS',
  /** The member has settled and extended nothing for too long. */
  'MEMBER_STALLED',
  /** The member does not have this delivery. */
  'DELIVERY_NOT_HELD',
] as const;

export type GroupErrorCode = (typeof groupErrorCodes)[number];

/** A call of a group fails. The message is for the caller. */
export class GroupError extends Error {
  constructor(
    readonly code: GroupErrorCode,
    message: string,
  ) {
    super(message);
  }
}
