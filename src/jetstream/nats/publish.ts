import type { Sequence } from '../../store/values';
import { parseAnswer } from './api';
import { AnswerForbiddenError, ConnectionLostError, JetStreamApiError, RequestTimeoutError } from './errors';
import { sentHeader, type SentHeaders } from './headers';
import type { Link } from './link';
import { type RawMessage, toSequence } from './message';
import type { RequestOptions } from './request-options';
import { uniqueName } from './unique-names';

/** A message to publish. */
export interface OutgoingMessage {
  readonly subject: string;
  readonly headers: SentHeaders;
  readonly body: Uint8Array;
}

/** What became of a published commit. */
export type Outcome =
  | { readonly kind: 'stored'; readonly sequence: Sequence }
  /** The server remembers the commit id, from the message with this sequence; undefined: it does not say from which one. */
  | { readonly kind: 'duplicate'; readonly sequence: Sequence | undefined }
  /**
   * Another commit came first or is about to, or a new leader has only a part of this one, or it could not be sent in time.
   * Nothing was stored.
   */
  | { readonly kind: 'conflict' }
  /** No answer: it may be stored. */
  | { readonly kind: 'lost'; readonly cause: unknown }
  /** It could not be sent, or NATS refused it. Nothing was stored. */
  | { readonly kind: 'failed'; readonly cause: unknown };

interface PublishAck {
  readonly seq: number;
  readonly duplicate?: boolean;
}

/** How long to wait for the answer, and for a server that takes the message while a leader is elected. */
export type Patience = Pick<RequestOptions, 'timeoutMs' | 'absenceMaxMs'>;

/** Publishes all messages or none, several as one atomic batch. */
export function publishAtomically(
  link: Link,
  messages: readonly OutgoingMessage[],
  patience: Patience,
): Promise<Outcome> {
  const [first] = messages;
  if (first === undefined) throw new Error('there is nothing to publish');
  if (messages.length === 1) return commitBy(link, first, patience);
  const giveUpMs = performance.now() + patience.timeoutMs;
  return link.batches.with(1, undefined, async () => {
    const timeoutMs = giveUpMs - performance.now();
    return timeoutMs > 0 ? publishBatch(link, messages, { ...patience, timeoutMs }) : { kind: 'conflict' };
  });
}

async function publishBatch(
  link: Link,
  messages: readonly OutgoingMessage[],
  patience: Patience,
): Promise<Outcome> {
  const batchId = uniqueName();
  const batchHeaders = (index: number): SentHeaders => ({
    [sentHeader.batchId]: batchId,
    [sentHeader.batchSequence]: (index + 1).toString(),
  });
  const last = messages.length - 1;
  try {
    for (const [index, message] of messages.slice(0, last).entries()) {
      const { subject, body } = message;
      const headers = { ...message.headers, ...batchHeaders(index) };
      if (index > 0) link.publish(subject, body, headers);
      else {
        // The answer to the first message says whether the server accepts the batch; nothing is stored before the last one.
        const answer = await link.request(subject, body, { headers, ...patience });
        const refusal = refusalIn(answer.body);
        if (refusal !== undefined) return outcomeOf(refusal, 'failed');
      }
    }
  } catch (error) {
    return outcomeOf(error, 'failed');
  }
  const end = messages[last] as OutgoingMessage;
  const headers = { ...end.headers, ...batchHeaders(last), [sentHeader.batchCommit]: '1' };
  return commitBy(link, { ...end, headers }, patience);
}

/** An empty answer says that the server accepts the batch. */
function refusalIn(body: Uint8Array): Error | undefined {
  return body.length === 0 ? undefined : parseAnswer(body).error;
}

function commitBy(
  link: Link,
  { subject, headers, body }: OutgoingMessage,
  patience: Patience,
): Promise<Outcome> {
  return new Promise((resolve) => {
    link.send(subject, body, { headers, ...patience }, (error, answer) => {
      resolve(error === undefined ? toOutcome(answer) : outcomeOf(error, 'lost'));
    });
  });
}

function toOutcome({ body }: RawMessage): Outcome {
  const { value, error } = parseAnswer<Partial<PublishAck>>(body);
  if (error instanceof JetStreamApiError) return outcomeOf(error, 'lost');
  const { seq, duplicate = false } = value ?? {};
  // An answer that cannot be read says nothing about the commit.
  if (!Number.isSafeInteger(seq)) return { kind: 'lost', cause: error };
  return { kind: duplicate ? 'duplicate' : 'stored', sequence: toSequence(seq as number) };
}

const errorsWithoutAnswer = [ConnectionLostError, RequestTimeoutError, AnswerForbiddenError];

function outcomeOf(error: unknown, withoutAnswer: 'lost' | 'failed'): Outcome {
  if (errorsWithoutAnswer.some((kind) => error instanceof kind)) return { kind: withoutAnswer, cause: error };
  if (error instanceof JetStreamApiError) {
    switch (error.errorName) {
      case 'streamWrongLastMsgID':
      case 'streamWrongLastSequence':
      case 'streamWrongLastSequenceConstant':
      case 'streamDuplicateMessageConflict':
      case 'atomicPublishIncompleteBatch':
        return { kind: 'conflict' };
      case 'atomicPublishContainsDuplicateMessage':
        return { kind: 'duplicate', sequence: undefined };
    }
  }
  return { kind: 'failed', cause: error };
}
