import { StoreFullError } from '../../store/errors';
import type { Notes } from '../../store/trace';
import { noRules, rulesAfter } from '../../store/stream-rules';
import { versionAfter } from '../../store/values';
import { asTransaction, checkMessage, toMessages } from '../log/commit-codec';
import { controlMessage } from '../log/control-codec';
import type { CommitSizes } from '../log/commit-sizes';
import { subjectOf, type LogAccess } from '../log/log-access';
import type { Space } from '../log/space';
import { absenceMaxMs } from '../nats/api';
import { RequestTimeoutError, isRefused, toAppendError } from '../nats/errors';
import { publishAtomically, type Outcome, type OutgoingMessage } from '../nats/publish';
import type { Base, Event, KnownHead } from './next';
import { checkStillFits, isWritten, type StreamPart, type Transaction } from './transaction';

const attemptTimeoutMs = 2_000;

/** What became of an attempt to publish; if it is stored, its last message has this sequence. */
export type Published = Outcome | Extract<Event<never>, { kind: 'withheld' }>;
export type Unstored = Exclude<Published, { readonly kind: 'stored' }>;

/** What it means for the append that an attempt is not stored, or may not be. */
type Meaning = Extract<Event<never>, { kind: 'duplicate' | 'conflict' | 'lost' | 'refused' | 'withheld' }>;

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
    const { parts, commitId } = transaction;
    checkStillFits(this.sizes, transaction);
    // On one stream it is an ordinary commit.
    if (parts.length === 1) return this.messagesOn(parts[0] as StreamPart, base[0] as KnownHead, transaction);
    const all = parts.map((part, index) => ({
      part,
      messages: this.messagesOn(part, base[index] as KnownHead, transaction),
    }));
    const [written, checked] = [
      all.filter(({ part }) => isWritten(part)),
      all.filter(({ part }) => !isWritten(part)),
    ];
    return asTransaction(
      [...checked, ...written].flatMap(({ messages }) => messages),
      commitId,
    );
  }

  private messagesOn(
    { stream, events, control }: StreamPart,
    { version, sequence: previous, rules: before = noRules }: KnownHead,
    { commitId, principal }: Transaction,
  ): OutgoingMessage[] {
    const { log, sizes } = this;
    const subject = subjectOf(log, stream);
    if (control !== undefined) {
      const rules = rulesAfter(before, version, control);
      return [controlMessage(subject, { control, rules, version, previous, commitId, principal })];
    }
    if (events.length === 0) return [checkMessage(log.prefix, subject, previous)];
    const commit = { firstVersion: versionAfter(version, 1n), previous, commitId, principal };
    return toMessages(subject, events, commit, sizes.bodyBytesMax);
  }

  /** Sends the messages as one attempt; of an attempt that is not stored, `explain` says what it means. */
  publish(messages: readonly OutgoingMessage[], deadlineMs: number): Promise<Published> {
    const { closedBy } = this.space;
    if (closedBy !== undefined) return Promise.resolve({ kind: 'withheld', error: closedBy });
    const leftMs = Math.max(1, deadlineMs - performance.now());
    return publishAtomically(this.log.pool.append(), messages, {
      timeoutMs: Math.min(attemptTimeoutMs, leftMs),
      absenceMaxMs: Math.min(absenceMaxMs, leftMs),
    });
  }

  /** What a trace says of an attempt, by the conventions of OpenTelemetry for messaging. */
  notesOf(messages: readonly OutgoingMessage[], { kind }: Published): Notes {
    const bytes = messages.reduce((sum, { body }) => sum + body.length, 0);
    return {
      'messaging.destination.name': this.log.stream.name,
      'messaging.batch.message_count': messages.length,
      'messaging.message.body.size': bytes,
      'sluice.outcome': kind,
    };
  }

  async explain(outcome: Unstored, isBatch: boolean): Promise<Meaning> {
    switch (outcome.kind) {
      case 'duplicate':
      case 'withheld':
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

  private async refusal(cause: unknown): Promise<Meaning> {
    const mayFit = isRefused(cause, 'streamMessageExceedsMaximum') && (await this.sizes.haveShrunk());
    const error = toAppendError(cause, this.log.stream.name, this.sizes.message.bytesMax);
    if (error instanceof StoreFullError) this.space.refuse(error.message);
    return { kind: 'refused', error, mayFit };
  }
}
