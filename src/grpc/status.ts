import { Metadata, status, type StatusObject } from '@grpc/grpc-js';
import type { Any } from '../../generated/google/protobuf/any';
import {
  BadRequest,
  ErrorInfo,
  PreconditionFailure,
  RetryInfo,
} from '../../generated/google/rpc/error_details';
import { Status } from '../../generated/google/rpc/status';
import {
  CommitIdReuse,
  OutcomeUnknown,
  UnreadableCommit,
  VersionConflict,
  VersionConflicts,
} from '../../generated/sluice/v1/errors';
import {
  isStoreError,
  type InvalidRequestError,
  type StoreError,
  type VersionConflictError,
} from '../store/errors';
import { toDuration } from './proto-time';

/** Which gRPC status each error has; docs/errors.md is the same table in words. */
const statusOf = {
  INVALID_REQUEST: status.INVALID_ARGUMENT,
  VERSION_CONFLICT: status.ABORTED,
  COMMIT_ID_REUSE: status.ALREADY_EXISTS,
  STORE_UNAVAILABLE: status.UNAVAILABLE,
  OUTCOME_UNKNOWN: status.UNKNOWN,
  OVERLOADED: status.RESOURCE_EXHAUSTED,
  STORE_FULL: status.RESOURCE_EXHAUSTED,
  STORE_REFUSED: status.FAILED_PRECONDITION,
  UNREADABLE_COMMIT: status.DATA_LOSS,
  NOT_PERMITTED: status.PERMISSION_DENIED,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  CANCELLED: status.CANCELLED,
} satisfies Record<StoreError['code'], status>;

const domain = 'sluice.v1';

/** When it makes sense to try again: NATS takes about as long to come back, a queue to empty. */
const retryDelayMs = { STORE_UNAVAILABLE: 1_000, OVERLOADED: 250 };

/*
 * All trailers together must stay below 8 KiB, which is what grpc-java takes by default; longer ones can hang a
 * call in grpc-js. The message is percent-encoded (3 bytes for 1 at most), the details are base64 (4 for 3).
 */
const messageBytesMax = 512;
const detailsBytesMax = 4_096;
/** One text within the details, such as a stream name or a description. */
const textBytesMax = 256;

/** What an error is called over the wire. Anything but a StoreError is INTERNAL and says nothing of the inside. */
export function toRpcStatus(error: unknown): Status {
  const known = isStoreError(error) ? error : undefined;
  const code = codeOf(error);
  const message = cut(known?.message ?? 'internal error; the log of the gateway has more', messageBytesMax);
  const details = known === undefined ? [errorInfo('INTERNAL', {})] : detailsOf(known);
  return { code, message, details };
}

/** What a call ends with for an error. */
export function toStatus(error: unknown): StatusObject {
  const rpcStatus = toRpcStatus(error);
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(Status.encode(rpcStatus).finish()));
  return { code: codeOf(error), details: rpcStatus.message, metadata };
}

function codeOf(error: unknown): status {
  return isStoreError(error) ? statusOf[error.code] : status.INTERNAL;
}

function detailsOf(error: StoreError): Any[] {
  switch (error.code) {
    case 'INVALID_REQUEST':
      return [errorInfo(error.code, {}), badRequest(error)];
    case 'VERSION_CONFLICT':
      return versionConflict(error);
    case 'COMMIT_ID_REUSE': {
      const { commitId, position } = error;
      const stream = cut(error.stream, textBytesMax);
      return [
        errorInfo(error.code, { commit_id: commitId, stream, position: position.toString() }),
        pack('sluice.v1.CommitIdReuse', CommitIdReuse.encode({ commitId, stream, position })),
      ];
    }
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
    case 'STORE_UNAVAILABLE':
    case 'OVERLOADED':
      return [errorInfo(error.code, {}), retryInfo(retryDelayMs[error.code])];
    case 'STORE_REFUSED':
      return [errorInfo(error.code, { nats_error: error.natsError.toString() })];
    case 'STORE_FULL':
    case 'NOT_PERMITTED':
    case 'DEADLINE_EXCEEDED':
    case 'CANCELLED':
      return [errorInfo(error.code, {})];
  }
}

function versionConflict(error: VersionConflictError): Any[] {
  const { code, stream, expected, actual, others } = error;
  const found = { stream, expected: expected.toString(), actual: actual.toString() };
  const violation = { type: code, subject: stream, description: cut(error.message, textBytesMax) };
  const conflicts = [error, ...others].map((conflict) => ({
    stream: conflict.stream,
    expectedVersion: conflict.expected,
    actualVersion: conflict.actual,
  }));
  const first = conflicts[0] as VersionConflict;
  const details = [
    errorInfo(code, found),
    pack('google.rpc.PreconditionFailure', PreconditionFailure.encode({ violations: [violation] })),
    pack('sluice.v1.VersionConflict', VersionConflict.encode(first)),
  ];
  if (others.length === 0) return details;
  const all = VersionConflicts.encode({ conflicts: fitting(conflicts), count: conflicts.length });
  return [...details, pack('sluice.v1.VersionConflicts', all)];
}

/** As many conflicts as fit beside the first one. */
function fitting(conflicts: readonly VersionConflict[]): VersionConflict[] {
  const framingBytes = 4;
  let roomBytes = detailsBytesMax / 2;
  return conflicts.filter((conflict) => {
    roomBytes -= VersionConflict.encode(conflict).finish().length + framingBytes;
    return roomBytes > 0;
  });
}

function errorInfo(reason: StoreError['code'] | 'INTERNAL', metadata: Record<string, string>): Any {
  const info = { reason, domain, metadata: new Map(Object.entries(metadata)) };
  return pack('google.rpc.ErrorInfo', ErrorInfo.encode(info));
}

/** As many violations as fit. */
function badRequest({ violations }: InvalidRequestError): Any {
  const roomBytes = detailsBytesMax - messageBytesMax - textBytesMax; // the rest of the google.rpc.Status
  const framingBytes = 12;
  const fieldViolations = [];
  let bytes = 0;
  for (const violation of violations) {
    const field = cut(violation.field, textBytesMax);
    const description = cut(violation.description, textBytesMax);
    bytes += Buffer.byteLength(field) + Buffer.byteLength(description) + framingBytes;
    if (bytes > roomBytes) break;
    fieldViolations.push({ field, description, reason: '', localizedMessage: undefined });
  }
  return pack('google.rpc.BadRequest', BadRequest.encode({ fieldViolations }));
}

function retryInfo(delayMs: number): Any {
  return pack('google.rpc.RetryInfo', RetryInfo.encode({ retryDelay: toDuration(delayMs) }));
}

function pack(type: string, encoded: { finish(): Uint8Array }): Any {
  return { typeUrl: `type.googleapis.com/${type}`, value: Buffer.from(encoded.finish()) };
}

/**
 * Well-formed text of at most so many bytes of UTF-8: grpc-js percent-encodes the message, which throws on half a
 * surrogate pair.
 */
function cut(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return bytes.toString();
  const ellipsis = '…';
  let end = bytesMax - Buffer.byteLength(ellipsis);
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--; // not within a character
  return bytes.toString('utf8', 0, end) + ellipsis;
}
