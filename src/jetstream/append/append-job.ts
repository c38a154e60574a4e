import { InvalidRequestError, type FieldViolation } from '../../store/errors';
import type { AppendCommand, AppendMultiCommand, StreamAppend } from '../../store/event-store';
import { uuidV7 } from '../../store/ids';
import type { CommitId, StreamName } from '../../store/values';
import { batchMessagesMax, framingBytesMax, messageCount } from '../log/commit-codec';
import { bodyBytesLimit, eventBytesLimit } from '../log/size-limits';
import { encodeEvent } from './encode-event';
import type { StoreContext } from '../log/store-context';

/** What is to be appended to one stream, encoded. */
export interface StreamJob {
  readonly stream: StreamName;
  readonly encoded: readonly Uint8Array[];
  /** For each event, whether the caller gave its id. */
  readonly idsGiven: readonly boolean[];
  readonly expected: bigint | undefined;
}

interface JobKey {
  readonly bytes: number;
  /** Bytes of one event as stored that could be taken when it was encoded. */
  readonly eventBytesMax: number;
  readonly commitId: CommitId;
  /** Whether the caller gave the commit id, so that it may have been stored by an earlier call. */
  readonly repeatable: boolean;
}

/** An append with its events encoded, of a size that the store takes. */
export interface Job extends StreamJob, JobKey {}

/** The same for several streams. */
export interface MultiJob extends JobKey {
  readonly appends: readonly StreamJob[];
  readonly checks: readonly { readonly stream: StreamName; readonly expected: bigint }[];
}

const violationsMax = 32;

/** Throws InvalidRequestError for an event that cannot be taken any more since the limit has been lowered. */
export function checkStillFits(
  context: StoreContext,
  { eventBytesMax }: JobKey,
  appends: readonly StreamJob[],
): void {
  const limit = eventBytesLimit(context);
  if (limit >= eventBytesMax) return;
  const path = (index: number): string => (appends.length === 1 ? '' : `appends[${index.toString()}].`);
  const violations = appends.flatMap(({ encoded }, index) => tooLarge(encoded, limit, path(index)));
  if (violations.length > 0) throw new InvalidRequestError(violations.slice(0, violationsMax));
}

function tooLarge(encoded: readonly Uint8Array[], limit: number, path: string): FieldViolation[] {
  return encoded.flatMap(({ length }, index) =>
    length > limit ? [eventTooLarge(path, index, length, limit)] : [],
  );
}

function eventTooLarge(path: string, index: number, bytes: number, limit: number): FieldViolation {
  return {
    field: `${path}events[${index.toString()}]`,
    description: `has ${bytes.toString()} bytes as stored, more than the ${limit.toString()} of one event`,
  };
}

/** Encodes the events. Throws InvalidRequestError. */
export function prepare(context: StoreContext, command: AppendCommand): Job {
  const key = keyOf(command);
  const sizes = new Sizes(context);
  const job = sizes.encode(command, '');
  sizes.throwIfTooLarge('events');
  const { stream, encoded, idsGiven, expected } = job;
  const { commitId, repeatable } = key;
  // Spelled out, since a spread takes several times as long.
  const { bytes, eventBytesMax } = sizes;
  return { stream, encoded, idsGiven, expected, commitId, repeatable, bytes, eventBytesMax };
}

/** The same for several streams. */
export function prepareMulti(context: StoreContext, command: AppendMultiCommand): MultiJob {
  const key = keyOf(command);
  const sizes = new Sizes(context);
  const appends = command.appends.map((append, index) => sizes.encode(append, `appends[${index}].`));
  const checks = command.checks.map(({ stream, expectedVersion }) => ({ stream, expected: expectedVersion }));
  sizes.messages += checks.length;
  sizes.throwIfTooLarge('appends');
  const { bytes, eventBytesMax } = sizes;
  return { appends, checks, ...key, bytes, eventBytesMax };
}

function keyOf({
  commitId,
}: {
  readonly commitId: CommitId | undefined;
}): Pick<JobKey, 'commitId' | 'repeatable'> {
  return { commitId: commitId ?? (uuidV7() as CommitId), repeatable: commitId !== undefined };
}

/** Encodes the events of a command, and sums up what they take. */
class Sizes {
  bytes = 0;
  messages = 0;
  private readonly violations: FieldViolation[] = [];
  readonly eventBytesMax: number;
  private readonly bodyBytesMax: number;

  constructor(private readonly context: StoreContext) {
    this.eventBytesMax = eventBytesLimit(context);
    this.bodyBytesMax = bodyBytesLimit(context);
  }

  encode({ stream, events, expectedVersion }: StreamAppend, path: string): StreamJob {
    const encoded: Uint8Array[] = [];
    const idsGiven: boolean[] = [];
    let bytes = 0;
    for (const event of events) {
      const stored = encodeEvent(stream, event);
      if (stored.length > this.eventBytesMax) {
        this.violations.push(eventTooLarge(path, encoded.length, stored.length, this.eventBytesMax));
      }
      bytes += stored.length + framingBytesMax;
      encoded.push(stored);
      idsGiven.push(event.hasGivenId);
    }
    this.bytes += bytes;
    this.messages += bytes > this.bodyBytesMax ? messageCount(encoded, this.bodyBytesMax) : 1;
    return { stream, encoded, idsGiven, expected: expectedVersion };
  }

  /** Throws InvalidRequestError, also for events that are too large; `field` is for all of them together. */
  throwIfTooLarge(field: string): void {
    const { bytes, messages, violations } = this;
    const { appendBytesMax } = this.context.limits;
    if (bytes > appendBytesMax) {
      violations.push({
        field,
        description: `have ${bytes.toString()} bytes as stored, more than the ${appendBytesMax.toString()} of one append`,
      });
    }
    if (messages > batchMessagesMax) {
      violations.push({
        field,
        description: `take ${messages.toString()} NATS messages, more than the ${batchMessagesMax.toString()} of one batch`,
      });
    }
    if (violations.length > 0) throw new InvalidRequestError(violations.slice(0, violationsMax));
  }
}
