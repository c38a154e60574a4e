import type { AppendResponse } from '../../generated/sluice/v1/event_store_service';
import type { AppendResult } from '../store/event-store';
import { toTimestamp } from './proto-time';

export function toAppendResponse(result: AppendResult, withCommitTime: boolean): AppendResponse {
  return {
    version: result.version,
    firstVersion: result.firstVersion,
    position: result.position,
    commitTime: withCommitTime ? toTimestamp(result.commitTime) : undefined,
    replayed: result.replayed,
    commitId: result.commitId ?? '',
  };
}
