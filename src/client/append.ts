import { randomUUID } from 'node:crypto';
import { status as grpcStatus } from '@grpc/grpc-js';
import {
  AppendRequest,
  EventStoreServiceService,
  AppendResponse,
} from '../../generated/sluice/v1/event_store_service';
import { unary, type CallOptions } from './calls';
import type { Channel } from './channel';
import { OutcomeUnknownError, type AnySluiceError } from './errors';
import { toProtoEvent, type NewEvent } from './event';
import { toError, type Failure } from './failure';
import { toUint64, type WholeNumber } from './numbers';
import { untilDecided } from './send-again';
import { encode } from './text';
import { toMaybeCommitTime, type MaybeCommitTime } from './time';

/** How to append. */
export interface AppendConditions {
  /** What is known of the stream. Left out: any version will do. 0: it must be empty. n: it must be at version n. */
  readonly expectedVersion?: WholeNumber | undefined;
  /**
   * Idempotency key, a UUID, best a UUID v7. Appending the same events again with the same commit id and the same expected
   * version, or again without one, never stores twice and gives the first result. Left out: a UUID v7 is made up.
   */
  readonly commitId?: string | undefined;
  /** True: the result has the time of the commit, which costs the store one more question. */
  readonly withCommitTime?: boolean | undefined;
}

export interface AppendOptions extends AppendConditions, CallOptions {}

/** What was stored. */
export interface AppendResult extends MaybeCommitTime {
  /** The version of the stream after the commit: the version of its last event. */
  readonly version: bigint;
  /** The version of the commit's first event; 0 if there were no events. */
  readonly firstVersion: bigint;
  /** The position of the commit; without events that of the stream's last commit, 0 if none. */
  readonly position: bigint;
  /** True if an earlier call with the same commit id had stored this commit. */
  readonly replayed: boolean;
  /** Empty if there were no events. */
  readonly commitId: string;
}

/** Throws what cannot be sent as a TypeError or a RangeError. */
export function toAppendRequest(
  stream: string,
  events: readonly NewEvent[],
  { expectedVersion, commitId = uuidV7(), withCommitTime = false }: AppendConditions,
): AppendRequest {
  return {
    stream,
    events: events.map(toProtoEvent),
    expectedVersion: expectedVersion === undefined ? undefined : toUint64(expectedVersion, 'expectedVersion'),
    commitId,
    withCommitTime,
  };
}

export function toAppendResult({ commitTime, ...response }: AppendResponse): AppendResult {
  const { version, firstVersion, position, replayed, commitId } = response;
  return { version, firstVersion, position, ...toMaybeCommitTime(commitTime), replayed, commitId };
}

/** What an error tells of an append. */
export interface SentCommit {
  readonly stream: string;
  readonly commitId: string;
  /** There were no events to store. */
  readonly isEmpty: boolean;
}

/** The error of an append that ended with a failure; `inDoubt`: it may be stored. */
export function toAppendError(
  { stream, commitId, isEmpty }: SentCommit,
  failure: Failure,
  inDoubt: boolean,
): AnySluiceError {
  return !isEmpty && inDoubt ? toOutcomeUnknown(stream, commitId, failure) : toError(failure);
}

export function toOutcomeUnknown(stream: string, commitId: string, failure: Failure): OutcomeUnknownError {
  return new OutcomeUnknownError(
    `the answer to commit ${commitId} on stream ${stream} was lost (${failure.message}); ` +
      'retry with the same commit id to find out',
    failure,
    stream,
    commitId,
  );
}

const method = { path: EventStoreServiceService.append.path, response: AppendResponse };

export async function append(
  channel: Channel,
  stream: string,
  events: readonly NewEvent[],
  options: AppendOptions,
): Promise<AppendResult> {
  const request = toAppendRequest(stream, events, options);
  const bytes = encode(AppendRequest, request);
  const commit = { stream, commitId: request.commitId, isEmpty: events.length === 0 };
  const explain = (failure: Failure, wasSent: boolean): Error =>
    toAppendError(commit, failure, wasSent && isInDoubt(failure));
  return untilDecided(channel, options, async (callOptions) =>
    toAppendResult(await unary(channel, method, bytes, callOptions, explain)),
  );
}

/**
 * Statuses by which a server or a proxy refuses a call before anybody works on it, also as the HTTP statuses 403, 401 and 404.
 * RESOURCE_EXHAUSTED is none: a gateway gives its reason with it, and others may give it, or reset the call with what becomes
 * it, after they have passed the request on.
 */
const refusals: readonly grpcStatus[] = [
  grpcStatus.PERMISSION_DENIED,
  grpcStatus.UNAUTHENTICATED,
  grpcStatus.UNIMPLEMENTED,
];

/** Whether the commit may be stored: the gateway did not say how the append ended, and no refusal is known. */
export function isInDoubt({ reason, status }: Failure): boolean {
  return (reason === undefined || reason === 'INTERNAL') && !refusals.includes(status);
}

/** A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits. */
export function uuidV7(): string {
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
