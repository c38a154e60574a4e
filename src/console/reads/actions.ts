import { CallError } from '../wire/call-error';
import { call } from '../wire/connect';
import type { StreamDescription } from '../wire/messages';

/** A stream, and whether the caller may change it. */
export interface Manageable {
  readonly stream: StreamDescription;
  readonly mayManage: boolean;
}

/**
 * Asks for the right by a truncation before version 1, which changes nothing and stores nothing for a caller that has it. Throws
 * CallError.
 */
export async function readManageable(name: string, signal: AbortSignal): Promise<Manageable> {
  const { stream = {} } = await call('StreamService/GetStream', { stream: name }, signal);
  try {
    await call('StreamService/TruncateStream', { stream: name, beforeVersion: '1' }, signal);
    return { stream, mayManage: true };
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    // With the right to it, a tombstoned stream refuses with another code.
    return { stream, mayManage: error.code !== 'permission_denied' && error.code !== 'unauthenticated' };
  }
}
