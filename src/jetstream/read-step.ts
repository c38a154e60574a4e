import type { CallContext } from '../store/event-store';
import { directGetBatch } from './direct-get';
import { CommitAssembler, type StoredCommit } from './commit-assembler';
import { isCheck, readPart, stepOf } from './commit-codec';
import { storedMessage } from './message';
import { messageAt } from './read-by-correlation';
import { everything, nameOf, patiently, type StoreContext } from './store-context';

/** Where a step begins and ends, or a commit of its own: both ends inclusive, as sequences. */
export interface StepSpan {
  readonly from: bigint;
  readonly position: bigint;
}

/** The step, or the commit, to which the message with this sequence belongs. */
export async function stepAt(context: StoreContext, sequence: bigint, call: CallContext): Promise<StepSpan> {
  const message = await messageAt(context, sequence, call);
  return stepOf(message) ?? readPart(nameOf(context, message.subject), message);
}

/** The commits of a step that is stored, in the order in which it was written. */
export async function readStep(
  context: StoreContext,
  { from, position }: StepSpan,
  call: CallContext,
): Promise<StoredCommit[]> {
  const { limits, log, pool } = context;
  const assembler = new CommitAssembler(2 * limits.appendBytesMax);
  const commits: StoredCommit[] = [];
  for (let next = from; next <= position;) {
    const seq = Number(next);
    const batch = Number(position - next) + 1;
    const lookup = { seq, next_by_subj: everything, batch, max_bytes: limits.fetchBytesMax };
    const messages = await patiently(context, `sequence ${next.toString()}`, call, async (options) => {
      const page = await directGetBatch(pool.read(), log, lookup, options);
      return page.messages.length > 0 ? page.messages : undefined;
    });
    for (const message of messages.map(storedMessage)) {
      next = message.sequence + 1n;
      const name = nameOf(context, message.subject);
      const commit = isCheck(name) ? undefined : assembler.add(readPart(name, message));
      if (commit !== undefined) commits.push(commit);
    }
  }
  return commits;
}
