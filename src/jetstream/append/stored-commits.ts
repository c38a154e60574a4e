import { OutcomeUnknownError, UnreadableCommitError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import { isAsExpected } from '../../store/expectation';
import { removedCommit, type LogView, type ViewedCommit } from '../../store/log';
import { beginning, type CommitId, type Sequence } from '../../store/values';
import { apiGet } from '../nats/api';
import { within } from '../log/bounded-call';
import { entryAt } from '../log/entry-at';
import type { CurrentHead } from '../log/head';
import type { LogAccess } from '../log/log-access';
import type { IdMemory } from './id-memory';
import type { Base } from './next';
import { createRecentIds, type RecentIds } from './recent-ids';
import { firstStream, streamsWritten, type Transaction } from './transaction';

type Commits = readonly ViewedCommit[];

/** What is stored already, by commit id. */
export class StoredCommits {
  private readonly recent: RecentIds;

  constructor(
    private readonly log: LogAccess,
    readonly view: LogView,
    private readonly ids: IdMemory,
  ) {
    this.recent = createRecentIds(() => view.applied);
    // Sequences may be given again.
    log.health.onDoubt(() => {
      this.recent.clear();
    });
  }

  /** A transaction is stored, and its last message has this sequence: every later read and lookup must find it. */
  noteStored({ commitId, isRepeatable }: Transaction, sequence: Sequence): void {
    if (isRepeatable) this.recent.add(commitId, sequence);
    this.view.onAcknowledged(sequence);
  }

  /** The error for a transaction that needs the view while it is being filled. */
  fillingError(): Error {
    return this.view.fillingError();
  }

  /** A transaction was found, up to this sequence. */
  noteFound(sequence: Sequence): void {
    this.view.onAcknowledged(sequence);
  }

  /**
   * The commits of a transaction if an earlier call has stored it; undefined: no call has, which is nearly always known without a
   * request. A view that is ready makes the server's memory of ids unnecessary: JetStream stores an attempt only on top of the head
   * that it was made for, and up to there the view has no commit with this id.
   */
  find(transaction: Transaction, call: CallContext): Promise<Commits> | undefined {
    const { view, recent, ids } = this;
    const { commitId, isRepeatable } = transaction;
    if (!isRepeatable) return undefined;
    const sequence = recent.get(commitId);
    if (!view.isReady) {
      if (ids.covers(commitId, Date.now(), view.fillingSinceMs)) return undefined;
      throw sequence === undefined ? view.fillingError() : unknown(transaction, view.fillingError());
    }
    if (view.isDoubted) return view.catchUp(call).then(() => this.find(transaction, call) ?? []);
    const upTo = sequence ?? recent.forgottenUpTo;
    if (upTo > view.applied) return this.commitsUpTo(upTo, transaction, call);
    return view.mayContain(commitId) ? this.commitsUpTo(beginning, transaction, call) : undefined;
  }

  /** The commits of a transaction that this gateway has stored, or may have, once the view has all messages up to a sequence. */
  private async commitsUpTo(upTo: Sequence, transaction: Transaction, call: CallContext): Promise<Commits> {
    const { view } = this;
    try {
      await view.waitUntilApplied(upTo, call);
      return await view.commitsById(transaction.commitId, streamsWritten(transaction));
    } catch (cause) {
      // The error itself would say that nothing was stored, which may be wrong.
      throw cause instanceof UnreadableCommitError ? cause : unknown(transaction, cause);
    }
  }

  /** The same, given the heads of its streams and the base of the attempt in doubt; no commits if it is not stored. */
  async findUnder(
    heads: readonly CurrentHead[],
    transaction: Transaction,
    doubted: Base | undefined,
  ): Promise<Commits> {
    const { commitId, parts, isRepeatable, request } = transaction;
    if (heads.every(({ isViewed }) => isViewed))
      return this.view.commitsById(commitId, streamsWritten(transaction));
    const [head] = heads;
    if (parts.length > 1 || head === undefined) throw this.view.fillingError();
    // Without the view only the newest commit of the stream is known.
    if (head.newest?.commitId === commitId) {
      // It may have commits on other streams too.
      if (head.newest.inTransaction && request === 'appendMulti') throw this.view.fillingError();
      return [head.newest];
    }
    const expected = parts[0]?.expected;
    const mayBeOlder =
      (doubted !== undefined && doubted[0]?.sequence !== head.sequence) ||
      (isRepeatable && !isAsExpected(head.version, expected));
    if (mayBeOlder) throw this.view.fillingError();
    return [];
  }

  /** The same, if the server remembers the commit id, for the message with this sequence if it says which one. */
  async findRemembered(
    transaction: Transaction,
    sequence: Sequence | undefined,
    call: CallContext,
  ): Promise<Commits> {
    const { view, log } = this;
    const { commitId } = transaction;
    if (sequence === undefined) await view.catchUp(call);
    else await view.waitUntilApplied(sequence, call);
    const commits = await view.commitsById(commitId, streamsWritten(transaction));
    if (commits.length > 0 || sequence === undefined) return commits;
    // Nobody who fills a view now learns more of a commit that was removed than that there was one.
    const entry = await entryAt(log, sequence);
    return 'isRemoved' in entry && entry.isRemoved ? [removedCommit(commitId, sequence)] : [];
  }

  /** When the commit with an id was stored, whose last message has this sequence; in nanoseconds since 1970. */
  async timeOf(commitId: CommitId, sequence: Sequence, call: CallContext): Promise<bigint> {
    const { view, log } = this;
    if (view.isReady) {
      await view.waitUntilApplied(sequence, call);
      const [commit] = await view.commitsById(commitId, []);
      if (commit !== undefined) return commit.timeNanos;
    }
    const options = within(call, log.limits.requestTimeoutMs);
    const message = await apiGet(log.pool.append(), log.stream, { seq: Number(sequence) }, options);
    if (message === undefined) throw new Error(`there is no message with sequence ${sequence.toString()}`);
    return message.timeNanos;
  }
}

function unknown(transaction: Transaction, cause: unknown): OutcomeUnknownError {
  return new OutcomeUnknownError(firstStream(transaction), transaction.commitId, { cause });
}
