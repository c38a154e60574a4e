/** The codes of `StreamError`. */
export const streamErrorCodes = [
  'STREAM_NOT_FOUND',
  'STREAM_TOMBSTONED',
  'VERSION_BEYOND_END',
  'ERASE_SPLITS_COMMIT',
  'STORE_IMMUTABLE',
] as const;

export type StreamErrorCode = (typeof streamErrorCodes)[number];
