import { setTimeout as sleep } from 'node:timers/promises';
import {
  CommitIdReuseError,
  DeadlineExceededError,
  OutcomeUnknownError,
  ReplicaFillingError,
  StoreFullError,
  StoreUnavailableError,
  VersionConflictError,
} from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { CommitId, StreamName } from '../../store/values';
import { absenceMaxMs } from '../nats/api';
import { RequestTimeoutError, errCode, isRefused, toAppendError, toStoreError } from '../nats/errors';
import { publishAtomically, type Outcome, type OutgoingMessage } from '../nats/publish';
import type { StoreContext } from '../log/store-context';

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
  /**
   * The server remembers the commit id, for a message with this sequence, or for one that is to be found. undefined: the log does
   * not have it.
   */
  duplicate(sequence: bigint | undefined, doubted: Base | undefined): Promise<Result | undefined>;
  /** What is known has been proved wrong, or may have been. */
  forget(): void;
}

const attemptTimeoutMs = 2_000;
const retryPauseMs = 20;
/** What is in doubt while there is no room waits for room. */
const fullPauseMs = 250;

/** Why it is not known whether the proposal is stored. */
interface Question {
  readonly cause: unknown;
}

/** An attempt whose answer is lost: it may be stored right after `base`, or still be. */
interface Doubt<Base> extends Question {
  readonly base: Base;
}

/** What was tried, and what became of it. */
interface Attempt<Base> {
  readonly base: Base;
  readonly messages: readonly OutgoingMessage[];
  readonly outcome: Outcome;
}

/**
 * Publishes on top of the base that is known, and where that was wrong or the answer is lost, finds out and
 * decides: stored, stored by an earlier call, conflict, or another attempt.
 */
export function untilDecided<Base, Result>(
  context: StoreContext,
  proposal: Proposal<Base, Result>,
  call: CallContext,
): Promise<Result> {
  const base = proposal.known();
  if (base === undefined) return decide(context, proposal, call, undefined);
  // Nearly always this is all, so it takes no more than it must.
  const messages = proposal.messages(base);
  return publish(context, messages, call).then((outcome) =>
    outcome.kind === 'stored'
      ? proposal.stored(base, outcome.sequence, messages)
      : decide(context, proposal, call, { base, messages, outcome }),
  );
}

async function decide<Base, Result>(
  context: StoreContext,
  proposal: Proposal<Base, Result>,
  call: CallContext,
  first: Attempt<Base> | undefined,
): Promise<Result> {
  let attempt = first;
  let tried: Base | undefined;
  let doubt: Doubt<Base> | undefined;
  let remembered: Question | undefined;
  for (;;) {
    if (attempt !== undefined) {
      const { base, messages, outcome } = attempt;
      if (outcome.kind === 'stored') return proposal.stored(base, outcome.sequence, messages);
      proposal.forget();
      if (outcome.kind === 'duplicate') {
        remembered = { cause: new Error('the server remembers the commit id') };
        const found = await whenReachable(proposal, doubt ?? remembered, () =>
          proposal.duplicate(outcome.sequence, doubt?.base),
        );
        if (found !== undefined && found !== 'unreachable') return found;
        if (found === undefined) remembered = undefined;
      }
      const isOpen = (doubt ?? remembered) !== undefined;
      if (outcome.kind === 'failed' && outcome.cause instanceof StoreFullError && !isOpen) {
        // It was not sent, so nobody has looked whether it is stored already.
        const looked = await proposal.look(undefined);
        if ('result' in looked) return looked.result;
        throw outcome.cause;
      }
      const mayFit = await becameTooLarge(context, outcome, messages);
      if (outcome.kind === 'failed' && !isOpen && !mayFit) {
        throw refusalOf(outcome.cause, context);
      }
      if (outcome.kind === 'lost') {
        doubt = { base, cause: outcome.cause };
        if (outcome.cause instanceof RequestTimeoutError) context.space.unanswered = true;
      }
      tried = base;
      attempt = undefined;
    }
    const open: Question | undefined = doubt ?? remembered;
    if (Date.now() >= call.deadlineMs) throw undecided(proposal, open);
    const looked = await whenReachable(proposal, open, () => proposal.look(doubt?.base));
    if (looked === 'unreachable') continue;
    if ('result' in looked) return looked.result;
    const { base } = looked;
    if (doubt !== undefined && !proposal.isSame(base, doubt.base)) doubt = undefined;
    // Refused on this very base before: another commit is on its way.
    if (tried !== undefined && proposal.isSame(base, tried)) {
      await sleep(context.space.closedBy === undefined ? retryPauseMs : fullPauseMs);
    }
    const messages = messagesFor(proposal, base, doubt ?? remembered);
    attempt = { base, messages, outcome: await publish(context, messages, call) };
  }
}

/** They may not fit any more; in doubt, that does not say that nothing is stored. */
function messagesFor<Base>(
  proposal: Proposal<Base, unknown>,
  base: Base,
  open: Question | undefined,
): OutgoingMessage[] {
  try {
    return proposal.messages(base);
  } catch (error) {
    throw open === undefined ? error : undecided(proposal, open);
  }
}

/**
 * Whether the log takes smaller messages than these were made for: then they can be divided further. Of a batch the server
 * may only say that something of it is missing.
 */
async function becameTooLarge(
  { messageSize }: StoreContext,
  outcome: Outcome,
  { length }: readonly OutgoingMessage[],
): Promise<boolean> {
  const maybe =
    (outcome.kind === 'failed' && isRefused(outcome.cause, errCode.messageTooLarge)) ||
    (outcome.kind === 'conflict' && length > 1);
  if (!maybe) return false;
  const before = messageSize.bytesMax;
  await messageSize.refresh().catch(() => undefined);
  return messageSize.bytesMax < before;
}

/** The error for an append that was refused. */
function refusalOf(cause: unknown, context: StoreContext): unknown {
  const error = toAppendError(cause, context);
  if (error instanceof StoreFullError) context.space.refuse(error.message);
  return error;
}

function publish(
  { pool, space }: StoreContext,
  messages: readonly OutgoingMessage[],
  { deadlineMs }: CallContext,
): Promise<Outcome> {
  const { closedBy } = space;
  if (closedBy !== undefined) return Promise.resolve({ kind: 'failed', cause: closedBy });
  const leftMs = Math.max(1, deadlineMs - Date.now());
  return publishAtomically(pool.append(), messages, {
    timeoutMs: Math.min(attemptTimeoutMs, leftMs),
    absenceMaxMs: Math.min(absenceMaxMs, leftMs),
  });
}

function undecided<Base>(
  { stream, commitId }: Proposal<Base, unknown>,
  open: Question | undefined,
): OutcomeUnknownError | DeadlineExceededError {
  return open === undefined
    ? new DeadlineExceededError('the deadline passed before the append was decided; nothing was stored')
    : new OutcomeUnknownError(stream, commitId, { cause: open.cause });
}

/**
 * Finds something out about what may be stored. An error would say "nothing was stored", which may be a lie. So while the store
 * is away the question is left open, and what else stands in the way is OutcomeUnknownError.
 */
async function whenReachable<Base, T>(
  proposal: Proposal<Base, unknown>,
  open: Question | undefined,
  findOut: () => Promise<T>,
): Promise<T | 'unreachable'> {
  try {
    return await findOut();
  } catch (error) {
    const isDecided = error instanceof VersionConflictError || error instanceof CommitIdReuseError;
    if (open === undefined || isDecided) throw error;
    if (!isAway(toStoreError(error))) throw undecided(proposal, open);
    await sleep(retryPauseMs);
    return 'unreachable';
  }
}

function isAway(error: unknown): boolean {
  return error instanceof StoreUnavailableError || error instanceof ReplicaFillingError;
}
