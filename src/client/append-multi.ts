import {
  AppendMultiRequest,
  EventStoreServiceService,
  AppendMultiResponse,
} from '../../generated/sluice/v1/event_store_service';
import { isInDoubt, toOutcomeUnknown, uuidV7 } from './append';
import { unary, type CallOptions } from './calls';
import type { Channel } from './channel';
import { toProtoEvent, type NewEvent } from './event';
import { toError, type Failure } from './failure';
import { toUint64, type WholeNumber } from './numbers';
import { untilDecided } from './send-again';
import { encode } from './text';

/** What to append to one stream. */
export interface StreamAppend {
  readonly stream: string;
  /** At least one. */
  readonly events: readonly NewEvent[];
  /** What is known of the stream. Left out: any version will do. 0: it must be empty. n: it must be at version n. */
  readonly expectedVersion?: WholeNumber | undefined;
}

/** What must hold of a stream that is not written. */
export interface VersionCheck {
  readonly stream: string;
  /** 0: it must be empty. */
  readonly expectedVersion: WholeNumber;
}

export interface AppendMultiOptions extends CallOptions {
  readonly checks?: readonly VersionCheck[] | undefined;
  /** Idempotency key, a UUID, as for `append`. Left out: a UUID v7 is made up. */
  readonly commitId?: string | undefined;
}

/** What was stored on one stream. */
export interface StreamAppended {
  readonly stream: string;
  /** The version of the stream after the step. */
  readonly version: bigint;
  /** The version of the first event of the step on this stream. */
  readonly firstVersion: bigint;
}

export interface AppendMultiResult {
  /** The position of the step, which all its events have. */
  readonly position: bigint;
  /** In the order of the appends. */
  readonly streams: readonly StreamAppended[];
  /** True if an earlier call with the same commit id had stored this step. */
  readonly replayed: boolean;
  readonly commitId: string;
}

const method = { path: EventStoreServiceService.appendMulti.path, response: AppendMultiResponse };

export async function appendMulti(
  channel: Channel,
  appends: readonly StreamAppend[],
  options: AppendMultiOptions,
): Promise<AppendMultiResult> {
  const request = toRequest(appends, options);
  const bytes = encode(AppendMultiRequest, request);
  const explain = (failure: Failure, wasSent: boolean): Error =>
    wasSent && isInDoubt(failure)
      ? toOutcomeUnknown(request.appends[0]?.stream ?? '', request.commitId, failure)
      : toError(failure);
  return untilDecided(channel, options, async (callOptions) =>
    toResult(await unary(channel, method, bytes, callOptions, explain)),
  );
}

function toRequest(
  appends: readonly StreamAppend[],
  { checks = [], commitId = uuidV7() }: AppendMultiOptions,
): AppendMultiRequest {
  return {
    appends: appends.map(({ stream, events, expectedVersion }, index) => ({
      stream,
      events: events.map(toProtoEvent),
      expectedVersion:
        expectedVersion === undefined
          ? undefined
          : toUint64(expectedVersion, `appends[${index}].expectedVersion`),
    })),
    checks: checks.map(({ stream, expectedVersion }, index) => ({
      stream,
      expectedVersion: toUint64(expectedVersion, `checks[${index}].expectedVersion`),
    })),
    commitId,
  };
}

function toResult({ position, streams, replayed, commitId }: AppendMultiResponse): AppendMultiResult {
  return { position, streams, replayed, commitId };
}
