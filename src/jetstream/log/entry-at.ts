import { UnreadableCommitError } from '../../store/errors';
import type { LogEntry } from '../../store/log';
import { noVersion, position, sequenceAfter, type Sequence } from '../../store/values';
import { apiGet } from '../nats/api';
import type { StoredMessage } from '../nats/message';
import { endless, within } from './bounded-call';
import { CommitAssembler } from './commit-assembler';
import { readPart, unreadable, type StoredPart } from './commit-codec';
import { isControlMessage, readControl } from './control-codec';
import { nameOf, type LogAccess } from './log-access';
import { toEntry } from './log-entries';

/** The entry whose last message has this sequence. */
export async function entryAt(log: LogAccess, sequence: Sequence): Promise<LogEntry> {
  const last = await messageOrStubAt(log, sequence);
  if (typeof last === 'string') {
    const isRemoved = last === 'removed';
    const reason = isRemoved ? 'it was removed' : 'it is gone';
    const at = position(sequence);
    return { kind: 'lost', stream: '', firstPosition: at, position: at, timeNanos: 0n, reason, isRemoved };
  }
  const { message } = last;
  const name = nameOf(log, message.subject);
  const { timeNanos } = message;
  try {
    if (isControlMessage(message)) return readControl(name, message);
    const part = partOf(name, last);
    const assembler = new CommitAssembler(2 * log.limits.appendBytesMax);
    for (let before = part.parts - 1; before > 0; before--) {
      const found = await messageOrStubAt(log, sequenceAfter(sequence, BigInt(-before)));
      if (typeof found !== 'string') assembler.add(partOf(name, found));
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

/** A message of the log, or what is in its place. */
interface Found {
  readonly message: StoredMessage;
  readonly isStub: boolean;
}

function partOf(name: string, { message, isStub }: Found): StoredPart {
  const part = readPart(name, message);
  return isStub ? { ...part, isErased: true } : part;
}

/** The message with a sequence, as the leader of the log has it, or its stub; otherwise whether it was removed. */
export async function messageOrStubAt(
  log: LogAccess,
  sequence: Sequence,
  call = endless,
): Promise<Found | 'removed' | 'lost'> {
  const message = await messageAt(log, sequence, call);
  if (message !== undefined) return { message, isStub: false };
  const fate = await log.removed.fateOf(sequence, call);
  return fate.kind === 'stub' ? { message: fate.stub, isStub: true } : fate.kind;
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
