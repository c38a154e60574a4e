import {
  ControlRecord,
  type Erase as StoredErasure,
  type Retention as StoredRetention,
} from '../../../generated/sluice/v1/stream_service';
import type { UnreadableCommitError } from '../../store/errors';
import type { LogControl } from '../../store/log';
import type { Retention, StreamControl, StreamRules } from '../../store/stream-rules';
import {
  noVersion,
  position,
  version as asVersion,
  versionAfter,
  type CommitId,
  type Sequence,
  type Version,
} from '../../store/values';
import { sentHeader as header, type SentHeader } from '../nats/headers';
import { publishedHeader, type StoredMessage } from '../nats/message';
import type { OutgoingMessage } from '../nats/publish';
import { numberHeader, unreadable, versionMax } from './commit-codec';

/**
 * How a control is stored in JetStream (docs/storage.md): as one message on the subject of its stream, with a ControlRecord as its
 * body.
 */

/** A control that is about to be stored. */
export interface NewControl {
  readonly control: StreamControl;
  /** What holds of the stream from then on. */
  readonly rules: StreamRules;
  /** Of the stream. */
  readonly version: Version;
  readonly previous: Sequence;
  readonly commitId: CommitId;
  /** Of `principalValue`; undefined: nobody is recorded. */
  readonly principal: string | undefined;
}

export function controlMessage(subject: string, control: NewControl): OutgoingMessage {
  const { version, previous, commitId, principal } = control;
  const headers: Partial<Record<SentHeader, string>> = {
    [header.messageId]: commitId,
    [header.version]: version.toString(),
    [header.count]: '0',
    [header.previous]: previous.toString(),
  };
  if (principal !== undefined) headers[header.principal] = principal;
  headers[header.control] = control.control.kind;
  return { subject, headers, body: encodeControl(control.control, control.rules) };
}

/** Whether a message is a control, or claims to be one. */
export function isControlMessage({ headers }: Pick<StoredMessage, 'headers'>): boolean {
  return publishedHeader(headers, header.control) !== undefined;
}

/** Reads a control. Throws UnreadableCommitError if this version of Sluice cannot read it. */
export function readControl(stream: string, message: StoredMessage): LogControl {
  const { sequence, timeNanos, headers, body } = message;
  const found = decoded(body);
  const version = numberHeader(headers, header.version);
  const commitId = publishedHeader(headers, header.messageId);
  const isAlone = [header.part, header.transaction].every(
    (name) => publishedHeader(headers, name) === undefined,
  );
  if (
    found === undefined ||
    commitId === undefined ||
    version === undefined ||
    version === noVersion ||
    version > versionMax ||
    found.rules.firstVersion > versionAfter(version as Version, 1n) ||
    (found.control.kind === 'erase' && found.control.toVersion > version) ||
    found.control.kind !== publishedHeader(headers, header.control) ||
    numberHeader(headers, header.count) !== 0n ||
    numberHeader(headers, header.previous) === undefined ||
    !isAlone
  )
    throw unreadableControl(stream, sequence);
  const { control, rules } = found;
  return {
    kind: 'control',
    stream,
    version: asVersion(version),
    sequence,
    position: position(sequence),
    timeNanos,
    commitId,
    control,
    rules,
    principal: publishedHeader(headers, header.principal) ?? '',
  };
}

function unreadableControl(stream: string, sequence: Sequence): UnreadableCommitError {
  return unreadable(stream, sequence, 'it is not a control that this gateway can read');
}

export function encodeControl(control: StreamControl, rules: StreamRules): Uint8Array {
  return ControlRecord.encode({
    control: toStored(control),
    firstVersion: rules.firstVersion,
    retention: toStoredRetention(rules),
    deleted: rules.isDeleted,
    tombstoned: rules.isTombstoned,
  }).finish();
}

interface DecodedControl {
  readonly control: StreamControl;
  readonly rules: StreamRules;
}

/** undefined: the bytes are not a control that this version of Sluice can read. */
export function decodeControl(bytes: Uint8Array): DecodedControl | undefined {
  const record = ControlRecord.decode(bytes);
  const control = toControl(record.control);
  const retention = toRetention(record.retention);
  const { firstVersion, deleted: isDeleted, tombstoned: isTombstoned } = record;
  if (control === undefined || retention === undefined || firstVersion === 0n) return undefined;
  if (isTombstoned && !isDeleted) return undefined;
  return { control, rules: { firstVersion: asVersion(firstVersion), isDeleted, isTombstoned, ...retention } };
}

function decoded(bytes: Uint8Array): DecodedControl | undefined {
  try {
    return decodeControl(bytes);
  } catch {
    return undefined;
  }
}

function toStored(control: StreamControl): ControlRecord['control'] {
  switch (control.kind) {
    case 'truncate':
      return { $case: 'truncateBefore', value: control.before };
    case 'retain':
      return { $case: 'retain', value: toStoredRetention(control.retention) };
    case 'delete':
      return { $case: 'delete', value: true };
    case 'tombstone':
      return { $case: 'tombstone', value: true };
    case 'erase': {
      const { fromVersion, toVersion, reason } = control;
      return { $case: 'erase', value: { fromVersion, toVersion, reason } };
    }
  }
}

function toControl(stored: ControlRecord['control']): StreamControl | undefined {
  switch (stored?.$case) {
    case 'truncateBefore':
      return stored.value === 0n ? undefined : { kind: 'truncate', before: asVersion(stored.value) };
    case 'retain': {
      const retention = toRetention(stored.value);
      return retention && { kind: 'retain', retention };
    }
    case 'delete':
      return { kind: 'delete' };
    case 'tombstone':
      return { kind: 'tombstone' };
    case 'erase':
      return toErasure(stored.value);
    case undefined:
      return undefined;
  }
}

/** undefined: it cannot be meant. */
function toErasure({ fromVersion, toVersion, reason }: StoredErasure): StreamControl | undefined {
  if (fromVersion === 0n || fromVersion > toVersion) return undefined;
  return { kind: 'erase', fromVersion: asVersion(fromVersion), toVersion: asVersion(toVersion), reason };
}

const nanosPerSecond = 1_000_000_000n;

function toStoredRetention({ maxCount, maxAgeNanos }: Retention): StoredRetention {
  const maxAge =
    maxAgeNanos === undefined
      ? undefined
      : { seconds: maxAgeNanos / nanosPerSecond, nanos: Number(maxAgeNanos % nanosPerSecond) };
  return { maxCount: maxCount ?? 0n, maxAge };
}

/** The most nanoseconds that an age may have: more than any gateway takes, and exact in 64 bits. */
const ageNanosMax = 2n ** 63n - 1n;

/** undefined: it cannot be meant. */
function toRetention(stored: StoredRetention | undefined): Retention | undefined {
  const { maxCount = 0n, maxAge } = stored ?? {};
  const maxAgeNanos = maxAge && maxAge.seconds * nanosPerSecond + BigInt(maxAge.nanos);
  if (maxAgeNanos !== undefined && (maxAgeNanos <= 0n || maxAgeNanos > ageNanosMax)) return undefined;
  return { maxCount: maxCount === 0n ? undefined : maxCount, maxAgeNanos };
}
