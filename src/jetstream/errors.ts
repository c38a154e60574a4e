import {
  NotPermittedError,
  OverloadedError,
  StoreUnavailableError,
  isStoreError,
  type StoreError,
} from '../store/errors';

/** The JetStream API refused; `errCode` is the server's number for the reason (server/errors.json). */
export class JetStreamApiError extends Error {
  constructor(
    readonly errCode: number,
    readonly status: number,
    description: string,
  ) {
    super(`${description} (${errCode.toString()})`);
  }
}

/** Nothing was sent: there is no connection. */
export class NotConnectedError extends Error {}

/** The request was sent, and the connection was lost before the answer came. */
export class ConnectionLostError extends Error {}

/** The request was sent, and no answer came in time. */
export class RequestTimeoutError extends Error {}

/** Nobody serves the subject: JetStream is off, or the stream has no leader yet. Nothing was stored. */
export class NoRespondersError extends Error {}

/** The server's permissions forbid the subject. */
export class PermissionViolationError extends Error {}

/** The numbers of the server's errors that have a meaning here. */
export const errCode = {
  streamNotFound: 10059,
  messageNotFound: 10037,
  wrongLastSequence: 10071,
  wrongLastSequenceInFlight: 10164,
  batchIncomplete: 10176,
  duplicateInBatch: 10201,
  wrongLastMessageId: 10070,
  duplicateInFlight: 10158,
  tooManyBatches: [10199, 10210],
  insufficientResources: [10023, 10047, 10077, 10122],
  unavailable: [10008, 10009, 10074],
} as const;

const quota: readonly number[] = [...errCode.tooManyBatches, ...errCode.insufficientResources];
const unavailable: readonly number[] = errCode.unavailable;

/** What a failed question to NATS means to the caller; bugs pass through unchanged. */
export function toStoreError(error: unknown): unknown {
  if (isStoreError(error)) return error satisfies StoreError;
  const cause = { cause: error };
  if (error instanceof PermissionViolationError) return new NotPermittedError(error.message, cause);
  if (error instanceof JetStreamApiError && quota.includes(error.errCode)) {
    return new OverloadedError(`the store has no room: ${error.message}`, cause);
  }
  if (
    error instanceof NotConnectedError ||
    error instanceof ConnectionLostError ||
    error instanceof RequestTimeoutError ||
    error instanceof NoRespondersError ||
    (error instanceof JetStreamApiError && (unavailable.includes(error.errCode) || error.status === 503))
  ) {
    return new StoreUnavailableError(error.message, cause);
  }
  return error;
}
