import { RefusedError } from '../store/outcome';
import type { StoreAction, StreamAction } from './permissions';

/** What a caller lacks to be served. Nothing was stored. Each subclass has a code of its own. */
export abstract class AuthError extends RefusedError {
  abstract override readonly code: AnyAuthError['code'];
}

export const unauthenticatedReasons = ['missing', 'expired', 'invalid'] as const;

/** The caller presents no credential that is accepted: to log in again may help. */
export class UnauthenticatedError extends AuthError {
  readonly code = 'UNAUTHENTICATED';
  constructor(
    readonly reason: (typeof unauthenticatedReasons)[number],
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
    /** The stream, the pattern or the group as the caller sent it; "": the store as a whole, or several streams. */
    readonly subject: string,
    readonly isGroup = false,
  ) {
    const what = isGroup ? `group ${subject}` : subject;
    super(what === '' ? `the caller may not ${action}` : `the caller may not ${action} ${what}`);
  }
}

/** The limits of a principal, as the auth file names them; `calls` and `members` are its shares of `calls_max` and `members_max`. */
export const quotaLimits = [
  'calls',
  'appends',
  'append_bytes',
  'reads',
  'subscriptions',
  'members',
  'sessions',
  'lookups',
  'appends_per_s',
  'bytes_per_s',
  'new_streams_per_s',
] as const;

export type QuotaLimit = (typeof quotaLimits)[number];

/** The principal uses as much as it may. */
export class QuotaExceededError extends AuthError {
  readonly code = 'QUOTA_EXCEEDED';
  constructor(
    readonly limit: QuotaLimit,
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
