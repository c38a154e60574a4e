import type { AppendResponse } from '../../generated/sluice/v1/event_store_service';
import type { AppendResult } from '../store/event-store';
import { toTimestamp } from './proto-time';

export async function toAppendResponse(
  appended: Promise<AppendResult>,
  withCommitTime: boolean,
): Promise<AppendResponse> {
  const { commitId = '', commitTime, ...result } = await appended;
  return { ...result, commitId, commitTime: withCommitTime ? toTimestamp(commitTime) : undefined };
}
