import { StoreFullError } from '../../store/errors';
import { versionAfter, type Sequence } from '../../store/values';
import { asTransaction, checkMessage, toMessages } from '../log/commit-codec';
import type { CommitSizes } from '../log/commit-sizes';
import { subjectOf, type LogAccess } from '../log/log-access';
import type { Space } from '../log/space';
import { absenceMaxMs } from '../nats/api';
import { RequestTimeoutError, isRefused, toAppendError } from '../nats/errors';
import { publishAtomically, type Outcome, type OutgoingMessage } from '../nats/publish';
import type { Base, Event, KnownHead } from './next';
import { checkStillFits, isWritten, type StreamPart, type Transaction } from './transaction';

const attemptTimeoutMs = 2_000;

/** What may come of an attempt to publish; if it is stored, its last message has this sequence. */
export type Attempted =
  | { readonly kind: 'stored'; readonly sequence: Sequence }
  | Extract<Event<never>, { kind: 'duplicate' | 'conflict' | 'lost' | 'refused' | 'withheld' }>;

/** Sends transactions to the log. */
export class Publisher {
  constructor(
    private readonly log: LogAccess,
    readonly space: Space,
    readonly sizes: CommitSizes,
  ) {}

  /**
   * The messages of a transaction on top of a base. The checks come first: the last message, whose sequence is the position, has
   * events. Throws InvalidRequestError if they do not fit any more.
   */
  messagesOf(transaction: Transaction, base: Base): OutgoingMessage[] {
    const { log, sizes } = this;
    const { parts, commitId } = transaction;
    checkStillFits(sizes, transaction);
    const messagesOn = ({ stream, events }: StreamPart, index: number): OutgoingMessage[] => {
      const { version, sequence: previous } = base[index] as KnownHead;
      const subject = subjectOf(log, stream);
      if (events.length === 0) return [checkMessage(log.prefix, subject, previous)];
      const commit = { firstVersion: versionAfter(version, 1n), previous, commitId };
      return toMessages(subject, events, commit, sizes.bodyBytesMax);
    };
    const [first, ...others] = parts as readonly [StreamPart, ...StreamPart[]];
    // On one stream it is an ordinary commit.
    if (others.length === 0) return messagesOn(first, 0);
    const all = parts.map((part, index) => ({ part, messages: messagesOn(part, index) }));
    const [written, checked] = [
      all.filter(({ part }) => isWritten(part)),
      all.filter(({ part }) => !isWritten(part)),
    ];
    return asTransaction(
      [...checked, ...written].flatMap(({ messages }) => messages),
      commitId,
    );
  }

  /** Sends the messages as one attempt. */
  publish(messages: readonly OutgoingMessage[], deadlineMs: number): Promise<Attempted> {
    const { closedBy } = this.space;
    if (closedBy !== undefined) return Promise.resolve({ kind: 'withheld', error: closedBy });
    const leftMs = Math.max(1, deadlineMs - Date.now());
    const published = publishAtomically(this.log.pool.append(), messages, {
      timeoutMs: Math.min(attemptTimeoutMs, leftMs),
      absenceMaxMs: Math.min(absenceMaxMs, leftMs),
    });
    return published.then((outcome) =>
      outcome.kind === 'stored' ? outcome : this.explain(outcome, messages.length > 1),
    );
  }

  private async explain(outcome: Exclude<Outcome, { kind: 'stored' }>, isBatch: boolean): Promise<Attempted> {
    switch (outcome.kind) {
      case 'duplicate':
        return outcome;
      case 'conflict':
        // Of a batch with messages that are too large the server may only say that some of it is missing.
        if (isBatch) await this.sizes.haveShrunk();
        return outcome;
      case 'lost':
        if (outcome.cause instanceof RequestTimeoutError) this.space.unanswered = true;
        return outcome;
      case 'failed':
        return this.refusal(outcome.cause);
    }
  }

  private async refusal(cause: unknown): Promise<Attempted> {
    const mayFit = isRefused(cause, 'streamMessageExceedsMaximum') && (await this.sizes.haveShrunk());
    const error = toAppendError(cause, this.log.stream.name, this.sizes.message.bytesMax);
    if (error instanceof StoreFullError) this.space.refuse(error.message);
    return { kind: 'refused', error, mayFit };
  }
}
