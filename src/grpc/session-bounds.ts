import type { Limits } from '../limits';
import type { Caller } from './call-scope';

/**
 * A session begins no more than its principal may have under way, as far as it knows: another session may have some. With half of
 * the bytes, an append of up to the other half is never refused.
 */
export function sessionBounds(
  { share, access }: Caller,
  { sessionAppendsMax, sessionBytesMax }: Limits,
): { readonly appendsMax: number; readonly bytesMax: number } {
  if (share === undefined) return { appendsMax: sessionAppendsMax, bytesMax: sessionBytesMax };
  const { appends, bytes } = share.appendBounds(access.permissions.limits);
  return {
    appendsMax: Math.min(sessionAppendsMax, appends),
    bytesMax: Math.min(sessionBytesMax, Math.ceil(bytes / 2)),
  };
}
