import {
  AppendMultiRequest,
  EventStoreServiceService,
  AppendMultiResponse,
} from '../../generated/sluice/v1/event_store_service';
import { uuidV7 } from './append';
import { toProtoCondition, type AppendCondition } from './append-condition';
import { unary } from './authorized-calls';
import type { CallOptions } from './calls';
import type { Channel } from './channel';
import { toProtoEvents, type NewEvent } from './event';
import { toProtoExpectation, type ExpectedVersion } from './expectation';
import { untilDecided } from './send-again';
import { encode } from './text';

/** What to append to one stream. */
export interface StreamAppend {
  readonly stream: string;
  /** At least one. */
  readonly events: readonly NewEvent[];
  /** The version that the stream must be at; 0: it must be empty; 'exists': it must not be empty. Left out: any version. */
  readonly expectedVersion?: ExpectedVersion | undefined;
}

/** The version that a stream must be at, although nothing is appended to it. */
export interface VersionCheck {
  readonly stream: string;
  /** The version that the stream must be at; 0: it must be empty; 'exists': it must not be empty. */
  readonly expectedVersion: ExpectedVersion;
}

export interface AppendMultiOptions extends CallOptions {
  readonly checks?: readonly VersionCheck[] | undefined;
  /** Idempotency key, a UUID, as for `append`. Left out: the client generates a UUID v7. */
  readonly commitId?: string | undefined;
  /** What must not have been stored, as for `append`. Left out: no condition. */
  readonly condition?: AppendCondition | undefined;
  /** True: nothing is stored, as for `append`. */
  readonly validateOnly?: boolean | undefined;
}

/** What was stored in one stream. */
export interface StreamAppended {
  readonly stream: string;
  /** The version of the stream after the transaction. */
  readonly version: bigint;
  /** The version of the transaction's first event in this stream. */
  readonly firstVersion: bigint;
}

export interface AppendMultiResult {
  /** The position of the transaction; all its events share it. 0 with `validateOnly`. */
  readonly position: bigint;
  /** In the order of the appends. */
  readonly streams: readonly StreamAppended[];
  /** True if an earlier call with the same commit id had stored this transaction. */
  readonly replayed: boolean;
  /** Empty with `validateOnly`. */
  readonly commitId: string;
}

const method = { path: EventStoreServiceService.appendMulti.path, response: AppendMultiResponse };

export async function appendMulti(
  channel: Channel,
  appends: readonly StreamAppend[],
  options: AppendMultiOptions,
): Promise<AppendMultiResult> {
  const request = toRequest(appends, options, channel);
  const { validateOnly, commitId } = request;
  const commit = validateOnly ? undefined : { stream: request.appends[0]?.stream ?? '', commitId };
  const call = { method, request: encode(AppendMultiRequest, request), commit };
  return untilDecided(channel, options, async (callOptions) =>
    toResult(await unary(channel, call, callOptions)),
  );
}

function toRequest(
  appends: readonly StreamAppend[],
  { checks = [], commitId = uuidV7(), condition, validateOnly = false }: AppendMultiOptions,
  channel: Channel,
): AppendMultiRequest {
  return {
    appends: appends.map(({ stream, events, expectedVersion }, index) => ({
      stream,
      events: toProtoEvents(events, channel),
      ...toProtoExpectation(expectedVersion, `appends[${index}].expectedVersion`),
    })),
    checks: checks.map(({ stream, expectedVersion }, index) => ({
      stream,
      ...toProtoExpectation(expectedVersion, `checks[${index}].expectedVersion`),
    })),
    commitId,
    condition: toProtoCondition(condition),
    validateOnly,
  };
}

function toResult({ position, streams, replayed, commitId }: AppendMultiResponse): AppendMultiResult {
  return { position, streams, replayed, commitId };
}
