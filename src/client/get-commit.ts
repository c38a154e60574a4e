import {
  EventStoreServiceService,
  GetCommitRequest,
  GetCommitResponse,
} from '../../generated/sluice/v1/event_store_service';
import type { StreamAppended } from './append-multi';
import { unary } from './authorized-calls';
import type { CallOptions } from './calls';
import type { Channel } from './channel';
import { encode } from './text';
import { toMaybeCommitTime, type MaybeCommitTime } from './time';

/** A commit that was found by its id. */
export interface FoundCommit extends MaybeCommitTime {
  /** The position that all its events have. */
  readonly position: bigint;
  /** What it stored on each stream that the caller may read; `firstVersion` is 0 for a control, which has no events. */
  readonly streams: readonly StreamAppended[];
}

const method = { path: EventStoreServiceService.getCommit.path, response: GetCommitResponse };

export async function getCommit(
  channel: Channel,
  commitId: string,
  options: CallOptions,
): Promise<FoundCommit | undefined> {
  const request = encode(GetCommitRequest, { commitId });
  const { position, commitTime, streams } = await unary(channel, { method, request }, options);
  return position === 0n ? undefined : { position, ...toMaybeCommitTime(commitTime), streams };
}
