import { status as grpcStatus } from '@grpc/grpc-js';
import { BadRequest } from '../../generated/google/rpc/error_details';
import * as detail from '../../generated/sluice/v1/errors';
import * as errors from './errors';
import { groupErrorCodes } from './group-error-codes';
import { find, retryDelayMs, type Failure } from './failure';
import { streamErrorCodes } from './stream-error-codes';

/** The commit that an append requests. */
export interface RequestedCommit {
  readonly stream: string;
  readonly commitId: string;
}

/**
 * The error of a failed call. `commit` is the commit that an append requests; undefined for a call that stores nothing. An append
 * whose outcome the failure leaves open fails with OutcomeUnknownError.
 */
export function toError(failure: Failure, commit?: RequestedCommit): errors.AnySluiceError {
  return commit !== undefined && isInDoubt(failure) ? outcomeUnknown(failure, commit) : recognised(failure);
}

/** The error of an append that a session had sent, and that had no response when the session ended with a failure. */
export function toSessionError(failure: Failure, commit: RequestedCommit | undefined): errors.AnySluiceError {
  const { wasSent, reason = '' } = failure;
  return commit !== undefined && wasSent && !afterResponses.includes(reason)
    ? outcomeUnknown(failure, commit)
    : recognised(failure);
}

/** With these reasons a gateway ends a session only when all appends that it has begun have their responses. */
const afterResponses: readonly string[] = [
  'STORE_UNAVAILABLE',
  'OVERLOADED',
  'QUOTA_EXCEEDED',
  'INVALID_REQUEST',
  'UNAUTHENTICATED',
  'ACCESS_DENIED',
];

/**
 * Statuses with which a server or a proxy refuses a call before it passes it on, also as the HTTP statuses 403, 401 and 404.
 * RESOURCE_EXHAUSTED is not among them: a proxy may use it, or reset the call, after it has passed the request on.
 */
const refusals: readonly grpcStatus[] = [
  grpcStatus.PERMISSION_DENIED,
  grpcStatus.UNAUTHENTICATED,
  grpcStatus.UNIMPLEMENTED,
];

/** Whether the commit may be stored: the gateway did not report how the append ended, and it was not refused before. */
function isInDoubt({ wasSent, reason, status }: Failure): boolean {
  return wasSent && (reason === undefined || reason === 'INTERNAL') && !refusals.includes(status);
}

function outcomeUnknown(failure: Failure, commit: RequestedCommit): errors.OutcomeUnknownError {
  const { stream, commitId } = commit;
  const message =
    `the response to commit ${commitId} on stream ${stream} was lost (${failure.message}); ` +
    'retry with the same commit id to find out';
  return new errors.OutcomeUnknownError({ ...failure, message }, commit);
}

/** By its reason, or else by its status. */
function recognised(failure: Failure): errors.AnySluiceError {
  return (
    byReason.get(failure.reason ?? '')?.(failure) ??
    byStatus.get(failure.status)?.(failure) ??
    new errors.InternalError(failure)
  );
}

/** Each function returns undefined if the details that belong to the reason are missing. */
const byReason = new Map<string, (failure: Failure) => errors.AnySluiceError | undefined>([
  ['VERSION_CONFLICT', versionConflict],
  [
    'APPEND_CONDITION_FAILED',
    (failure) => {
      const found = find(failure.details, 'sluice.v1.AppendConditionFailed', detail.AppendConditionFailed);
      return found && new errors.AppendConditionFailedError(failure, found);
    },
  ],
  [
    'CONDITION_CONTENDED',
    (failure) => new errors.ConditionContendedError(failure, retryDelayMs(failure) ?? defaultRetryDelayMs),
  ],
  [
    'COMMIT_ID_REUSE',
    (failure) => {
      const found = find(failure.details, 'sluice.v1.CommitIdReuse', detail.CommitIdReuse);
      return found && new errors.CommitIdReuseError(failure, found);
    },
  ],
  [
    'OUTCOME_UNKNOWN',
    (failure) => {
      const found = find(failure.details, 'sluice.v1.OutcomeUnknown', detail.OutcomeUnknown);
      return found && new errors.OutcomeUnknownError(failure, found);
    },
  ],
  [
    'UNREADABLE_COMMIT',
    (failure) => {
      const found = find(failure.details, 'sluice.v1.UnreadableCommit', detail.UnreadableCommit);
      return found && new errors.UnreadableCommitError(failure, found.stream, found.position);
    },
  ],
  ['STORE_UNAVAILABLE', (failure) => unavailable(failure, 'STORE_UNAVAILABLE')],
  ['REPLICA_FILLING', (failure) => unavailable(failure, 'REPLICA_FILLING')],
  ['STORE_FULL', (failure) => new errors.StoreFullError(failure)],
  ['STORE_REFUSED', (failure) => new errors.StoreRefusedError(failure)],
  [
    'STORE_MISMATCH',
    (failure) => {
      const found = find(failure.details, 'sluice.v1.StoreMismatch', detail.StoreMismatch);
      return found && new errors.StoreMismatchError(failure, found);
    },
  ],
  ['ACCESS_DENIED', accessDenied],
  [
    'QUOTA_EXCEEDED',
    (failure) =>
      new errors.QuotaExceededError(
        failure,
        failure.facts.get('limit') ?? '',
        retryDelayMs(failure) ?? defaultRetryDelayMs,
      ),
  ],
  ...groupErrorCodes.map(
    (code) => [code, (failure: Failure) => new errors.GroupError(failure, code)] as const,
  ),
  ...streamErrorCodes.map(
    (code) =>
      [
        code,
        (failure: Failure) =>
          new errors.StreamError(failure, code, failure.facts.get('stream') ?? '', wholeCommits(failure)),
      ] as const,
  ),
]);

const byStatus = new Map<grpcStatus, (failure: Failure) => errors.AnySluiceError>([
  [grpcStatus.INVALID_ARGUMENT, invalidRequest],
  [grpcStatus.UNAVAILABLE, (failure) => unavailable(failure, 'UNAVAILABLE')],
  [grpcStatus.RESOURCE_EXHAUSTED, exhausted],
  [grpcStatus.PERMISSION_DENIED, (failure) => new errors.NotPermittedError(failure)],
  [grpcStatus.UNAUTHENTICATED, unauthenticated],
  [grpcStatus.DEADLINE_EXCEEDED, (failure) => new errors.DeadlineExceededError(failure)],
  [grpcStatus.CANCELLED, (failure) => new errors.CancelledError(failure)],
]);

function versionConflict(failure: Failure): errors.VersionConflictError | undefined {
  const { details } = failure;
  const found = find(details, 'sluice.v1.VersionConflict', detail.VersionConflict);
  if (found === undefined) return undefined;
  const all = find(details, 'sluice.v1.VersionConflicts', detail.VersionConflicts)?.conflicts ?? [found];
  return new errors.VersionConflictError(failure, toConflict(found), all.map(toConflict));
}

function wholeCommits({ facts }: Failure): errors.VersionRange | undefined {
  const [from, to] = [facts.get('from_version'), facts.get('to_version')];
  return from === undefined || to === undefined
    ? undefined
    : { fromVersion: BigInt(from), toVersion: BigInt(to) };
}

function toConflict({
  stream,
  expectedVersion = 0n,
  mustExist,
  actualVersion,
}: detail.VersionConflict): errors.VersionConflict {
  return { stream, expected: mustExist ? 'exists' : expectedVersion, actual: actualVersion };
}

function invalidRequest(failure: Failure): errors.InvalidRequestError {
  const { fieldViolations = [] } = find(failure.details, 'google.rpc.BadRequest', BadRequest) ?? {};
  const violations = fieldViolations.map(({ field, description }) => ({ field, description }));
  return new errors.InvalidRequestError(failure, violations);
}

/** A proxy that refuses a call does not say why. */
function unauthenticated(failure: Failure): errors.UnauthenticatedError {
  const cause = failure.facts.get('cause');
  const reason = cause === 'missing' || cause === 'expired' ? cause : 'invalid';
  return new errors.UnauthenticatedError(failure, reason);
}

function accessDenied(failure: Failure): errors.AccessDeniedError {
  const { facts } = failure;
  const subject = facts.get('stream') ?? facts.get('pattern') ?? facts.get('group') ?? '';
  return new errors.AccessDeniedError(failure, facts.get('action') ?? '', subject);
}

/** An overload says when to try again. Other limits do not, and a retry does not help. */
function exhausted(failure: Failure): errors.OverloadedError | errors.InvalidRequestError {
  const delayMs = retryDelayMs(failure);
  if (delayMs !== undefined) return new errors.OverloadedError(failure, delayMs);
  return new errors.InvalidRequestError(failure, [{ field: 'request', description: failure.message }]);
}

/** If the failure has no delay: about the time that a gateway needs to restart. */
const defaultRetryDelayMs = 1_000;

function unavailable(failure: Failure, code: errors.UnavailableError['code']): errors.UnavailableError {
  return new errors.UnavailableError(failure, code, retryDelayMs(failure) ?? defaultRetryDelayMs);
}
