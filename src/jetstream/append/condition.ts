import { AppendConditionError, ConditionContendedError, InvalidRequestError } from '../../store/errors';
import type { AppendCondition } from '../../store/append-condition';
import type { CallContext } from '../../store/event-store';
import type { LogView } from '../../store/log';
import type { Sequence } from '../../store/values';
import { sentHeader } from '../nats/headers';
import type { OutgoingMessage } from '../nats/publish';
import { conditionRoundsMax, type End, type Fence } from './fence';
import type { Base, Event } from './next';
import { OwnAppend } from './own-append';
import type { Published } from './publisher';
import type { Transaction } from './transaction';

/** Throws AppendConditionError if the log has, up to a sequence, an event that the condition rules out, and InvalidRequestError. */
export async function checkCondition(
  view: LogView,
  { query, after, withinStream: stream }: AppendCondition,
  upTo: Sequence,
  call: CallContext,
): Promise<void> {
  if (after > upTo) {
    const description = `is ${after.toString()}, after the end of the store, which is at ${upTo.toString()}`;
    throw new InvalidRequestError([{ field: 'condition.after_position', description }]);
  }
  const match = await view.firstMatch(query, { after, upTo, stream }, call);
  if (match !== undefined) throw new AppendConditionError(match);
}

/** What attempts on one base need. */
export interface Attempts {
  readonly fence: Fence;
  readonly view: LogView;
  readonly transaction: Transaction;
  readonly condition: AppendCondition;
  readonly base: Base;
  readonly call: CallContext;
  readonly messages: readonly OutgoingMessage[];
  readonly send: (messages: readonly OutgoingMessage[]) => Promise<Published>;
}

/** What became of it: `published` with the messages that were sent, or what it means for the append. */
export type Attempted =
  | { readonly messages: readonly OutgoingMessage[]; readonly published: Published }
  | Extract<Event<never>, { kind: 'conflict' | 'failed' | 'late' }>;

/**
 * Publishes a transaction with a condition on top of a base, if the condition holds as far as this gateway knows the log; a lookup
 * decides what to tell the caller if it does not. Throws StoreErrors: then nothing is stored.
 */
export function publishOnCondition(attempts: Attempts): Promise<Attempted> {
  return attempts.condition.withinStream === undefined ? publishFenced(attempts) : publishWithin(attempts);
}

/** The expected sequence of the stream is the fence. */
async function publishWithin(attempts: Attempts): Promise<Attempted> {
  const { view, condition, transaction, base, call, messages, send } = attempts;
  const { query, after, withinStream: stream } = condition;
  const upTo = base[transaction.parts.findIndex((part) => part.stream === stream)]?.sequence;
  if (upTo === undefined) throw new Error('the condition is about a stream of the transaction');
  await view.waitUntilApplied(upTo, call);
  if ((await view.firstMatch(query, { after, upTo, stream }, call)) !== undefined)
    return { kind: 'conflict' };
  if (after > view.applied) return { kind: 'conflict' };
  return { messages, published: await send(messages) };
}

async function publishFenced(attempts: Attempts): Promise<Attempted> {
  const { fence, view, call, transaction, base } = attempts;
  let release: (() => void) | undefined;
  try {
    for (let round = 1; ;) {
      const sent = await fence.inTurn(() => sendFenced(attempts));
      if (sent === 'late') return { kind: 'late' };
      if (sent === undefined) return { kind: 'conflict' };
      if (sent instanceof OwnAppend) {
        await sent.settled;
        continue;
      }
      const published = await sent.answer;
      if (published.kind !== 'conflict') return { messages: sent.messages, published };
      release ??= fence.holdAfter(round);
      await fence.afterLoss(call);
      // A stream of its own ends elsewhere.
      if (!isStillAt(base, transaction, view)) return { kind: 'conflict' };
      if (round >= conditionRoundsMax) return { kind: 'failed', error: new ConditionContendedError(round) };
      round++;
    }
  } finally {
    release?.();
  }
}

interface Sent {
  readonly messages: readonly OutgoingMessage[];
  readonly answer: Promise<Published>;
}

/**
 * Sends it if the condition holds; undefined: it does not. An append in flight: that one decides whether it does. `late`: its caller
 * waits no longer.
 */
async function sendFenced({
  fence,
  transaction,
  condition,
  call,
  messages,
  send,
}: Attempts): Promise<Sent | OwnAppend | 'late' | undefined> {
  // Nearly always none of this has to be waited for, and a turn is short.
  const isBatch = messages.length > 1;
  for (let full = fence.full(isBatch); full !== undefined; full = fence.full(isBatch)) await full;
  if (call.signal.aborted || performance.now() >= call.deadlineMs) return 'late';
  const behind = fence.catchUp(call);
  if (behind !== undefined) await behind;
  const end = fence.known();
  if (condition.after > end.sequence) return undefined;
  const looking = fence.matchInView(condition, end, call);
  const match = (looking === undefined ? undefined : await looking) ?? fence.matchInOwn(condition, end);
  if (match !== undefined) return match instanceof OwnAppend ? match : undefined;
  const fenced = asFenced(messages, end);
  const answer = send(fenced);
  fence.onSent(end, transaction, messages.length, answer);
  return { messages: fenced, answer };
}

function isStillAt(base: Base, { parts }: Transaction, view: LogView): boolean {
  return parts.every(
    ({ stream }, index) => (view.headSync(stream)?.sequence ?? 0n) === base[index]?.sequence,
  );
}

/** The messages, which are stored only if the log ends there (sequence 0: the log is empty). */
function asFenced(messages: readonly OutgoingMessage[], { sequence, messageId }: End): OutgoingMessage[] {
  const [{ subject, body, headers }, ...others] = messages as [OutgoingMessage, ...OutgoingMessage[]];
  const fenced = { ...headers, [sentHeader.lastSequence]: sequence.toString() };
  if (messageId !== undefined) fenced[sentHeader.lastMessageId] = messageId;
  return [{ subject, body, headers: fenced }, ...others];
}
