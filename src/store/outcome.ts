import { isStoreError, type AnyStoreError } from './errors';

/** The caller may not have this, or no longer. Access control throws it; a store passes it on where it ends a read. */
export abstract class RefusedError extends Error {
  abstract readonly code: 'UNAUTHENTICATED' | 'ACCESS_DENIED' | 'QUOTA_EXCEEDED';
}

/** How a call ended: with a result, or with an error, by its code. `INTERNAL`: any other error, which is a bug. */
export type Outcome = 'OK' | AnyStoreError['code'] | RefusedError['code'] | 'INTERNAL';

/** `error`: what a call ended with; undefined: it succeeded. */
export function outcomeOf(error: unknown): Outcome {
  if (error === undefined) return 'OK';
  return isStoreError(error) || error instanceof RefusedError ? error.code : 'INTERNAL';
}
