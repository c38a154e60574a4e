import { sequence as toSequence, type Sequence } from '../../store/values';
import { blockMessages } from './removal-subjects';
import { sentHeader as header } from '../nats/headers';
import { publishedHeader, type StoredMessage } from '../nats/message';
import { erasedRecord } from '../../protobuf/erased-record';
import { isControlMessage } from './control-codec';

/**
 * How the log records which of its messages were removed on purpose (docs/storage.md). The records are messages of the log, on subjects
 * that no stream can have: so a backup of the log has them, and a log that goes back to an earlier state goes back with them.
 */

/** What is being removed: recorded already, and perhaps removed. */
export type Removal =
  /** The messages of a stream before a sequence. */
  | { readonly kind: 'purge'; readonly stream: string; readonly before: Sequence }
  /** Single messages. */
  | { readonly kind: 'erase'; readonly sequences: readonly Sequence[] };

/** How many messages were removed. */
export interface RemovalCount {
  /** Those that are removed for certain. */
  readonly removed: bigint;
  /** The removals under way, and how many messages they remove. None: no removal is under way. */
  readonly pending: readonly Removal[];
  readonly pendingMessages: bigint;
  /** What the controls up to this position ask for is removed. */
  readonly sweptUpTo: bigint;
}

export const noRemovals: RemovalCount = {
  removed: 0n,
  pending: [],
  pendingMessages: 0n,
  sweptUpTo: 0n,
};

interface StoredRemoval {
  readonly stream?: string;
  readonly before?: number;
  readonly sequences?: readonly number[];
}

export function encodeCount({ removed, pending, pendingMessages, sweptUpTo }: RemovalCount): Uint8Array {
  const stored = pending.map((removal): StoredRemoval =>
    removal.kind === 'purge'
      ? { stream: removal.stream, before: Number(removal.before) }
      : { sequences: removal.sequences.map(Number) },
  );
  return Buffer.from(
    JSON.stringify({
      removed: Number(removed),
      pending: stored,
      pendingMessages: Number(pendingMessages),
      sweptUpTo: Number(sweptUpTo),
    }),
  );
}

/** The record of removals that somebody else has written, or that a later version has. */
export class UnreadableRecordError extends Error {}

export function decodeCount(body: Uint8Array): RemovalCount {
  const { removed, pending, pendingMessages, sweptUpTo } = parsed(body) as {
    readonly removed: number;
    readonly sweptUpTo: number;
    readonly pending: readonly StoredRemoval[];
    readonly pendingMessages: number;
  };
  return {
    removed: whole(removed),
    pending: pending.map(toRemoval),
    pendingMessages: whole(pendingMessages),
    sweptUpTo: whole(sweptUpTo),
  };
}

function toRemoval({ stream, before, sequences }: StoredRemoval): Removal {
  if (sequences !== undefined)
    return { kind: 'erase', sequences: sequences.map((sequence) => toSequence(whole(sequence))) };
  if (stream === undefined) throw new UnreadableRecordError('a removal names neither a stream nor messages');
  return { kind: 'purge', stream, before: toSequence(whole(before)) };
}

/** Which messages of a block were removed. */
export interface RemovedBlock {
  /** A bit for each sequence of the block, from the lowest bit of the first byte on. */
  readonly bits: Uint8Array;
  /** How many records have stubs of the block. */
  readonly stubRecords: number;
}

export const emptyBlock = (): RemovedBlock => ({ bits: new Uint8Array(blockMessages / 8), stubRecords: 0 });

export function isRemoved({ bits }: RemovedBlock, sequence: Sequence): boolean {
  const at = Number(sequence % BigInt(blockMessages));
  return ((bits[at >> 3] as number) & (1 << (at & 7))) !== 0;
}

/** Without the bytes before the first bit and after the last, so that a record of few messages is small. */
export function encodeBlock({ bits, stubRecords }: RemovedBlock): Uint8Array {
  const from = bits.findIndex((byte) => byte !== 0);
  const end = bits.findLastIndex((byte) => byte !== 0) + 1;
  const text = Buffer.from(bits.subarray(Math.max(0, from), end)).toString('base64');
  return Buffer.from(JSON.stringify({ from: Math.max(0, from) * 8, bits: text, stubRecords }));
}

export function decodeBlock(body: Uint8Array): RemovedBlock {
  const { from, bits, stubRecords } = parsed(body) as {
    readonly from: number;
    readonly bits: string;
    readonly stubRecords: number;
  };
  const found = Buffer.from(bits, 'base64');
  const at = Number(whole(from)) / 8;
  const block = { bits: new Uint8Array(blockMessages / 8), stubRecords: Number(whole(stubRecords)) };
  if (!Number.isInteger(at) || at + found.length > block.bits.length)
    throw new UnreadableRecordError('a block has more messages than there are');
  block.bits.set(found, at);
  return block;
}

/** What readers get in place of a message that is removed: the message without contents. Its body views the body of the record. */
export type Stub = StoredMessage;

/** The headers that a reader of a commit needs. The principal that appended it is not among them. */
const keptHeaders = [
  header.messageId,
  header.version,
  header.count,
  header.previous,
  header.part,
  header.transaction,
];

/** The stub of a message of a commit. Throws MalformedRecordError. That of a control is the control itself: it has no contents. */
export function stubOf(message: StoredMessage): Stub {
  if (isControlMessage(message)) return message;
  const lines = keptHeaders.flatMap((name) => {
    const value = publishedHeader(message.headers, name);
    return value === undefined ? [] : [`${name}: ${value}\r\n`];
  });
  return {
    ...message,
    headers: `NATS/1.0\r\n${lines.join('')}\r\n`,
    body: erasedRecord(message.body),
  };
}

interface StoredStub {
  readonly sequence: number;
  readonly subject: string;
  readonly timeNanos: string;
  readonly headers: string;
  readonly bytes: number;
}

/** A line of JSON that describes the stubs, and then their bodies. */
export function encodeStubs(stubs: readonly Stub[]): Uint8Array {
  const described = stubs.map(({ sequence, subject, timeNanos, headers, body }): StoredStub => ({
    sequence: Number(sequence),
    subject,
    timeNanos: timeNanos.toString(),
    headers,
    bytes: body.length,
  }));
  return Buffer.concat([
    Buffer.from(`${JSON.stringify(described)}\n`),
    ...stubs.map(({ body }) => Buffer.from(body)),
  ]);
}

export function decodeStubs(body: Uint8Array): Stub[] {
  const newline = body.indexOf(0x0a);
  if (newline < 0) throw new UnreadableRecordError('a record of stubs has no first line');
  let at = newline + 1;
  return (parsed(body.subarray(0, newline)) as readonly StoredStub[]).map((stub) => {
    const { sequence, subject, timeNanos, headers, bytes } = stub;
    const end = at + Number(whole(bytes));
    if (end > body.length) throw new UnreadableRecordError('a record of stubs is cut off');
    const found = { sequence: toSequence(whole(sequence)), subject, timeNanos: BigInt(timeNanos), headers };
    const stubBody = body.subarray(at, end);
    at = end;
    return { ...found, body: stubBody };
  });
}

function parsed(bytes: Uint8Array): object {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString());
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // The error below says it.
  }
  throw new UnreadableRecordError('a record of removals is not JSON');
}

function whole(value: unknown): bigint {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return BigInt(value as number);
  throw new UnreadableRecordError('a record of removals has a number that cannot be meant');
}
