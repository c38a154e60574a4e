import { status as grpcStatus, type StatusObject } from '@grpc/grpc-js';
import { ErrorInfo, RequestInfo, RetryInfo } from '../../generated/google/rpc/error_details';
import { Status } from '../../generated/google/rpc/status';
import type { CallEnd } from './errors';

/** A call that failed, as its status describes it. `toError` makes the error of it. */
export interface Failure extends CallEnd {
  readonly status: grpcStatus;
  /** From the google.rpc.ErrorInfo; undefined: the status does not come from a gateway. */
  readonly reason: string | undefined;
  /** From the same; empty if the status does not come from a gateway. */
  readonly facts: ReadonlyMap<string, string>;
  readonly details: Details;
  /** False if it is certain that no gateway has received the request. */
  readonly wasSent: boolean;
}

/** The details of a google.rpc.Status: bytes by the full name of their message. */
type Details = ReadonlyMap<string, Uint8Array>;

const domain = 'sluice.v1';

/** The failure of a call that ended with this status. */
export function toFailure({ code, details: text, metadata }: StatusObject, wasSent: boolean): Failure {
  const message = withoutNote(text);
  const [encoded] = metadata.get('grpc-status-details-bin');
  const { details } = (encoded instanceof Uint8Array && decode(Status, encoded)) || { details: [] };
  // Like the errors of grpc-js.
  const cause = Object.assign(new Error(`${code} ${grpcStatus[code]}: ${message}`), {
    code,
    details: message,
    metadata,
  });
  return { status: code, message, cause, wasSent, ...read(details) };
}

/** The message of grpc-js for a gateway that it cannot reach ends with the heading of a note, even if the note is empty. */
function withoutNote(message: string): string {
  return message.replace(/\s*Resolution note:\s*$/, '');
}

const statuses = new Map<number, grpcStatus>(
  Object.values(grpcStatus)
    .filter((value) => typeof value === 'number')
    .map((value) => [value, value]),
);

/** The failure that a status within a response describes; `cause` is the error that it follows from. */
export function statusFailure({ code, message, details }: Status, cause: unknown): Failure {
  const status = statuses.get(code) ?? grpcStatus.UNKNOWN;
  return { status, message, cause, wasSent: true, ...read(details) };
}

/** The failure of a call whose response is missing or cannot be decoded. */
export function malformed(message: string, cause?: unknown): Failure {
  const details: Details = new Map();
  const status = grpcStatus.INTERNAL;
  return { status, message, cause, wasSent: true, reason: undefined, facts: noFacts, details };
}

const noFacts: ReadonlyMap<string, string> = new Map();

function read(packed: Status['details']): Pick<Failure, 'reason' | 'facts' | 'details' | 'requestId'> {
  const details = new Map(
    packed.map(({ typeUrl, value }) => [typeUrl.slice(typeUrl.lastIndexOf('/') + 1), value]),
  );
  const info = find(details, 'google.rpc.ErrorInfo', ErrorInfo);
  if (info?.domain !== domain) return { reason: undefined, facts: noFacts, details };
  const requestId = find(details, 'google.rpc.RequestInfo', RequestInfo)?.requestId;
  return { reason: info.reason, facts: info.metadata, details, requestId };
}

interface MessageType<Message> {
  decode(bytes: Uint8Array): Message;
}

/** The detail with this name; undefined if it is absent or cannot be decoded. */
export function find<Message>(
  details: Details,
  name: string,
  type: MessageType<Message>,
): Message | undefined {
  const bytes = details.get(name);
  return bytes && decode(type, bytes);
}

/** undefined for bytes that are not such a message: the status is still of use. */
function decode<Message>(type: MessageType<Message>, bytes: Uint8Array): Message | undefined {
  try {
    return type.decode(bytes);
  } catch {
    return undefined;
  }
}

/** How long to wait before the next attempt, in milliseconds; undefined: the status does not say. */
export function retryDelayMs({ details }: Failure): number | undefined {
  const delay = find(details, 'google.rpc.RetryInfo', RetryInfo)?.retryDelay;
  return delay && Number(delay.seconds) * 1_000 + delay.nanos / 1e6;
}
