import type { CallContext } from '../../store/event-store';
import type { LogView, ViewedCommit } from '../../store/log';
import type { CurrentHead } from '../log/head';
import { checkNewStreams, checkTombstones, checkVersions } from './appended';
import { checkCondition } from './condition';
import type { Heads } from './heads';
import type { Base } from './next';
import type { StoredCommits } from './stored-commits';
import type { Transaction } from './transaction';

/** What a lookup asks. */
export interface Knowledge {
  readonly heads: Heads;
  readonly commits: StoredCommits;
  readonly view: LogView;
}

/** How a transaction stands in the log. */
export interface Standing {
  /** What is stored of it already; empty: nothing, and it may be stored on top of `heads`. */
  readonly commits: readonly ViewedCommit[];
  readonly heads: readonly CurrentHead[];
}

/**
 * Asks the leader of the log how a transaction stands now. Throws the StoreError that rules it out, and others if that cannot be
 * found out. `doubted`: the base of an attempt in doubt.
 */
export async function lookUp(
  { heads, commits, view }: Knowledge,
  transaction: Transaction,
  doubted: Base | undefined,
  call: CallContext,
): Promise<Standing> {
  const { condition, parts, request, isRepeatable } = transaction;
  // Before the lookup by commit id: an attempt that is not found there cannot be stored before what the condition finds.
  const upTo = condition && (await view.catchUp(call));
  const current = await heads.current(parts, call);
  // Without the view, only the newest commit of the stream is known, not what holds of it.
  if (request === 'control' && !current.every(({ isViewed }) => isViewed)) throw commits.fillingError();
  if (doubted !== undefined || isRepeatable) {
    const found = await commits.findUnder(current, transaction, doubted);
    if (found.length > 0) return { commits: found, heads: current };
  }
  checkVersions(parts, current);
  checkNewStreams(parts, current);
  checkTombstones(parts, current);
  if (condition !== undefined && upTo !== undefined) await checkCondition(view, condition, upTo, call);
  return { commits: [], heads: current };
}
