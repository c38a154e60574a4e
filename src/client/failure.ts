import { status as grpcStatus, type StatusObject } from '@grpc/grpc-js';
import { BadRequest, ErrorInfo, RetryInfo } from '../../generated/google/rpc/error_details';
import { Status } from '../../generated/google/rpc/status';
import {
  CommitIdReuse,
  OutcomeUnknown,
  UnreadableCommit,
  VersionConflict,
  VersionConflicts,
} from '../../generated/sluice/v1/errors';
import {
  CancelledError,
  CommitIdReuseError,
  DeadlineExceededError,
  InternalError,
  InvalidRequestError,
  NotPermittedError,
  OutcomeUnknownError,
  OverloadedError,
  StoreFullError,
  StoreRefusedError,
  UnavailableError,
  UnreadableCommitError,
  VersionConflictError,
  type AnySluiceError,
  type CallEnd,
} from './errors';

/** A call that ended with another status than OK. */
export interface Failure extends CallEnd {
  readonly status: grpcStatus;
  readonly message: string;
  /** Of the google.rpc.ErrorInfo; undefined: the status is not the gateway's own. */
  readonly reason: string | undefined;
  readonly details: Details;
}

/** The details of a google.rpc.Status: bytes by the full name of their message. */
type Details = ReadonlyMap<string, Uint8Array>;

const domain = 'sluice.v1';

export function toFailure({ code, details: message, metadata }: StatusObject): Failure {
  const [encoded] = metadata.get('grpc-status-details-bin');
  const { details } = (encoded instanceof Uint8Array && decode(Status, encoded)) || { details: [] };
  // Like the errors of grpc-js.
  const cause = Object.assign(new Error(`${code} ${grpcStatus[code]}: ${message}`), {
    code,
    details: message,
    metadata,
  });
  return { status: code, message, cause, ...read(details) };
}

const statuses = new Map<number, grpcStatus>(
  Object.values(grpcStatus)
    .filter((value) => typeof value === 'number')
    .map((value) => [value, value]),
);

/** The same for a status within a response; `cause` is what it follows from. */
export function statusFailure({ code, message, details }: Status, cause: unknown): Failure {
  return { status: statuses.get(code) ?? grpcStatus.UNKNOWN, message, cause, ...read(details) };
}

function read(packed: Status['details']): Pick<Failure, 'reason' | 'details'> {
  const details = new Map(
    packed.map(({ typeUrl, value }) => [typeUrl.slice(typeUrl.lastIndexOf('/') + 1), value]),
  );
  const info = find(details, 'google.rpc.ErrorInfo', ErrorInfo);
  return { reason: info?.domain === domain ? info.reason : undefined, details };
}

interface MessageType<Message> {
  decode(bytes: Uint8Array): Message;
}

function find<Message>(details: Details, name: string, type: MessageType<Message>): Message | undefined {
  const bytes = details.get(name);
  return bytes && decode(type, bytes);
}

/** undefined for bytes that are no such message: the status still says something. */
function decode<Message>(type: MessageType<Message>, bytes: Uint8Array): Message | undefined {
  try {
    return type.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The error of this client for a failed call: by its reason, else by its status. */
export function toError(failure: Failure): AnySluiceError {
  return byReason(failure) ?? byStatus(failure);
}

/** undefined: no reason of this list, or without the details that belong to it. */
function byReason(failure: Failure): AnySluiceError | undefined {
  const { message, details } = failure;
  switch (failure.reason) {
    case 'VERSION_CONFLICT': {
      const found = find(details, 'sluice.v1.VersionConflict', VersionConflict);
      if (found === undefined) return undefined;
      const all = find(details, 'sluice.v1.VersionConflicts', VersionConflicts)?.conflicts ?? [found];
      const conflicts = all.map(({ stream, expectedVersion, actualVersion }) => ({
        stream,
        expected: expectedVersion,
        actual: actualVersion,
      }));
      const { stream, expectedVersion, actualVersion } = found;
      return new VersionConflictError(message, failure, stream, expectedVersion, actualVersion, conflicts);
    }
    case 'COMMIT_ID_REUSE': {
      const found = find(details, 'sluice.v1.CommitIdReuse', CommitIdReuse);
      return found && new CommitIdReuseError(message, failure, found.commitId, found.stream, found.position);
    }
    case 'OUTCOME_UNKNOWN': {
      const found = find(details, 'sluice.v1.OutcomeUnknown', OutcomeUnknown);
      return found && new OutcomeUnknownError(message, failure, found.stream, found.commitId);
    }
    case 'UNREADABLE_COMMIT': {
      const found = find(details, 'sluice.v1.UnreadableCommit', UnreadableCommit);
      return found && new UnreadableCommitError(message, failure, found.stream, found.position);
    }
    case 'STORE_UNAVAILABLE':
    case 'REPLICA_FILLING':
      return new UnavailableError(
        message,
        failure,
        failure.reason,
        retryDelayMs(details) ?? defaultRetryDelayMs,
      );
    case 'STORE_FULL':
      return new StoreFullError(message, failure);
    case 'STORE_REFUSED':
      return new StoreRefusedError(message, failure);
    default:
      return undefined;
  }
}

function byStatus(failure: Failure): AnySluiceError {
  const { message, details } = failure;
  switch (failure.status) {
    case grpcStatus.INVALID_ARGUMENT: {
      const { fieldViolations } = find(details, 'google.rpc.BadRequest', BadRequest) ?? {
        fieldViolations: [],
      };
      const violations = fieldViolations.map(({ field, description }) => ({ field, description }));
      return new InvalidRequestError(message, failure, violations);
    }
    case grpcStatus.UNAVAILABLE:
      return new UnavailableError(
        message,
        failure,
        'UNAVAILABLE',
        retryDelayMs(details) ?? defaultRetryDelayMs,
      );
    case grpcStatus.RESOURCE_EXHAUSTED: {
      const delayMs = retryDelayMs(details);
      if (delayMs !== undefined) return new OverloadedError(message, failure, delayMs);
      return new InvalidRequestError(message, failure, [{ field: 'request', description: message }]);
    }
    case grpcStatus.PERMISSION_DENIED:
    case grpcStatus.UNAUTHENTICATED:
      return new NotPermittedError(message, failure);
    case grpcStatus.DEADLINE_EXCEEDED:
      return new DeadlineExceededError(message, failure);
    case grpcStatus.CANCELLED:
      return new CancelledError(message, failure);
    default:
      return new InternalError(message, failure);
  }
}

/** Where nobody could say: a gateway takes about as long to come back. */
const defaultRetryDelayMs = 1_000;

function retryDelayMs(details: Details): number | undefined {
  const delay = find(details, 'google.rpc.RetryInfo', RetryInfo)?.retryDelay;
  return delay && Number(delay.seconds) * 1_000 + delay.nanos / 1e6;
}
