import type { CallContext } from '../store/event-store';
import type { ViewedCommit } from '../store/log';
import type { CommitId } from '../store/values';
import type { Appender } from './append';

/**
 * The commits that have the id of an append, if the caller may have sent it before; undefined: there are none, which
 * nearly always can be told at once. As long as the view is filled, nothing that the server remembers is trusted: against a
 * head that the view has passed, a commit that it does not have is not on the stream.
 */
export function findById(
  appender: Appender,
  job: { readonly commitId: CommitId; readonly repeatable: boolean },
  call: CallContext,
): Promise<readonly ViewedCommit[]> | undefined {
  const { view, recent, ids } = appender;
  const { commitId, repeatable } = job;
  if (!repeatable) return undefined;
  if (!view.ready) {
    if (ids.covers(commitId, Date.now(), view.fillingSinceMs)) return undefined;
    throw view.filling();
  }
  if (view.isDoubted) return view.reach('leader', call).then(() => findById(appender, job, call) ?? []);
  const sequence = recent.get(commitId);
  if (sequence !== undefined) return view.through(sequence, call).then(() => view.commitsById(commitId));
  const { forgottenThrough } = recent;
  if (forgottenThrough > view.applied)
    return view.through(forgottenThrough, call).then(() => view.commitsById(commitId));
  return view.mayHave(commitId) ? view.commitsById(commitId) : undefined;
}
