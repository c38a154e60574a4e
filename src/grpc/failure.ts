import type { Logger } from 'pino';
import { isAuthError, type AnyAuthError } from '../auth/errors';
import { CommitIdReuseError, DeadlineExceededError, isStoreError, type AnyStoreError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import { GroupError } from '../store/group-errors';
import type { Access } from './access';
import type { AuditedCall, CallAudit } from './call-audit';
import type { CallKind } from './call-kind';
import type { FailureCounts } from './failure-counts';

/** What a call fails with. */
export type Failure = AnyStoreError | AnyAuthError | GroupError | UnexpectedError;

/** A bug. The caller learns nothing about the inside; the log of the gateway has the error. */
export class UnexpectedError extends Error {
  readonly code = 'INTERNAL';

  constructor(cause: unknown) {
    super('internal error; the log of the gateway has more', { cause });
  }
}

/** A web page that may make no calls tries to: it is refused before there is a call. */
export class OriginDeniedError extends Error {
  readonly code = 'ACCESS_DENIED';

  constructor(readonly origin: string) {
    super(`web pages of ${origin} may make no calls (--http-origins)`);
  }
}

/** A call that fails. */
interface FailedCall extends CallContext, AuditedCall {
  readonly kind: CallKind;
  readonly access: Access;
  readonly requestId: string;
}

/** Tells what an error means to its caller. */
export type Recognise = (error: unknown, call: FailedCall) => Failure;

/**
 * Logs an error that is a bug, counts what is refused, and records a denial in the audit log. When the caller has gone, or its deadline has passed, all kinds of things fail, so that the call
 * fails with that reason instead. An append is different: it runs to its end all the same, and may be stored.
 */
export function createRecognise(log: Logger, audit: CallAudit, failures: FailureCounts): Recognise {
  const recognise: Recognise = (error, call) => {
    if (isStoreError(error))
      return isLate(error, call) ? deadlineExceeded({ cause: error }) : shown(error, call);
    if (isAuthError(error) || error instanceof GroupError) return error;
    if (call.signal.aborted && !call.kind.isAppend) return call.signal.reason as Failure;
    log.error({ err: error, rpc: call.path, requestId: call.requestId }, 'a call failed unexpectedly');
    return new UnexpectedError(error);
  };
  return (error, call) => {
    const failure = recognise(error, call);
    failures.note(failure);
    if (isAuthError(failure)) audit.denied(failure, call);
    return failure;
  };
}

/** The error as the caller may see it: a commit id is no way to find the streams of others. */
function shown(error: AnyStoreError, { access }: FailedCall): AnyStoreError {
  if (!(error instanceof CommitIdReuseError) || access.permissions.allows('read', error.stream)) return error;
  return error.withoutStream();
}

/** Timers fire early by the time that their iteration of the event loop has taken. */
const timerSlackMs = 25;

/** Whether an error only says that the time of the call was too short to reach the store. */
function isLate({ code }: AnyStoreError, { deadlineMs }: CallContext): boolean {
  return code === 'STORE_UNAVAILABLE' && performance.now() >= deadlineMs - timerSlackMs;
}

export function deadlineExceeded(options?: ErrorOptions): DeadlineExceededError {
  return new DeadlineExceededError('the deadline passed before the response was ready', options);
}
