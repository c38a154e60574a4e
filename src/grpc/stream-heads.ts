import {
  StreamState as ProtoState,
  type GetVersionResponse,
  type StreamSummary as ProtoSummary,
} from '../../generated/sluice/v1/event_store_service';
import type { StreamHead, StreamSummary } from '../store/event-store';
import type { StreamState } from '../store/stream-rules';
import { noVersion } from '../store/values';
import { toTimestamp } from './proto-time';

const states = {
  active: ProtoState.ACTIVE,
  deleted: ProtoState.DELETED,
  tombstoned: ProtoState.TOMBSTONED,
} as const;

/** The state of a stream that exists. */
export function toStreamState(state: StreamState): ProtoState {
  return states[state];
}

export function toHead({ version, position, commitTime, lifecycle }: StreamHead): GetVersionResponse {
  const firstVersion = version === noVersion ? noVersion : (lifecycle?.firstVersion ?? 1n);
  return {
    version,
    position,
    commitTime: toTimestamp(commitTime),
    firstVersion,
    state: version === noVersion ? ProtoState.UNSPECIFIED : toStreamState(lifecycle?.state ?? 'active'),
  };
}

export function toSummary({ stream, unreadable, ...head }: StreamSummary): ProtoSummary {
  return { stream, ...toHead(head), unreadable, hasControls: head.lifecycle !== undefined };
}
