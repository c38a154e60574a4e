import {
  EventStoreServiceService,
  GetVersionRequest,
  GetVersionResponse,
} from '../../generated/sluice/v1/event_store_service';
import type { Timestamp } from '../../generated/google/protobuf/timestamp';
import { unary } from './authorized-calls';
import type { CallOptions } from './calls';
import type { Channel } from './channel';
import { encode } from './text';
import { toMaybeCommitTime, toTimestamp, type MaybeCommitTime, type Time } from './time';

export interface GetVersionOptions extends CallOptions {
  /** The version as of this time: later commits do not count. Left out: now. */
  readonly asOf?: Time | undefined;
}

/** The last commit of a stream; zeroes and undefined if there is no such stream. */
export interface StreamHead extends MaybeCommitTime {
  /** The version of the stream's last event. */
  readonly version: bigint;
  /** The position of its last commit. */
  readonly position: bigint;
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
}

export function toStreamHead({ version, position, commitTime }: ProtoHead): StreamHead {
  return { version, position, ...toMaybeCommitTime(commitTime) };
}
