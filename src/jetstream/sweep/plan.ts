import { MalformedRecordError } from '../../protobuf/commit-record';
import { UnreadableCommitError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { LogControl } from '../../store/log';
import { sequenceAfter, type Sequence, type Version } from '../../store/values';
import { within } from '../log/bounded-call';
import { readPart, type StoredPart } from '../log/commit-codec';
import { isControlMessage, readControl } from '../log/control-codec';
import { messageAt } from '../log/entry-at';
import { nameOf, type LogAccess } from '../log/log-access';
import { stubOf, type Removal, type Stub } from '../log/removal-codec';
import { apiGet } from '../nats/api';
import type { StoredMessage } from '../nats/message';

/** A message that is to be removed. */
export interface Doomed {
  readonly sequence: Sequence;
  readonly bytes: number;
  /** What stays in its place; undefined: nothing, since nobody can read it. */
  readonly stub: Stub | undefined;
}

/** What is to be removed together. */
export interface Plan {
  readonly removal: Removal;
  readonly messages: readonly Doomed[];
  /** Whether nothing is left for a later plan. */
  readonly isWhole: boolean;
}

/** The control at a position, as the leader of the log has it; undefined: the position has no control, or one of another stream. */
export async function controlAt(
  log: LogAccess,
  stream: string,
  position: bigint,
  call: CallContext,
): Promise<LogControl | undefined> {
  const message = await messageAt(log, position as Sequence, call);
  if (message === undefined || nameOf(log, message.subject) !== stream || !isControlMessage(message))
    return undefined;
  try {
    return readControl(stream, message);
  } catch (error) {
    if (error instanceof UnreadableCommitError) return undefined;
    throw error;
  }
}

/**
 * Finds the messages of a stream that its newest control hides: the commits before the first one that has a version that it leaves, and
 * earlier controls. So the newest control stays, and with it a last message. About `max` messages of whole commits, as the leader of
 * the log has them; what cannot be read ends it.
 */
export async function planPurge(
  log: LogAccess,
  { stream, sequence, rules }: Pick<LogControl, 'stream' | 'sequence' | 'rules'>,
  max: number,
  call: CallContext,
): Promise<Plan> {
  const walk = new Walk(log, stream, sequence, call);
  const messages = await walk.untilVersion(rules.firstVersion, max);
  const before = walk.before;
  return { removal: { kind: 'purge', stream, before }, messages, isWhole: !walk.isCut };
}

/** The messages of a stream before a sequence: what is left of a purge that was interrupted. */
export async function replanPurge(
  log: LogAccess,
  { stream, before }: Extract<Removal, { kind: 'purge' }>,
  call: CallContext,
): Promise<readonly Doomed[]> {
  const messages: Doomed[] = [];
  for await (const message of messagesBefore(log, stream, before, call))
    messages.push(doomed(log, message, 'purge'));
  return messages;
}

/** Those of single messages that the log still has. */
export async function planErase(
  log: LogAccess,
  sequences: readonly Sequence[],
  call: CallContext,
): Promise<readonly Doomed[]> {
  const messages: Doomed[] = [];
  for (const sequence of sequences) {
    const message = await messageAt(log, sequence, call);
    if (message !== undefined) messages.push(doomed(log, message, 'erase'));
  }
  return messages;
}

/** All messages of the commit whose last message has this sequence. The others may be gone already. */
export async function messagesOfCommit(
  log: LogAccess,
  stream: string,
  last: Sequence,
  call: CallContext,
): Promise<readonly Sequence[]> {
  const message = await messageAt(log, last, call);
  if (message === undefined || nameOf(log, message.subject) !== stream || isControlMessage(message))
    return [];
  const { part } = readPart(stream, message);
  return Array.from({ length: part }, (_, index) => sequenceAfter(last, BigInt(index + 1 - part)));
}

/** Throws MalformedRecordError if the message of a commit cannot be read. */
function doomed(log: LogAccess, message: StoredMessage, kind: Removal['kind']): Doomed {
  const { sequence, headers, body } = message;
  const bytes = headers.length + body.length;
  return { sequence, bytes, stub: needsStub(log, message, kind) ? stubOf(message) : undefined };
}

/**
 * Whether readers get something in the place of a message: of one that was erased; of one in a transaction, which would be torn; and of
 * the control of an erasure, which is the record of it.
 */
function needsStub(log: LogAccess, message: StoredMessage, kind: Removal['kind']): boolean {
  if (kind === 'erase') return true;
  const name = nameOf(log, message.subject);
  if (isControlMessage(message)) return readControl(name, message).control.kind === 'erase';
  return readPart(name, message).inTransaction;
}

/** The messages of a stream before a sequence, in order, as the leader of the log has them. */
async function* messagesBefore(
  { pool, stream: api, limits, prefix }: LogAccess,
  stream: string,
  before: Sequence,
  call: CallContext,
): AsyncGenerator<StoredMessage, void> {
  for (let at = 1n; at < before;) {
    const lookup = { seq: Number(at), next_by_subj: `${prefix}.${stream}` };
    const message = await apiGet(pool.read(), api, lookup, within(call, limits.requestTimeoutMs));
    if (message === undefined || message.sequence >= before) return;
    yield message;
    at = message.sequence + 1n;
  }
}

/** Of stubs in memory. */
const stubBytesMax = 4 << 20;

/** Walks through the hidden messages of a stream. */
class Walk {
  /** The sequence after the last message of what was found. */
  before: Sequence = 0n as Sequence;
  /** Whether there is more than was asked for. */
  isCut = false;

  constructor(
    private readonly log: LogAccess,
    private readonly stream: string,
    private readonly end: Sequence,
    private readonly call: CallContext,
  ) {}

  async untilVersion(firstVersion: Version, max: number): Promise<Doomed[]> {
    const found: Doomed[] = [];
    let commit: Doomed[] = [];
    let stubBytes = 0;
    try {
      for await (const message of messagesBefore(this.log, this.stream, this.end, this.call)) {
        if (found.length >= max || stubBytes > stubBytesMax) {
          this.isCut = true;
          break;
        }
        const part = isControlMessage(message) ? undefined : readPart(this.stream, message);
        if (part !== undefined && part.lastVersion >= firstVersion) break;
        const next = doomed(this.log, message, 'purge');
        stubBytes += next.stub?.body.length ?? 0;
        commit.push(next);
        if (part !== undefined && !isLast(part)) continue;
        found.push(...commit);
        commit = [];
        this.before = sequenceAfter(message.sequence, 1n);
      }
    } catch (error) {
      if (!(error instanceof UnreadableCommitError) && !(error instanceof MalformedRecordError)) throw error;
    }
    return found;
  }
}

function isLast({ part, parts }: StoredPart): boolean {
  return part === parts;
}
