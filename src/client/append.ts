import { randomUUID } from 'node:crypto';
import {
  AppendRequest,
  EventStoreServiceService,
  AppendResponse,
} from '../../generated/sluice/v1/event_store_service';
import { toProtoCondition, type AppendCondition } from './append-condition';
import { unary } from './authorized-calls';
import type { CallOptions } from './calls';
import type { Channel } from './channel';
import { toProtoEvents, type NewEvent } from './event';
import { toProtoExpectation, type ExpectedVersion } from './expectation';
import { untilDecided } from './send-again';
import { encode } from './text';
import { toMaybeCommitTime, type MaybeCommitTime } from './time';
import type { RequestedCommit } from './to-error';

/** How to append. */
export interface AppendConditions {
  /** The version that the stream must be at; 0: it must be empty; 'exists': it must not be empty. Left out: any version. */
  readonly expectedVersion?: ExpectedVersion | undefined;
  /**
   * Idempotency key, a UUID, preferably a UUID v7. The same events, appended again with the same commit id and the same
   * expected version (or again without one), are stored only once, and every append returns the first result. Left out: the
   * client generates a UUID v7.
   */
  readonly commitId?: string | undefined;
  /** What must not have been stored since the caller looked; `withRetryOnCondition` makes one. Left out: no condition. */
  readonly condition?: AppendCondition | undefined;
  /** True: the result has the time of the commit. This costs one more request to the store. */
  readonly withCommitTime?: boolean | undefined;
}

export interface AppendOptions extends AppendConditions, CallOptions {
  /**
   * True: nothing is stored. The call fails as the append would now; otherwise the result has the versions that it would get, position
   * 0 and no commit id, or what an earlier append with the same commit id has stored. Not for sessions.
   */
  readonly validateOnly?: boolean | undefined;
}

/** What was stored. */
export interface AppendResult extends MaybeCommitTime {
  /** The version of the stream after the commit: the version of its last event. */
  readonly version: bigint;
  /** The version of the commit's first event; 0 for an append without events. */
  readonly firstVersion: bigint;
  /**
   * The position of the commit. For an append without events, that of the stream's last commit; 0 if the stream is empty. 0 with
   * `validateOnly`.
   */
  readonly position: bigint;
  /** True if an earlier call with the same commit id had stored this commit. */
  readonly replayed: boolean;
  /** Empty for an append without events, and with `validateOnly`. */
  readonly commitId: string;
}

/** Throws a TypeError or a RangeError for arguments that cannot be sent. */
export function toAppendRequest(
  stream: string,
  events: readonly NewEvent[],
  options: AppendConditions & Pick<AppendOptions, 'validateOnly'>,
  channel: Pick<Channel, 'recordTraceContext'>,
): AppendRequest {
  const { expectedVersion, commitId = uuidV7(), condition } = options;
  const { withCommitTime = false, validateOnly = false } = options;
  return {
    stream,
    events: toProtoEvents(events, channel),
    ...toProtoExpectation(expectedVersion, 'expectedVersion'),
    commitId,
    condition: toProtoCondition(condition),
    withCommitTime,
    validateOnly,
  };
}

export function toAppendResult({ commitTime, ...response }: AppendResponse): AppendResult {
  const { version, firstVersion, position, replayed, commitId } = response;
  return { version, firstVersion, position, ...toMaybeCommitTime(commitTime), replayed, commitId };
}

/** The commit of a request; undefined if it stores nothing. */
export function requestedCommit(request: AppendRequest): RequestedCommit | undefined {
  const { stream, events, commitId, validateOnly } = request;
  return events.length === 0 || validateOnly ? undefined : { stream, commitId };
}

const method = { path: EventStoreServiceService.append.path, response: AppendResponse };

export async function append(
  channel: Channel,
  stream: string,
  events: readonly NewEvent[],
  options: AppendOptions,
): Promise<AppendResult> {
  const request = toAppendRequest(stream, events, options, channel);
  const call = { method, request: encode(AppendRequest, request), commit: requestedCommit(request) };
  return untilDecided(channel, options, async (callOptions) =>
    toAppendResult(await unary(channel, call, callOptions)),
  );
}

/** A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits. */
export function uuidV7(): string {
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
