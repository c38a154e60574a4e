import {
  quotaLimits,
  unauthenticatedReasons,
  type AccessDeniedError,
  type AnyAuthError,
  type QuotaLimit,
  type UnauthenticatedError,
} from '../auth/errors';
import { storeActions, streamActions } from '../auth/permissions';
import type { AnyStoreError } from '../store/errors';
import { refusingBounds, type RefusingBound } from '../store/refusing-bounds';
import type { GroupErrorCode } from '../store/group-errors';

/** What callers were refused since the start, by its cause; each append of a session counts as well. */
export class FailureCounts {
  readonly overloaded = zeroes<RefusingBound>(refusingBounds);
  readonly quotaExceeded = zeroes<QuotaLimit>(quotaLimits);
  readonly unauthenticated = zeroes<UnauthenticatedError['reason']>(unauthenticatedReasons);
  readonly denied = zeroes<AccessDeniedError['action']>([...streamActions, ...storeActions]);

  note(failure: AnyStoreError | AnyAuthError | { readonly code: GroupErrorCode | 'INTERNAL' }): void {
    switch (failure.code) {
      case 'OVERLOADED':
        this.overloaded[failure.bound]++;
        return;
      case 'QUOTA_EXCEEDED':
        this.quotaExceeded[failure.limit]++;
        return;
      case 'UNAUTHENTICATED':
        this.unauthenticated[failure.reason]++;
        return;
      case 'ACCESS_DENIED':
        this.denied[failure.action]++;
    }
  }
}

function zeroes<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
