import { setTimeout as sleep } from 'node:timers/promises';
import { DeadlineExceededError, OutcomeUnknownError, StoreUnavailableError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import type { CommitId, StreamName } from '../store/values';
import { toStoreError } from './errors';
import { publishAtomically, type OutgoingMessage } from './publish';
import type { StoreContext } from './store-context';

/**
 * Something to store on top of a base, which is what is known of the heads of its streams. The questions throw
 * StoreErrors.
 */
export interface Proposal<Base, Result> {
  /** For the error when the outcome stays unknown. */
  readonly stream: StreamName;
  readonly commitId: CommitId;
  /** What this gateway knows without asking; undefined: too little, or it cannot be right. */
  known(): Base | undefined;
  /**
   * The base as the leader knows it, or the result if the proposal is stored already: by an attempt in doubt, which was
   * made on top of `doubted`, or by an earlier call. Throws VersionConflictError, unless what is in doubt may still come.
   */
  look(doubted: Base | undefined): Promise<{ readonly base: Base } | { readonly result: Result }>;
  /** Whether nothing has been stored on the streams between two bases. */
  isSame(one: Base, other: Base): boolean;
  messages(base: Base): OutgoingMessage[];
  /** These messages are stored; the last of them has this sequence. */
  stored(base: Base, sequence: bigint, messages: readonly OutgoingMessage[]): Result;
  /** The store remembers the commit id, for a message with this sequence. */
  duplicate(sequence: bigint, doubted: Base | undefined): Promise<Result>;
  /** What is known has been proved wrong, or may have been. */
  forget(): void;
}

const attemptTimeoutMs = 2_000;
const retryPauseMs = 20;

/** An attempt whose answer is lost: it may be stored right after `base`, or still be. */
interface Doubt<Base> {
  readonly base: Base;
  readonly cause: unknown;
}

/**
 * Publishes on top of the base that is known, and where that was wrong or the answer is lost, finds out and
 * decides: stored, stored by an earlier call, conflict, or another attempt.
 */
export async function untilDecided<Base, Result>(
  { pool }: StoreContext,
  proposal: Proposal<Base, Result>,
  { deadlineMs }: CallContext,
): Promise<Result> {
  let known = proposal.known();
  let tried: Base | undefined;
  let doubt: Doubt<Base> | undefined;
  while (Date.now() < deadlineMs) {
    if (known === undefined) {
      const looked = await whenReachable(doubt, () => proposal.look(doubt?.base));
      if (looked === 'unreachable') continue;
      if ('result' in looked) return looked.result;
      known = looked.base;
      if (doubt !== undefined && !proposal.isSame(known, doubt.base)) doubt = undefined;
      // Refused on this very base before: another commit is on its way.
      if (tried !== undefined && proposal.isSame(known, tried)) await sleep(retryPauseMs);
    }
    const messages = proposal.messages(known);
    const timeoutMs = Math.max(1, Math.min(attemptTimeoutMs, deadlineMs - Date.now()));
    const outcome = await publishAtomically(pool.append(), messages, timeoutMs);
    if (outcome.kind === 'stored') return proposal.stored(known, outcome.sequence, messages);
    proposal.forget();
    if (outcome.kind === 'duplicate') {
      const found = await whenReachable(doubt, () => proposal.duplicate(outcome.sequence, doubt?.base));
      if (found !== 'unreachable') return found;
    }
    if (outcome.kind === 'failed' && doubt === undefined) throw outcome.cause;
    if (outcome.kind === 'lost') doubt = { base: known, cause: outcome.cause };
    tried = known;
    known = undefined;
  }
  const { stream, commitId } = proposal;
  if (doubt !== undefined) throw new OutcomeUnknownError(stream, commitId, { cause: doubt.cause });
  throw new DeadlineExceededError('the deadline passed before the append was decided; nothing was stored');
}

/**
 * Finds something out about an attempt in doubt. While the store is away an error would say "nothing was stored", which
 * may be a lie: then the question is left open.
 */
async function whenReachable<T>(
  doubt: Doubt<unknown> | undefined,
  findOut: () => Promise<T>,
): Promise<T | 'unreachable'> {
  try {
    return await findOut();
  } catch (error) {
    if (doubt === undefined || !(toStoreError(error) instanceof StoreUnavailableError)) throw error;
    await sleep(retryPauseMs);
    return 'unreachable';
  }
}
