import { OutcomeUnknownError, UnreadableCommitError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { ViewedCommit } from '../../store/log';
import type { CommitId, StreamName } from '../../store/values';
import type { Appender } from './append';

/** An append that may have been stored by an earlier call. */
export interface Repeatable {
  /** For the error when that stays unknown. */
  readonly stream: StreamName;
  readonly commitId: CommitId;
  readonly repeatable: boolean;
}

/**
 * The commits that have the id of an append, if the caller may have sent it before; undefined: there are none, which
 * nearly always can be told at once. As long as the view is filled, nothing that the server remembers is trusted: against a
 * head that the view has passed, a commit that it does not have is not on the stream.
 */
export function findById(
  appender: Appender,
  job: Repeatable,
  call: CallContext,
): Promise<readonly ViewedCommit[]> | undefined {
  const { view, recent, ids } = appender;
  const { commitId, repeatable } = job;
  if (!repeatable) return undefined;
  const sequence = recent.get(commitId);
  if (!view.isReady) {
    if (ids.covers(commitId, Date.now(), view.fillingSinceMs)) return undefined;
    throw sequence === undefined ? view.fillingError() : unknown(job, view.fillingError());
  }
  if (view.isDoubted) return view.catchUp(call).then(() => findById(appender, job, call) ?? []);
  const through = sequence ?? recent.forgottenThrough;
  if (through > view.applied) return storedCommits(appender, job, through, call);
  return view.mayContain(commitId) ? storedCommits(appender, job, 0n, call) : undefined;
}

/** The commits of an append that this gateway has stored, or may have, as soon as the view goes up to a sequence. */
async function storedCommits(
  { view }: Appender,
  job: Repeatable,
  through: bigint,
  call: CallContext,
): Promise<readonly ViewedCommit[]> {
  try {
    await view.waitUntilApplied(through, call);
    return await view.commitsById(job.commitId);
  } catch (cause) {
    // What fails here by itself says "nothing was stored", which may be a lie.
    throw cause instanceof UnreadableCommitError ? cause : unknown(job, cause);
  }
}

function unknown({ stream, commitId }: Repeatable, cause: unknown): OutcomeUnknownError {
  return new OutcomeUnknownError(stream, commitId, { cause });
}
