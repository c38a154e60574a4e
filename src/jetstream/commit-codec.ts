import { RecordedEvent } from '../../generated/sluice/v1/event';
import { MalformedRecordError, eventsTag, eventSpans } from '../store/commit-record';
import { UnreadableCommitError } from '../store/errors';
import type { NewEvent } from '../store/event-store';
import { position, type CommitId, type Position, type StreamName } from '../store/values';
import { publishedHeader, type StoredMessage } from './message';
import type { OutgoingMessage } from './publish';

/**
 * How a commit lies in JetStream (docs/storage.md): one message, or, if that were larger than the server takes,
 * several in one atomic batch, its parts. The position of a commit is the sequence of its last part.
 */
const header = {
  /** The commit id; for the second and later parts `<commit id>:<part>`. */
  messageId: 'Nats-Msg-Id',
  /** The sequence of the stream's previous commit, 0 for the first; absent on second and later parts. */
  previous: 'Nats-Expected-Last-Subject-Sequence',
  /** The version of the stream after this message. */
  version: 'Sluice-Version',
  /** The number of events in this message. */
  count: 'Sluice-Count',
  /** `<part>/<parts>`, 1-based; absent if there is only one. */
  part: 'Sluice-Part',
} as const;

/** Messages that a NATS server takes in one atomic batch. */
export const batchMessagesMax = 1_000;

/** Room that the headers of one message may need, with what the server adds. */
export const headerRoomBytes = 1_024;

/** An event as it is stored, but for its version, which is known only when the commit is published. */
export function encodeEvent(stream: StreamName, event: NewEvent): Uint8Array {
  return RecordedEvent.encode({
    id: event.id,
    stream,
    version: 0n,
    type: event.type,
    payload: event.payload as RecordedEvent['payload'],
    contentType: event.contentType,
    correlationId: event.correlationId,
    causationId: event.causationId,
    tags: event.tags as string[],
    metadata: event.metadata as Map<string, string>,
    position: 0n,
    commitTime: undefined,
  }).finish();
}

const versionTag = 3 << 3;
/** Bytes that framing and version add to an event at most: two tags, a length and a 64-bit number. */
export const framingBytesMax = 2 + 5 + 10;

/** How many messages a commit takes. */
export function messageCount(encoded: readonly Uint8Array[], bodyBytesMax: number): number {
  return group(encoded, bodyBytesMax).length;
}

/** Divides a commit into as few messages as the server's limit allows; usually one. */
export function toMessages(
  subject: string,
  encoded: readonly Uint8Array[],
  commit: { readonly firstVersion: bigint; readonly previous: bigint; readonly commitId: CommitId },
  bodyBytesMax: number,
): OutgoingMessage[] {
  const groups = group(encoded, bodyBytesMax);
  let version = commit.firstVersion;
  return groups.map((events, index) => {
    const body = frameEvents(events, version);
    version += BigInt(events.length);
    const headers: Record<string, string> = {
      [header.messageId]: index === 0 ? commit.commitId : `${commit.commitId}:${(index + 1).toString()}`,
      [header.version]: (version - 1n).toString(),
      [header.count]: events.length.toString(),
    };
    if (index === 0) headers[header.previous] = commit.previous.toString();
    if (groups.length > 1) headers[header.part] = `${(index + 1).toString()}/${groups.length.toString()}`;
    return { subject, headers, body };
  });
}

function group(encoded: readonly Uint8Array[], bodyBytesMax: number): Uint8Array[][] {
  const groups: Uint8Array[][] = [];
  let bytes = Infinity;
  for (const event of encoded) {
    const size = event.length + framingBytesMax;
    if (bytes + size > bodyBytesMax) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(event);
    bytes += size;
  }
  return groups;
}

/** The events as field 1 of a CommitRecord, each with its version appended. */
function frameEvents(events: readonly Uint8Array[], firstVersion: bigint): Uint8Array {
  const bytes = events.reduce((sum, event) => sum + event.length + framingBytesMax, 0);
  const body = Buffer.allocUnsafe(bytes);
  let at = 0;
  let version = Number(firstVersion);
  for (const event of events) {
    const versionBytes = varintBytes(version);
    body[at++] = eventsTag;
    at = writeVarint(body, at, event.length + 1 + versionBytes);
    body.set(event, at);
    at += event.length;
    body[at++] = versionTag;
    at = writeVarint(body, at, version);
    version++;
  }
  return body.subarray(0, at);
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

function writeVarint(target: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) target[at++] = (rest % 128) | 0x80;
  target[at++] = rest;
  return at;
}

/** One stored message of a commit, its headers read, its body not yet. */
export interface StoredPart {
  readonly stream: string;
  readonly sequence: bigint;
  readonly timeNanos: bigint;
  readonly firstVersion: bigint;
  readonly lastVersion: bigint;
  readonly commitId: string;
  /** The sequence of the stream's previous commit; undefined on second and later parts. */
  readonly previous: bigint | undefined;
  /** 1-based. */
  readonly part: number;
  readonly parts: number;
  readonly body: Uint8Array;
}

const digits = /^\d{1,19}$/;
const partOf = /^([1-9]\d{0,3})\/([1-9]\d{0,3})$/;

/** Reads the headers of a stored message. Throws UnreadableCommitError if Sluice did not write it. */
export function readPart(stream: string, message: StoredMessage): StoredPart {
  const version = number(publishedHeader(message.headers, header.version));
  const count = number(publishedHeader(message.headers, header.count));
  const messageId = publishedHeader(message.headers, header.messageId);
  if (
    version === undefined ||
    count === undefined ||
    messageId === undefined ||
    count < 1n ||
    count > version
  ) {
    throw unreadable(stream, message.sequence, 'its headers are not those of a commit');
  }
  const [, part, parts] = partOf.exec(publishedHeader(message.headers, header.part) ?? '1/1') ?? [];
  const isFirst = part === '1';
  const previous = isFirst ? number(publishedHeader(message.headers, header.previous)) : undefined;
  if (part === undefined || (isFirst && previous === undefined) || Number(part) > Number(parts)) {
    throw unreadable(stream, message.sequence, 'its headers are not those of a commit');
  }
  return {
    stream,
    sequence: message.sequence,
    timeNanos: message.timeNanos,
    firstVersion: version - count + 1n,
    lastVersion: version,
    commitId: messageId.split(':', 1)[0] as string,
    previous,
    part: Number(part),
    parts: Number(parts),
    body: message.body,
  };
}

/** The position of the commit that a message belongs to: the sequence of its last part. */
export function positionOf({ sequence, part, parts }: StoredPart): bigint {
  return sequence + BigInt(parts - part);
}

function number(text: string | undefined): bigint | undefined {
  return text !== undefined && digits.test(text) ? BigInt(text) : undefined;
}

/** A whole commit as it is stored. */
export interface StoredCommit {
  readonly stream: string;
  readonly firstVersion: bigint;
  readonly lastVersion: bigint;
  readonly position: Position;
  readonly timeNanos: bigint;
  readonly commitId: string;
  /** The position of the stream's previous commit; 0 if this is the first. */
  readonly previous: bigint;
  /** CommitRecord bytes. */
  readonly record: Uint8Array;
}

/**
 * Puts parts together. Give it messages in order, of one stream or of the whole log, where the parts of a commit follow
 * one another; it answers whole commits.
 */
export class CommitAssembler {
  private pending: StoredPart[] = [];
  private pendingBytes = 0;

  /** `commitBytesMax` bounds what is kept of a commit whose end has not come. */
  constructor(private readonly commitBytesMax: number) {}

  /** The sequence of the first part of the commit whose end has not come, if there is one. */
  get pendingFrom(): bigint | undefined {
    return this.pending[0]?.sequence;
  }

  /** The commit that this part completes, or undefined. Throws UnreadableCommitError. */
  add(part: StoredPart): StoredCommit | undefined {
    checkRecord(part);
    if (part.parts === 1 && this.pending.length === 0) return toCommit(part, part, part.body);
    const last = this.pending.at(-1);
    const fits =
      last === undefined
        ? part.part === 1
        : part.part === last.part + 1 &&
          part.parts === last.parts &&
          part.commitId === last.commitId &&
          part.stream === last.stream;
    this.pendingBytes += part.body.length;
    if (!fits || this.pendingBytes > this.commitBytesMax) {
      throw unreadable(part.stream, part.sequence, 'the parts of its commit do not fit together');
    }
    this.pending.push(part);
    if (part.part < part.parts) return undefined;
    const commit = toCommit(
      this.pending[0] as StoredPart,
      part,
      Buffer.concat(this.pending.map(({ body }) => body)),
    );
    this.pending = [];
    this.pendingBytes = 0;
    return commit;
  }
}

function toCommit(first: StoredPart, last: StoredPart, record: Uint8Array): StoredCommit {
  return {
    stream: first.stream,
    firstVersion: first.firstVersion,
    lastVersion: last.lastVersion,
    position: position(last.sequence),
    timeNanos: last.timeNanos,
    commitId: first.commitId,
    previous: first.previous ?? 0n,
    record,
  };
}

/** A whole commit as if it were stored in one message, its last. */
export function asPart({ position: sequence, record: body, ...commit }: StoredCommit): StoredPart {
  return { ...commit, sequence, body, part: 1, parts: 1 };
}

/** The body must hold as many events as the headers say: what is relayed unread must at least be whole. */
function checkRecord(part: StoredPart): void {
  try {
    const count = BigInt(eventSpans(part.body).length);
    if (count === part.lastVersion - part.firstVersion + 1n) return;
    throw unreadable(part.stream, part.sequence, 'it holds another number of events than its headers say');
  } catch (error) {
    if (error instanceof MalformedRecordError) throw unreadable(part.stream, part.sequence, error.message);
    throw error;
  }
}

export function unreadable(stream: string, sequence: bigint, reason: string): UnreadableCommitError {
  return new UnreadableCommitError(stream, position(sequence), reason);
}
