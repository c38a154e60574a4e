import type { StoreAction, StreamAction } from './permissions';

/** What a caller lacks to be served. Nothing was stored. Each subclass has a code of its own. */
export abstract class AuthError extends Error {
  abstract readonly code: AnyAuthError['code'];
}

/** The caller presents no credential that is accepted: to log in again may help. */
export class UnauthenticatedError extends AuthError {
  readonly code = 'UNAUTHENTICATED';
  constructor(
    readonly reason: 'missing' | 'expired' | 'invalid',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The caller may not do this. */
export class AccessDeniedError extends AuthError {
  readonly code = 'ACCESS_DENIED';
  constructor(
    readonly action: StreamAction | StoreAction,
    /** The stream or the pattern as the caller sent it; "": the store as a whole, or several streams. */
    readonly subject: string,
  ) {
    super(subject === '' ? `the caller may not ${action}` : `the caller may not ${action} ${subject}`);
  }
}

/** The principal uses as much as it may. */
export class QuotaExceededError extends AuthError {
  readonly code = 'QUOTA_EXCEEDED';
  constructor(
    /** The name of the limit as in the auth file, such as `appends_per_s`. */
    readonly limit: string,
    /** When to try again, in milliseconds from now. */
    readonly retryMs: number,
    message: string,
  ) {
    super(message);
  }
}

/** Every kind of AuthError; the compiler refuses a subclass that is missing here. */
export type AnyAuthError = UnauthenticatedError | AccessDeniedError | QuotaExceededError;

export function isAuthError(error: unknown): error is AnyAuthError {
  return error instanceof AuthError;
}
