/** The codes of `GroupError`. */
export const groupErrorCodes = [
  'GROUP_NOT_FOUND',
  'GROUP_EXISTS',
  'GROUP_CHANGED',
  'GROUP_HAS_MEMBERS',
  'GROUP_AHEAD_OF_STORE',
  'GROUP_STATE_UNREADABLE',
  'POSITION_BEYOND_END',
  'MEMBER_EXISTS',
  'MEMBER_STALLED',
  'DELIVERY_NOT_HELD',
] as const;

export type GroupErrorCode = (typeof groupErrorCodes)[number];
