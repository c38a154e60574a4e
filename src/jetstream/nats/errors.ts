import {
  InvalidRequestError,
  NotPermittedError,
  OverloadedError,
  StoreFullError,
  StoreRefusedError,
  StoreUnavailableError,
  isStoreError,
} from '../../store/errors';

/** There is no connection: nothing was sent. */
export class NotConnectedError extends Error {}

/** The request was sent, and the connection was lost before the answer arrived. */
export class ConnectionLostError extends Error {}

/** The request was sent, and no answer arrived in time. */
export class RequestTimeoutError extends Error {}

/** Nothing serves the subject: JetStream is off, or the stream has no leader yet. Nothing was stored. */
export class NoRespondersError extends Error {}

/** The server's permissions forbid the subject. */
export class PermissionViolationError extends Error {}

/** The request was sent, and then the permission to receive answers was withdrawn. */
export class AnswerForbiddenError extends PermissionViolationError {}

/** What an error of nats-server means for a request. */
type Meaning =
  /** No space is left: of the account, the server, the disk, the stream. */
  | 'full'
  /** Too much at the same time: messages that wait for the stream, open batches. */
  | 'overloaded'
  /** Passes by itself, or after a change at NATS. */
  | 'unavailable'
  /** Depends on the request. */
  | 'other';

/** The errors of nats-server that have a meaning here, by its own names and numbers (server/errors.json). */
const natsErrors = {
  accountResourcesExceeded: [10002, 'full'],
  insufficientResources: [10023, 'full'],
  memoryResourcesExceeded: [10028, 'full'],
  storageResourcesExceeded: [10047, 'full'],
  streamStoreFailed: [10077, 'full'],
  streamTooManyRequests: [10167, 'overloaded'],
  atomicPublishTooManyInflight: [10210, 'overloaded'],
  clusterNotAvail: [10008, 'unavailable'],
  clusterNotLeader: [10009, 'unavailable'],
  noAccount: [10035, 'unavailable'],
  notEnabledForAccount: [10039, 'unavailable'],
  streamNotFound: [10059, 'unavailable'],
  streamReplicasNotSupported: [10074, 'unavailable'],
  notEnabled: [10076, 'unavailable'],
  streamOffline: [10118, 'unavailable'],
  streamExpectedLastSeqPerSubjectNotReady: [10163, 'unavailable'],
  streamOfflineReason: [10194, 'unavailable'],
  noMessageFound: [10037, 'other'],
  streamNameExist: [10058, 'other'],
  streamMessageExceedsMaximum: [10054, 'other'],
  streamWrongLastMsgID: [10070, 'other'],
  streamWrongLastSequence: [10071, 'other'],
  streamDuplicateMessageConflict: [10158, 'other'],
  streamWrongLastSequenceConstant: [10164, 'other'],
  atomicPublishIncompleteBatch: [10176, 'other'],
  atomicPublishTooLargeBatch: [10199, 'other'],
  atomicPublishContainsDuplicateMessage: [10201, 'other'],
} as const satisfies Record<string, readonly [number: number, meaning: Meaning]>;

export type NatsErrorName = keyof typeof natsErrors;

const byNumber = new Map(
  (Object.keys(natsErrors) as NatsErrorName[]).map((name) => [natsErrors[name][0] as number, name]),
);

/** The JetStream API refused. */
export class JetStreamApiError extends Error {
  /** undefined: the error has no meaning here. */
  readonly errorName: NatsErrorName | undefined;

  constructor(
    /** The server's number for the reason; 0: it gave none. */
    readonly number: number,
    readonly status: number,
    description: string,
  ) {
    super(`${description} (${number.toString()})`);
    this.errorName = byNumber.get(number);
  }

  /** A refusal for a reason that is named here. */
  static of(name: NatsErrorName, status: number, description: string): JetStreamApiError {
    return new JetStreamApiError(natsErrors[name][0], status, description);
  }

  get meaning(): Meaning {
    const known = this.errorName === undefined ? 'other' : natsErrors[this.errorName][1];
    return known === 'other' && this.status === 503 ? 'unavailable' : known;
  }
}

export function isRefused(error: unknown, name: NatsErrorName): boolean {
  return error instanceof JetStreamApiError && error.errorName === name;
}

/** What a failed request to NATS means to the caller; bugs pass through unchanged. */
export function toStoreError(error: unknown): unknown {
  if (isStoreError(error)) return error;
  const options = { cause: error };
  if (error instanceof PermissionViolationError) return new NotPermittedError(error.message, options);
  if (unreachable.some((kind) => error instanceof kind)) {
    return new StoreUnavailableError((error as Error).message, options);
  }
  if (!(error instanceof JetStreamApiError)) return error;
  switch (error.meaning) {
    case 'full':
      return new StoreFullError(`the store has no space: ${error.message}`, options);
    case 'overloaded':
      return new OverloadedError('nats', `NATS has too much to do: ${error.message}`, options);
    case 'unavailable':
      return new StoreUnavailableError(error.message, options);
    case 'other':
      return error;
  }
}

const unreachable = [NotConnectedError, ConnectionLostError, RequestTimeoutError, NoRespondersError];

/** What it means that NATS refused an append: whatever the error, nothing was stored. */
export function toAppendError(error: unknown, stream: string, messageBytesMax: number): unknown {
  if (error instanceof NoRespondersError) {
    const what = `the JetStream stream ${stream} stores nothing: it has no leader, or does not exist`;
    return new StoreUnavailableError(`${what} (${error.message})`, { cause: error });
  }
  const known = toStoreError(error);
  if (known !== error || !(error instanceof JetStreamApiError)) return known;
  if (error.errorName === 'streamMessageExceedsMaximum') {
    const description = `take a NATS message of more than the ${messageBytesMax.toString()} bytes that the store takes`;
    return new InvalidRequestError([{ field: 'events', description }]);
  }
  if (error.errorName === 'atomicPublishTooLargeBatch') {
    const description = `take more NATS messages than the server accepts in one batch: ${error.message}`;
    return new InvalidRequestError([{ field: 'events', description }]);
  }
  return new StoreRefusedError(`NATS refused to store it: ${error.message}`, error.number, { cause: error });
}
