import { eventsTag } from '../../protobuf/commit-record';
import { UnreadableCommitError } from '../../store/errors';
import {
  sequenceAfter,
  versionAfter,
  type CommitId,
  type Position,
  type Sequence,
  type Version,
} from '../../store/values';
import { isRemovalRecord } from './removal-subjects';
import { fieldBytes, varintBytes, writeVarint } from '../../protobuf/varint';
import { sentHeader as header, type SentHeader } from '../nats/headers';
import { parseInteger, publishedHeader, toSequence, type StoredMessage } from '../nats/message';
import type { OutgoingMessage } from '../nats/publish';

/**
 * How a commit is stored in JetStream (docs/storage.md): as one message, or, if that would be larger than the server accepts, as
 * several in one atomic batch, its parts. The commits of a transaction over several streams are one atomic batch as well. The
 * position of a commit is the sequence of the last message of its batch.
 */

/**
 * The stream name of a check: a message without a body, by which a transaction expects something of a stream that it does not
 * write. No stream can have this name.
 */
const checkToken = '$check';

/** Whether a message under this name is a check. */
function isCheck(name: string): boolean {
  return name === checkToken;
}

/** Whether readers skip the messages under this name: checks, and records of removals. */
export function isInternal(name: string): boolean {
  return isCheck(name) || isRemovalRecord(name);
}

/** The most messages that a NATS server accepts in one atomic batch. */
export const batchMessagesMax = 1_000;

/** The most bytes that the headers of one message need, with those that the server adds. */
export const headerBytesMax = 1_024;

const versionTag = 3 << 3;
/** The most bytes that framing and version add to an event: two tags, a length and a 64-bit number. */
export const framingBytesMax = 2 + 5 + 10;

/** An event of a commit, as a RecordedEvent without its version. */
export interface EncodedEvent {
  readonly bytes: Uint8Array;
}

/** How many messages a commit takes. */
export function messageCount(encoded: readonly EncodedEvent[], bodyBytesMax: number): number {
  return group(encoded, bodyBytesMax).length;
}

/** A commit that is about to be stored. */
export interface NewCommit {
  readonly firstVersion: Version;
  readonly previous: Sequence;
  readonly commitId: CommitId;
  /** Of `principalValue`; undefined: nobody is recorded. */
  readonly principal?: string | undefined;
}

/** Divides a commit into as few messages as the server's limit allows; usually one. */
export function toMessages(
  subject: string,
  encoded: readonly EncodedEvent[],
  commit: NewCommit,
  bodyBytesMax: number,
): OutgoingMessage[] {
  const groups = group(encoded, bodyBytesMax);
  let version = commit.firstVersion;
  if (version + BigInt(encoded.length) > versionMax)
    throw unreadable(
      subject.slice(subject.indexOf('.') + 1),
      commit.previous,
      'its version is the highest possible',
    );
  return groups.map((events, index) => {
    const body = frameEvents(events, version);
    version = versionAfter(version, BigInt(events.length));
    const headers: Partial<Record<SentHeader, string>> = {
      [header.messageId]: index === 0 ? commit.commitId : `${commit.commitId}:${(index + 1).toString()}`,
      [header.version]: (version - 1n).toString(),
      [header.count]: events.length.toString(),
    };
    if (index === 0) headers[header.previous] = commit.previous.toString();
    if (index === 0 && commit.principal !== undefined) headers[header.principal] = commit.principal;
    if (groups.length > 1) headers[header.part] = `${(index + 1).toString()}/${groups.length.toString()}`;
    return { subject, headers, body };
  });
}

/** A message without events: its transaction is stored only if the last message on a subject has this sequence (0: no message). */
export function checkMessage(prefix: string, subject: string, sequence: Sequence): OutgoingMessage {
  const headers = { [header.previous]: sequence.toString(), [header.previousOn]: subject };
  return { subject: `${prefix}.${checkToken}`, headers, body: new Uint8Array(0) };
}

/** The messages as those of one transaction. */
export function asTransaction(messages: readonly OutgoingMessage[], commitId: CommitId): OutgoingMessage[] {
  return messages.map((message, index) => {
    const number = (index + 1).toString();
    const headers = {
      ...message.headers,
      [header.messageId]: index === 0 ? commitId : `${commitId}:${number}`,
      [header.transaction]: `${number}/${messages.length.toString()}`,
    };
    return { ...message, headers };
  });
}

function group(encoded: readonly EncodedEvent[], bodyBytesMax: number): (readonly EncodedEvent[])[] {
  const groups: (readonly EncodedEvent[])[] = [];
  let from = 0;
  let bytes = 0;
  encoded.forEach(({ bytes: { length } }, index) => {
    const size = length + framingBytesMax;
    if (bytes + size > bodyBytesMax && index > from) {
      groups.push(encoded.slice(from, index));
      from = index;
      bytes = 0;
    }
    bytes += size;
  });
  groups.push(from === 0 ? encoded : encoded.slice(from));
  return groups;
}

/** The events as field 1 of a CommitRecord, each with its version appended. */
function frameEvents(events: readonly EncodedEvent[], firstVersion: Version): Uint8Array {
  const first = Number(firstVersion);
  let bytes = 0;
  let version = first;
  for (const event of events) bytes += fieldBytes(framedLength(event.bytes, version++));
  const body = Buffer.allocUnsafe(bytes);
  let at = 0;
  version = first;
  for (const { bytes: event } of events) {
    body[at++] = eventsTag;
    at = writeVarint(body, at, framedLength(event, version));
    body.set(event, at);
    at += event.length;
    body[at++] = versionTag;
    at = writeVarint(body, at, version++);
  }
  return body;
}

function framedLength(event: Uint8Array, version: number): number {
  return event.length + 1 + varintBytes(version);
}

/** A stored message of a commit: its headers are parsed, its body is not. */
export interface StoredPart {
  readonly stream: string;
  readonly sequence: Sequence;
  readonly timeNanos: bigint;
  readonly firstVersion: Version;
  readonly lastVersion: Version;
  readonly commitId: string;
  /** The sequence of the stream's previous commit; undefined on second and later parts. */
  readonly previous: Sequence | undefined;
  /** 1-based, of the commit on its stream. */
  readonly part: number;
  readonly parts: number;
  /** The sequence of the first message of the commit, or of the transaction to which it belongs. */
  readonly from: Sequence;
  /** The sequence of the last one: the position of the commit. */
  readonly position: Position;
  /** Whether it belongs to a transaction over several streams. */
  readonly inTransaction: boolean;
  /** It stands in place of a message whose contents were removed. */
  readonly isErased?: true;
  readonly body: Uint8Array;
}

/** Versions must be exact as numbers of JavaScript: nine quadrillion events. */
export const versionMax = BigInt(Number.MAX_SAFE_INTEGER);

const digits = /^\d{1,19}$/;
const partOf = /^([1-9]\d{0,3})\/([1-9]\d{0,3})$/;

/** The headers of a commit of one message, as nearly all are, exactly as `toMessages` and `Frames` write them. */
const plainHeaders = new RegExp(
  `^NATS/1\\.0\r\n${header.messageId}: ([0-9a-f-]{36})\r\n${header.version}: (\\d{1,15})\r\n` +
    `${header.count}: (\\d{1,15})\r\n${header.previous}: (\\d{1,15})\r\n(?:${header.principal}: [!-~]+\r\n)?` +
    `(?:${header.lastSequence}: \\d+\r\n(?:${header.lastMessageId}: [0-9a-f-]{36}\r\n)?)?\r\n$`,
);

/** Reads the headers of a stored message. Throws UnreadableCommitError if Sluice did not write it. */
export function readPart(stream: string, message: StoredMessage): StoredPart {
  const found = plainHeaders.exec(message.headers);
  return (found && plainPart(stream, message, found)) ?? readAnyPart(stream, message);
}

/** undefined: the numbers do not fit together. */
function plainPart(
  stream: string,
  { sequence, timeNanos, body }: StoredMessage,
  [, commitId = '', version, count, previous]: readonly string[],
): StoredPart | undefined {
  const [last, events] = [Number(version), Number(count)];
  if (events < 1 || events > last) return undefined;
  return {
    stream,
    sequence,
    timeNanos,
    firstVersion: BigInt(last - events + 1) as Version,
    lastVersion: BigInt(last) as Version,
    commitId,
    previous: toSequence(Number(previous)),
    part: 1,
    parts: 1,
    from: sequence,
    position: sequence as Position,
    inTransaction: false,
    body,
  };
}

function readAnyPart(stream: string, message: StoredMessage): StoredPart {
  const version = numberHeader(message.headers, header.version);
  const count = numberHeader(message.headers, header.count);
  const messageId = publishedHeader(message.headers, header.messageId);
  if (
    version === undefined ||
    count === undefined ||
    messageId === undefined ||
    count < 1n ||
    count > version ||
    version > versionMax
  ) {
    throw unreadable(stream, message.sequence, 'its headers are not those of a commit');
  }
  const [part, parts] = fraction(message, header.part) ?? [1, 1];
  const transaction = fraction(message, header.transaction);
  const [index, messages] = transaction ?? [part, parts];
  const isFirst = part === 1;
  const previous = isFirst ? numberHeader(message.headers, header.previous) : undefined;
  const isMisplaced = part > parts || index > messages || part > index || BigInt(index) > message.sequence;
  if ((isFirst && previous === undefined) || isMisplaced) {
    throw unreadable(stream, message.sequence, 'its headers are not those of a commit');
  }
  const { sequence } = message;
  return {
    stream,
    sequence,
    timeNanos: message.timeNanos,
    firstVersion: (version - count + 1n) as Version,
    lastVersion: version as Version,
    commitId: messageId.split(':', 1)[0] as string,
    previous: previous as Sequence | undefined,
    part,
    parts,
    from: index === 1 ? sequence : sequenceAfter(sequence, BigInt(1 - index)),
    position: sequenceAfter(sequence, BigInt(messages - index)) as Position,
    inTransaction: transaction !== undefined,
    body: message.body,
  };
}

/** The sequence of the first part of the commit that a message belongs to, on its stream. */
export function firstSequence({ sequence, part }: StoredPart): Sequence {
  return part === 1 ? sequence : sequenceAfter(sequence, BigInt(1 - part));
}

/** Whether a message is a part of a commit that begins before it, on its stream. */
export function isLaterPart(message: StoredMessage): boolean {
  const [part] = fraction(message, header.part) ?? [1];
  return part > 1;
}

/** A header `n/m`; undefined: there is no such header. Its callers check that `n` is not above `m`. */
function fraction({ headers }: StoredMessage, name: string): [number, number] | undefined {
  const text = publishedHeader(headers, name);
  if (text === undefined) return undefined;
  const [, n = Infinity, m = 0] = partOf.exec(text) ?? [];
  return [Number(n), Number(m)];
}

/** The value of a header of decimal digits; undefined: it has no such value. */
export function numberHeader(headers: string, name: string): bigint | undefined {
  const text = publishedHeader(headers, name);
  return text !== undefined && digits.test(text) ? parseInteger(text) : undefined;
}

export function unreadable(stream: string, sequence: Sequence, reason: string): UnreadableCommitError {
  return new UnreadableCommitError(stream, sequence as Position, reason);
}

/** The error for a message that is not part of the store. */
export function outsideStore(name: string, sequence: Sequence): UnreadableCommitError {
  return unreadable(name, sequence, 'its subject is not the name of a stream');
}
