import type { AppendCondition } from '../../store/append-condition';
import { InvalidRequestError, type FieldViolation } from '../../store/errors';
import type { AnyAppend } from '../../store/any-append';
import type { AppendCommand, AppendMultiCommand, StreamAppend } from '../../store/event-store';
import type { ControlCommand } from '../../store/control-command';
import type { Expectation } from '../../store/expectation';
import type { StreamControl } from '../../store/stream-rules';
import { uuidV7 } from '../../uuid';
import type { CommitId, StreamName } from '../../store/values';
import { batchMessagesMax, framingBytesMax, messageCount, type EncodedEvent } from '../log/commit-codec';
import type { CommitSizes } from '../log/commit-sizes';
import { principalValue } from '../log/principal-value';
import { encodeEvent } from './encode-event';

/** An event of a transaction. */
export interface WrittenEvent extends EncodedEvent {
  /** Whether the caller gave its id: one that was filled in differs from one call to the next. */
  readonly hasGivenId: boolean;
}

/** What a transaction has to do with one stream: it writes events or a control to it, or only checks its version. */
export interface StreamPart {
  readonly stream: StreamName;
  readonly events: readonly WrittenEvent[];
  /** undefined: any version will do. */
  readonly expected: Expectation | undefined;
  /** Why the stream may not be created; undefined: it may. */
  readonly newStreamRefusal: Error | undefined;
  /** A control of the stream, which has no events; undefined: it has events, or is a check. */
  readonly control?: StreamControl | undefined;
}

/** What is stored atomically, or not at all; nearly always on one stream. Its size is one that the store takes. */
export interface Transaction {
  /** The streams that it writes, then those that it checks. No stream occurs twice. */
  readonly parts: readonly StreamPart[];
  readonly commitId: CommitId;
  /** Whether the caller gave the commit id, so that an earlier call may have stored it. */
  readonly isRepeatable: boolean;
  /** Its events as stored. */
  readonly bytes: number;
  /** The largest event that could be stored when they were encoded, in bytes. */
  readonly eventBytesMax: number;
  /** As the header holds it; undefined: nobody is recorded. It does not distinguish the transaction from another one. */
  readonly principal: string | undefined;
  /** What must not have been stored; undefined: no condition. */
  readonly condition?: AppendCondition | undefined;
  /** The request that it came in. */
  readonly request: 'append' | 'appendMulti' | 'control';
}

/** The stream that errors about all of a transaction name. */
export function firstStream({ parts }: Transaction): StreamName {
  return (parts[0] as StreamPart).stream;
}

/** The streams that it writes. */
export function streamsWritten(transaction: Transaction): StreamName[] {
  const { parts } = transaction;
  if (parts.length === 1) return [firstStream(transaction)];
  return parts.filter(isWritten).map(({ stream }) => stream);
}

export function isWritten({ events, control }: StreamPart): boolean {
  return events.length > 0 || control !== undefined;
}

const violationsMax = 32;

/** Encodes the events of an append to one stream. Throws InvalidRequestError. */
export function toTransaction(
  sizes: CommitSizes,
  command: AppendCommand,
  principal: string | undefined,
): Transaction {
  const encoding = new Encoding(sizes);
  const parts = [encoding.part(command, '')];
  encoding.throwIfTooLarge('events');
  return encoding.finish(parts, command, 'append', principal);
}

/** The same for several streams. */
export function toMultiTransaction(
  sizes: CommitSizes,
  command: AppendMultiCommand,
  principal: string | undefined,
): Transaction {
  const encoding = new Encoding(sizes);
  const parts = command.appends.map((append, index) => encoding.part(append, pathOf(index)));
  for (const { stream, expected } of command.checks) {
    parts.push({ stream, events: [], expected, newStreamRefusal: undefined });
    encoding.messages++;
  }
  encoding.throwIfTooLarge('appends');
  return encoding.finish(parts, command, 'appendMulti', principal);
}

/** What a message of a control takes at most, headers included. */
const controlBytes = 1_024;

/** The transaction of a control. */
export function toControlTransaction(
  { stream, control, expected, commitId }: ControlCommand,
  principal: string | undefined,
): Transaction {
  return {
    parts: [{ stream, events: [], expected, newStreamRefusal: undefined, control }],
    commitId: commitId ?? (uuidV7() as CommitId),
    isRepeatable: commitId !== undefined,
    bytes: controlBytes,
    eventBytesMax: 0,
    principal: principal === undefined ? undefined : principalValue(principal),
    request: 'control',
  };
}

function pathOf(index: number): string {
  return `appends[${index.toString()}].`;
}

/** Throws InvalidRequestError if an event is too large by now, since the limit was lowered. */
export function checkStillFits(sizes: CommitSizes, { parts, eventBytesMax, request }: Transaction): void {
  const limit = sizes.eventBytesMax;
  if (limit >= eventBytesMax) return;
  const violations = parts.flatMap(({ events }, part) => {
    const path = request === 'append' ? '' : pathOf(part);
    return events.flatMap(({ bytes: { length } }, index) =>
      length > limit ? [eventTooLarge(path, index, length, limit)] : [],
    );
  });
  if (violations.length > 0) throw new InvalidRequestError(violations.slice(0, violationsMax));
}

function eventTooLarge(path: string, index: number, bytes: number, limit: number): FieldViolation {
  return {
    field: `${path}events[${index.toString()}]`,
    description: `has ${bytes.toString()} bytes as stored, more than the ${limit.toString()} of one event`,
  };
}

/** Encodes the events of a command, and sums up what they take. */
class Encoding {
  messages = 0;
  private bytes = 0;
  private readonly violations: FieldViolation[] = [];
  private readonly eventBytesMax: number;
  private readonly bodyBytesMax: number;

  constructor(private readonly sizes: CommitSizes) {
    this.eventBytesMax = sizes.eventBytesMax;
    this.bodyBytesMax = sizes.bodyBytesMax;
  }

  part({ stream, events, expected, newStreamRefusal }: StreamAppend, path: string): StreamPart {
    let bytes = 0;
    const encoded = events.map((event, index): WrittenEvent => {
      const stored = encodeEvent(stream, event);
      if (stored.length > this.eventBytesMax) {
        this.violations.push(eventTooLarge(path, index, stored.length, this.eventBytesMax));
      }
      bytes += stored.length + framingBytesMax;
      return { bytes: stored, hasGivenId: event.hasGivenId };
    });
    this.bytes += bytes;
    this.messages += bytes > this.bodyBytesMax ? messageCount(encoded, this.bodyBytesMax) : 1;
    return { stream, events: encoded, expected, newStreamRefusal };
  }

  /** Throws InvalidRequestError, also for single events; `field` is the one that has all events. */
  throwIfTooLarge(field: string): void {
    const { bytes, messages, violations } = this;
    const { appendBytesMax } = this.sizes;
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

  finish(
    parts: readonly StreamPart[],
    { commitId: givenId, condition }: AnyAppend,
    request: Transaction['request'],
    givenPrincipal: string | undefined,
  ): Transaction {
    const { bytes, eventBytesMax } = this;
    const commitId = givenId ?? (uuidV7() as CommitId);
    const principal = givenPrincipal === undefined ? undefined : principalValue(givenPrincipal);
    const isRepeatable = givenId !== undefined;
    return { parts, commitId, isRepeatable, bytes, eventBytesMax, principal, condition, request };
  }
}
