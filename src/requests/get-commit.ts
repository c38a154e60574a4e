import type { GetCommitRequest } from '../../generated/sluice/v1/event_store_service';
import type { CommitQuery } from '../store/found-commit';
import type { CommitId } from '../store/values';
import { commitIdOf } from './field-checks';
import { Findings } from './findings';

/** Throws InvalidRequestError. */
export function parseGetCommit({ commitId: text }: GetCommitRequest): CommitQuery {
  const findings = new Findings();
  const commitId = commitIdOf(text, findings);
  if (text === '') findings.add('commit_id', 'is required');
  findings.throwIfAny();
  return { commitId: commitId as CommitId };
}
