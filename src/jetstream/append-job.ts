import { InvalidRequestError } from '../store/errors';
import type { AppendCommand } from '../store/event-store';
import { uuidV7 } from '../store/ids';
import type { CommitId, StreamName } from '../store/values';
import {
  batchMessagesMax,
  encodeEvent,
  framingBytesMax,
  headerRoomBytes,
  messageCount,
} from './commit-codec';
import { hashKeys } from './index-record';
import type { StoreContext } from './store-context';

/** An append with its events encoded, of a size that the store takes. */
export interface Job {
  readonly stream: StreamName;
  readonly encoded: readonly Uint8Array[];
  readonly bytes: number;
  /** Of the correlation ids. */
  readonly keyHashes: readonly bigint[];
  readonly expected: bigint | undefined;
  readonly commitId: CommitId;
  /** Whether the caller gave the commit id, so that it may have been stored by an earlier call. */
  readonly repeatable: boolean;
}

const violationsMax = 32;

/** Bytes of events that fit into one NATS message. */
export function bodyBytesLimit({ pool }: StoreContext): number {
  return pool.append().maxPayloadBytes - headerRoomBytes;
}

/** Bytes of one event as stored: it must fit into one NATS message. */
export function eventBytesLimit(context: StoreContext): number {
  return Math.min(context.limits.eventBytesMax, bodyBytesLimit(context) - framingBytesMax);
}

/** Encodes the events. Throws InvalidRequestError. */
export function prepare(
  context: StoreContext,
  { stream, events, expectedVersion, commitId }: AppendCommand,
): Job {
  const eventBytesMax = eventBytesLimit(context);
  const { appendBytesMax } = context.limits;
  const bodyBytesMax = bodyBytesLimit(context);
  const encoded = events.map((event) => encodeEvent(stream, event));
  const bytes = encoded.reduce((sum, { length }) => sum + length + framingBytesMax, 0);
  const violations = [];
  for (const [index, { length }] of encoded.entries()) {
    if (length <= eventBytesMax) continue;
    violations.push({
      field: `events[${index.toString()}]`,
      description: `has ${length.toString()} bytes as stored, more than the ${eventBytesMax.toString()} of one event`,
    });
  }
  if (bytes > appendBytesMax) {
    violations.push({
      field: 'events',
      description: `have ${bytes.toString()} bytes as stored, more than the ${appendBytesMax.toString()} of one append`,
    });
  }
  const messages = bytes > bodyBytesMax ? messageCount(encoded, bodyBytesMax) : 1;
  if (messages > batchMessagesMax) {
    violations.push({
      field: 'events',
      description: `take ${messages.toString()} NATS messages, more than the ${batchMessagesMax.toString()} of one batch`,
    });
  }
  if (violations.length > 0) throw new InvalidRequestError(violations.slice(0, violationsMax));
  return {
    stream,
    encoded,
    bytes,
    keyHashes: hashKeys(events.map(({ correlationId }) => correlationId)),
    expected: expectedVersion,
    commitId: commitId ?? (uuidV7() as CommitId),
    repeatable: commitId !== undefined,
  };
}
