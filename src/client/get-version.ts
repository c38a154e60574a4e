import {
  EventStoreServiceService,
  GetVersionRequest,
  GetVersionResponse,
} from '../../generated/sluice/v1/event_store_service';
import type { Timestamp } from '../../generated/google/protobuf/timestamp';
import type { StreamState as ProtoStreamState } from '../../generated/sluice/v1/event_store_service';
import { unary } from './authorized-calls';
import type { CallOptions } from './calls';
import type { Channel } from './channel';
import { toStreamState, type StreamState } from './stream-state';
import { encode } from './text';
import { toMaybeCommitTime, toTimestamp, type MaybeCommitTime, type Time } from './time';

export interface GetVersionOptions extends CallOptions {
  /** The version as of this time: later commits do not count. Left out: now. */
  readonly asOf?: Time | undefined;
}

/** The last commit of a stream, controls included, and its state now; zeroes and undefined if there is no such stream. */
export interface StreamHead extends MaybeCommitTime {
  /** The version of the stream's last event. */
  readonly version: bigint;
  /** The position of its last commit. */
  readonly position: bigint;
  /** The first version that can be read: 1 unless events are hidden, `version` + 1 if all are. */
  readonly firstVersion: bigint;
  /** undefined: there is no such stream. */
  readonly state: StreamState | undefined;
}

const method = { path: EventStoreServiceService.getVersion.path, response: GetVersionResponse };

export async function getVersion(
  channel: Channel,
  stream: string,
  { asOf, ...options }: GetVersionOptions,
): Promise<StreamHead> {
  const request = encode(GetVersionRequest, { stream, asOf: toTimestamp(asOf, 'asOf') });
  return toStreamHead(await unary(channel, { method, request }, options));
}

interface ProtoHead {
  readonly version: bigint;
  readonly position: bigint;
  readonly commitTime: Timestamp | undefined;
  readonly firstVersion: bigint;
  readonly state: ProtoStreamState;
}

export function toStreamHead(head: ProtoHead): StreamHead {
  const { version, position, commitTime, firstVersion, state } = head;
  return { version, position, ...toMaybeCommitTime(commitTime), firstVersion, state: toStreamState(state) };
}
