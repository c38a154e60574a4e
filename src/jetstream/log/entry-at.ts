import { UnreadableCommitError } from '../../store/errors';
import type { LogEntry } from '../../store/log';
import { noVersion, position, sequenceAfter, type Sequence } from '../../store/values';
import { apiGet } from '../nats/api';
import type { StoredMessage } from '../nats/message';
import { endless, within } from './bounded-call';
import { CommitAssembler } from './commit-assembler';
import { readPart, unreadable } from './commit-codec';
import { isControlMessage, readControl } from './control-codec';
import { nameOf, type LogAccess } from './log-access';
import { toEntry } from './log-entries';

/** The entry whose last message has this sequence. */
export async function entryAt(log: LogAccess, sequence: Sequence): Promise<LogEntry> {
  const last = await messageAt(log, sequence);
  if (last === undefined) {
    const reason = 'it is gone';
    const at = position(sequence);
    return { kind: 'lost', stream: '', firstPosition: at, position: at, timeNanos: 0n, reason };
  }
  const name = nameOf(log, last.subject);
  const { timeNanos } = last;
  try {
    if (isControlMessage(last)) return readControl(name, last);
    const part = readPart(name, last);
    const assembler = new CommitAssembler(2 * log.limits.appendBytesMax);
    for (let before = part.parts - 1; before > 0; before--) {
      const message = await messageAt(log, sequenceAfter(sequence, BigInt(-before)));
      if (message !== undefined) assembler.add(readPart(name, message));
    }
    const commit = assembler.add(part);
    if (commit !== undefined) return toEntry(commit, false);
    throw unreadable(name, sequence, 'its other parts are missing');
  } catch (error) {
    if (!(error instanceof UnreadableCommitError)) throw error;
    const { stream, reason } = error;
    const at = position(sequence);
    return { kind: 'unreadable', stream, position: at, timeNanos, claimedVersion: noVersion, reason };
  }
}

/** The message with a sequence, as the leader of the log has it; undefined: it is gone. */
export function messageAt(
  { pool, stream, limits }: LogAccess,
  sequence: Sequence,
  call = endless,
): Promise<StoredMessage | undefined> {
  const options = within(call, limits.requestTimeoutMs);
  return apiGet(pool.read(), stream, { seq: Number(sequence) }, options);
}
