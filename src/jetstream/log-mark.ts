import type { CallContext } from '../store/event-store';
import { leaderGet } from './direct-get';
import { everything, within, type StoreContext } from './store-context';

/** A message of the log, as it is told from another one that may be at its place later. */
export interface LogMark {
  readonly sequence: bigint;
  /** When it was stored. */
  readonly timeNanos: bigint;
}

/**
 * Whether the log, with what is its last message now, has a message still. If not, it has gone back to an earlier state, and may
 * have grown past it again.
 */
export async function hasStill(
  { pool, log, limits }: StoreContext,
  { sequence, timeNanos }: LogMark,
  head: LogMark,
  call: CallContext,
): Promise<boolean> {
  if (head.sequence <= sequence) return head.sequence === sequence && head.timeNanos === timeNanos;
  const lookup = { seq: Number(sequence), next_by_subj: everything };
  const found = await leaderGet(pool.read(), log, lookup, within(call, limits.requestTimeoutMs));
  // If it is gone alone, that is another trouble, and told elsewhere.
  return found?.sequence !== sequence || found.timeNanos === timeNanos;
}
