import { UnreadableCommitError } from '../../store/errors';
import type { LogEntry } from '../../store/log';
import { apiGet } from '../nats/api';
import type { StoredMessage } from '../nats/message';
import { CommitAssembler } from './commit-assembler';
import { readPart, unreadable } from './commit-codec';
import { toEntry } from './log-entries';
import { endless, nameOf, within, type StoreContext } from './store-context';

/** What ends at a sequence. */
export async function entryAt(context: StoreContext, sequence: bigint): Promise<LogEntry> {
  const last = await messageAt(context, sequence);
  if (last === undefined) {
    const reason = 'it is gone';
    return { kind: 'lost', stream: '', firstPosition: sequence, position: sequence, timeNanos: 0n, reason };
  }
  const name = nameOf(context, last.subject);
  const { timeNanos } = last;
  try {
    const part = readPart(name, last);
    const assembler = new CommitAssembler(2 * context.limits.appendBytesMax);
    for (let before = part.parts - 1; before > 0; before--) {
      const message = await messageAt(context, sequence - BigInt(before));
      if (message !== undefined) assembler.add(readPart(name, message));
    }
    const commit = assembler.add(part);
    if (commit !== undefined) return toEntry(commit, false);
    throw unreadable(name, sequence, 'its other parts are missing');
  } catch (error) {
    if (!(error instanceof UnreadableCommitError)) throw error;
    const { stream, reason } = error;
    return { kind: 'unreadable', stream, position: sequence, timeNanos, claimedVersion: 0n, reason };
  }
}

/** The message with a sequence; undefined: it is gone. */
export function messageAt(context: StoreContext, sequence: bigint): Promise<StoredMessage | undefined> {
  const { pool, log, limits } = context;
  const options = within(endless, limits.requestTimeoutMs);
  return apiGet(pool.read(), log, { seq: Number(sequence) }, options);
}
