/** The codes of `StreamError`. */
export const streamErrorCodes = ['STREAM_NOT_FOUND', 'STREAM_TOMBSTONED', 'VERSION_BEYOND_END'] as const;

export type StreamErrorCode = (typeof streamErrorCodes)[number];
