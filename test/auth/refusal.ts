import { UnauthenticatedError } from '../../src/auth/errors';

/** Cause and message of the UnauthenticatedError that a call throws or rejects with. */
export async function refusal(call: () => unknown): Promise<[cause: string, message: string]> {
  try {
    await call();
  } catch (error) {
    if (error instanceof UnauthenticatedError) return [error.reason, error.message];
    throw error;
  }
  throw new Error('it was accepted');
}
