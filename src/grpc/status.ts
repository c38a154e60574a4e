import { Metadata, type StatusObject } from '@grpc/grpc-js';
import type { Any } from '../../generated/google/protobuf/any';
import {
  BadRequest,
  BadRequest_FieldViolation,
  ErrorInfo,
  PreconditionFailure,
  QuotaFailure,
  QuotaFailure_Violation,
  RequestInfo,
  RetryInfo,
} from '../../generated/google/rpc/error_details';
import { Status } from '../../generated/google/rpc/status';
import {
  AppendConditionFailed,
  CommitIdReuse,
  OutcomeUnknown,
  StoreMismatch,
  UnreadableCommit,
  VersionConflict,
  VersionConflicts,
} from '../../generated/sluice/v1/errors';
import type { AccessDeniedError, QuotaExceededError } from '../auth/errors';
import type {
  AppendConditionError,
  CommitIdReuseError,
  InvalidRequestError,
  StoreMismatchError,
  VersionConflictError,
} from '../store/errors';
import { GroupError } from '../store/group-errors';
import { isName } from '../store/patterns';
import { cut, cutMessage } from './cut-text';
import { OriginDeniedError, type Failure } from './failure';
import { toDuration } from './proto-time';
import { requestIdBytesMax, requestIdKey } from './request-id';
import { statusOf } from './status-codes';

const domain = 'sluice.v1';

/** When to retry: NATS takes about this long to come back, a queue to empty. */
const retryDelayMs = { STORE_UNAVAILABLE: 1_000, OVERLOADED: 250, CONDITION_CONTENDED: 50 };

/*
 * All trailers together stay below 3 KiB: nginx accepts 4 KB by default and turns more into UNAVAILABLE, grpcio loses a status
 * from 6 KB, grpc-java a whole connection from 10 KB. The names and the code need some of it.
 */
export const trailersBytesMax = 3_072 - 128;
const requestIdTrailerBytesMax = requestIdKey.length + requestIdBytesMax;
/** The message as it goes over the wire, where a byte that is not plain ASCII takes three. */
const messageBytesMax = 512;
/** The google.rpc.Status, which is sent in base64: 4 bytes for 3. */
const detailsBytesMax = Math.floor((trailersBytesMax - messageBytesMax - requestIdTrailerBytesMax) / 4) * 3;
/** One text within the details, such as a stream name or a description. */
const textBytesMax = 200;

/** A failure as the caller gets it. */
export function toRpcStatus(failure: Failure | OriginDeniedError, requestId: string): Status {
  const code = statusOf[failure.code];
  const message = cutMessage(failure.message, messageBytesMax);
  const request = pack('google.rpc.RequestInfo', RequestInfo.encode({ requestId, servingData: '' }));
  const bytesLeft = detailsBytesMax - encodedBytes(Status, { code, message, details: [request] });
  return { code, message, details: [...detailsOf(failure, bytesLeft), request] };
}

/** The status of a call that fails. */
export function toStatus(failure: Failure, requestId: string): StatusObject {
  const rpcStatus = toRpcStatus(failure, requestId);
  const metadata = trailersWith(requestId);
  metadata.set('grpc-status-details-bin', Buffer.from(Status.encode(rpcStatus).finish()));
  return { code: statusOf[failure.code], details: rpcStatus.message, metadata };
}

/** What tells a caller the id of its request. */
export function trailersWith(requestId: string): Metadata {
  const metadata = new Metadata();
  metadata.set(requestIdKey, requestId);
  return metadata;
}

/** Details that take at most `bytesMax`. */
function detailsOf(error: Failure | OriginDeniedError, bytesMax: number): Any[] {
  if (error instanceof GroupError) return [errorInfo(error.code, {})];
  if (error instanceof OriginDeniedError)
    return [errorInfo(error.code, { origin: cut(error.origin, textBytesMax) })];
  switch (error.code) {
    case 'INVALID_REQUEST':
      return invalidRequest(error, bytesMax);
    case 'VERSION_CONFLICT':
      return versionConflict(error, bytesMax);
    case 'APPEND_CONDITION_FAILED':
      return conditionFailed(error);
    case 'COMMIT_ID_REUSE':
      return commitIdReuse(error);
    case 'OUTCOME_UNKNOWN': {
      const { stream, commitId } = error;
      return [
        errorInfo(error.code, { stream, commit_id: commitId }),
        pack('sluice.v1.OutcomeUnknown', OutcomeUnknown.encode({ stream, commitId })),
      ];
    }
    case 'UNREADABLE_COMMIT': {
      const { position } = error;
      const stream = cut(error.stream, textBytesMax);
      return [
        errorInfo(error.code, { stream, position: position.toString() }),
        pack('sluice.v1.UnreadableCommit', UnreadableCommit.encode({ stream, position })),
      ];
    }
    case 'REPLICA_FILLING': {
      const { applied, end, retryMs } = error;
      const found = { applied: applied.toString(), end: end.toString() };
      return [errorInfo(error.code, found), retryInfo(retryMs)];
    }
    case 'STORE_UNAVAILABLE':
    case 'OVERLOADED':
    case 'CONDITION_CONTENDED':
      return [errorInfo(error.code, {}), retryInfo(retryDelayMs[error.code])];
    case 'STORE_MISMATCH':
      return storeMismatch(error);
    case 'STREAM_NOT_FOUND':
    case 'STREAM_TOMBSTONED':
      return [errorInfo(error.code, { stream: error.stream })];
    case 'VERSION_BEYOND_END': {
      const { stream, asked, actual } = error;
      return [errorInfo(error.code, { stream, asked: asked.toString(), actual: actual.toString() })];
    }
    case 'ERASE_SPLITS_COMMIT': {
      const { stream, fromVersion, toVersion } = error;
      const range = { from_version: fromVersion.toString(), to_version: toVersion.toString() };
      return [errorInfo(error.code, { stream, ...range })];
    }
    case 'STORE_REFUSED':
      return [errorInfo(error.code, { nats_error: error.natsError.toString() })];
    case 'UNAUTHENTICATED':
      return [errorInfo(error.code, { cause: error.reason })];
    case 'ACCESS_DENIED':
      return accessDenied(error);
    case 'QUOTA_EXCEEDED':
      return quotaExceeded(error);
    case 'STORE_IMMUTABLE':
    case 'STORE_FULL':
    case 'NOT_PERMITTED':
    case 'DEADLINE_EXCEEDED':
    case 'CANCELLED':
    case 'INTERNAL':
      return [errorInfo(error.code, {})];
  }
}

function storeMismatch(error: StoreMismatchError): Any[] {
  const [expected, actual] = [cut(error.expected, textBytesMax), cut(error.actual, textBytesMax)];
  const ids = { expectedStoreId: expected, actualStoreId: actual };
  return [
    errorInfo(error.code, { expected, actual }),
    pack('sluice.v1.StoreMismatch', StoreMismatch.encode(ids)),
  ];
}

function conditionFailed({ code, match }: AppendConditionError): Any[] {
  const { item, position } = match;
  const eventId = cut(match.eventId, textBytesMax);
  const facts = { item: item.toString(), position: position.toString(), event_id: eventId };
  return [
    errorInfo(code, facts),
    pack('sluice.v1.AppendConditionFailed', AppendConditionFailed.encode({ item, position, eventId })),
  ];
}

function commitIdReuse({ code, commitId, position, stream: of }: CommitIdReuseError): Any[] {
  const stream = cut(of, textBytesMax);
  const place = stream === '' ? undefined : { stream, position: position.toString() };
  return [
    errorInfo(code, { commit_id: commitId, ...place }),
    pack('sluice.v1.CommitIdReuse', CommitIdReuse.encode({ commitId, stream, position })),
  ];
}

function versionConflict(error: VersionConflictError, bytesMax: number): Any[] {
  const { code, stream, expected, actual, others } = error;
  const found = { stream, expected: expected.toString(), actual: actual.toString() };
  const violation = { type: code, subject: stream, description: cut(error.message, textBytesMax) };
  const conflicts = [error, ...others].map((conflict) => ({
    stream: conflict.stream,
    expectedVersion: conflict.expected === 'exists' ? undefined : conflict.expected,
    actualVersion: conflict.actual,
    mustExist: conflict.expected === 'exists',
  }));
  const first = conflicts[0] as VersionConflict;
  const details = [
    errorInfo(code, found),
    pack('google.rpc.PreconditionFailure', PreconditionFailure.encode({ violations: [violation] })),
    pack('sluice.v1.VersionConflict', VersionConflict.encode(first)),
  ];
  if (others.length === 0) return details;
  const all = (some: VersionConflict[]): Any =>
    pack('sluice.v1.VersionConflicts', VersionConflicts.encode({ conflicts: some, count: conflicts.length }));
  return [...details, all(fitting(conflicts, VersionConflict, bytesMax - sizeOf([...details, all([])])))];
}

function accessDenied({ code, action, subject, isGroup }: AccessDeniedError): Any[] {
  const kind = isGroup ? 'group' : isName(subject) ? 'stream' : 'pattern';
  return [errorInfo(code, subject === '' ? { action } : { action, [kind]: subject })];
}

function quotaExceeded({ code, limit, retryMs, message }: QuotaExceededError): Any[] {
  const description = cut(message, textBytesMax);
  const violation = QuotaFailure_Violation.fromPartial({ subject: limit, description });
  return [
    errorInfo(code, { limit }),
    retryInfo(retryMs),
    pack('google.rpc.QuotaFailure', QuotaFailure.encode({ violations: [violation] })),
  ];
}

/** As many violations as fit, and how many are left out. */
function invalidRequest({ code, violations }: InvalidRequestError, bytesMax: number): Any[] {
  const all: BadRequest_FieldViolation[] = violations.map(({ field, description }) => ({
    field: cut(field, textBytesMax),
    description: cut(description, textBytesMax),
    reason: '',
    localizedMessage: undefined,
  }));
  const details = (some: typeof all): Any[] => {
    const leftOut = all.length - some.length;
    return [
      errorInfo(code, leftOut === 0 ? {} : { left_out: leftOut.toString() }),
      pack('google.rpc.BadRequest', BadRequest.encode({ fieldViolations: some })),
    ];
  };
  const overhead = sizeOf(details([])); // with the count of all, which takes the most
  return details(fitting(all, BadRequest_FieldViolation, bytesMax - overhead));
}

interface Encoding<Message> {
  encode(message: Message): { finish(): Uint8Array };
}

function encodedBytes<Message>(type: Encoding<Message>, message: Message): number {
  return type.encode(message).finish().length;
}

/** The tag and the length of a field, for lengths of at most two bytes. */
const framingBytes = 3;

/** The first of the messages that fit into this many bytes of another message. */
function fitting<Message>(
  messages: readonly Message[],
  type: Encoding<Message>,
  bytesMax: number,
): Message[] {
  // The messages around them may need a byte more for their lengths.
  let leftBytes = bytesMax - 2;
  const end = messages.findIndex((message) => (leftBytes -= encodedBytes(type, message) + framingBytes) < 0);
  return messages.slice(0, end < 0 ? messages.length : end);
}

/** The bytes of details in a google.rpc.Status. */
function sizeOf(details: Any[]): number {
  return encodedBytes(Status, { code: 0, message: '', details });
}

function errorInfo(reason: Failure['code'], metadata: Record<string, string>): Any {
  const info = { reason, domain, metadata: new Map(Object.entries(metadata)) };
  return pack('google.rpc.ErrorInfo', ErrorInfo.encode(info));
}

function retryInfo(delayMs: number): Any {
  return pack('google.rpc.RetryInfo', RetryInfo.encode({ retryDelay: toDuration(delayMs) }));
}

function pack(type: string, encoded: { finish(): Uint8Array }): Any {
  return { typeUrl: `type.googleapis.com/${type}`, value: Buffer.from(encoded.finish()) };
}
