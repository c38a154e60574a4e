import {
  InvalidRequestError,
  NotPermittedError,
  OverloadedError,
  StoreFullError,
  StoreRefusedError,
  StoreUnavailableError,
  isStoreError,
} from '../../store/errors';

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

export function isRefused(error: unknown, number: number): boolean {
  return error instanceof JetStreamApiError && error.errCode === number;
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

/** The request was sent, and then the permission to hear answers was taken away. */
export class AnswerForbiddenError extends PermissionViolationError {}

/** The numbers of the server's errors that have a meaning here. */
export const errCode = {
  streamNotFound: 10059,
  messageNotFound: 10037,
  wrongLastSequence: 10071,
  wrongLastSequenceInFlight: 10164,
  batchIncomplete: 10176,
  duplicateInBatch: 10201,
  duplicateInFlight: 10158,
  messageTooLarge: 10054,
  batchTooLarge: 10199,
} as const;

/** There is no room: of the account, the server, the disk, the stream. */
const full = [10002, 10023, 10028, 10047, 10077];
/** Too much at a time: messages that wait for the stream, batches that are open. */
const overloaded = [10167, 10210];
/** Passes by itself, or with a setting of NATS: no leader, no JetStream, the stream is gone. */
const unavailable = [10008, 10009, 10035, 10039, 10059, 10074, 10076, 10118, 10163, 10194];

/** What a failed question to NATS means to the caller; bugs pass through unchanged. */
export function toStoreError(error: unknown): unknown {
  if (isStoreError(error)) return error;
  const cause = { cause: error };
  if (error instanceof PermissionViolationError) return new NotPermittedError(error.message, cause);
  if (error instanceof JetStreamApiError && full.includes(error.errCode)) {
    return new StoreFullError(`the store has no room: ${error.message}`, cause);
  }
  if (error instanceof JetStreamApiError && overloaded.includes(error.errCode)) {
    return new OverloadedError(`NATS has too much to do: ${error.message}`, cause);
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

/** What it means that NATS answered an append with an error: whatever its number, nothing was stored. */
export function toAppendError(error: unknown, stream: string, messageBytesMax: number): unknown {
  if (error instanceof NoRespondersError) {
    const what = `the JetStream stream ${stream} takes nothing: it has no leader, or is gone`;
    return new StoreUnavailableError(`${what} (${error.message})`, { cause: error });
  }
  const known = toStoreError(error);
  if (known !== error || !(error instanceof JetStreamApiError)) return known;
  if (error.errCode === errCode.messageTooLarge) {
    const description = `take a NATS message of more than the ${messageBytesMax.toString()} bytes that the store takes`;
    return new InvalidRequestError([{ field: 'events', description }]);
  }
  if (error.errCode === errCode.batchTooLarge) {
    const description = `take more NATS messages than the server takes in one batch: ${error.message}`;
    return new InvalidRequestError([{ field: 'events', description }]);
  }
  return new StoreRefusedError(`NATS refused to store it: ${error.message}`, error.errCode, { cause: error });
}
