import { streamInfo } from './api';
import { logHead } from './head';
import { decodeIndexRecord } from './index-record';
import { emptyIndex, freshSubjects, lastIndexMessage } from './index-stream';
import type { KeyIndex } from './key-index';
import { StoreOpenError } from './open-stream';
import { endless } from './store-context';

/**
 * Empties an index that this gateway must not use: one that an older gateway has written, in a format that may have gaps, and one
 * that is ahead of the log. The latter belongs to another log, for instance to what a backup has replaced, and would claim to
 * cover commits that are yet to come. Throws StoreOpenError if a newer gateway has written it.
 */
export async function dropForeignIndex(index: KeyIndex): Promise<void> {
  await checkFormat(index);
  const last = await lastIndexMessage(index, index.subjects.fresh, endless);
  if (last === undefined) return;
  // In this order: meanwhile other gateways may write both.
  const { through } = decodeIndexRecord(last.body);
  const { sequence: logEnd } = await logHead(index, endless);
  if (through <= logEnd) return;
  const reason = `it is ahead of the log: ${through.toString()}, and the log ends at ${logEnd.toString()}`;
  await emptyIndex(index, reason, endless);
}

/** The format of an index is in its subjects, so that gateways of one format never read what those of another one write. */
async function checkFormat(index: KeyIndex): Promise<void> {
  const { pool, limits, prefix, subjects } = index;
  const request = { subjects_filter: freshSubjects(prefix), offset: 0 };
  const options = { timeoutMs: limits.requestTimeoutMs };
  const { state } = await streamInfo(pool.read(), index.index.name, request, options);
  const others = Object.keys(state.subjects ?? {}).filter((subject) => subject !== subjects.fresh);
  const newer = others.find((subject) => formatOf(subject) > formatOf(subjects.fresh));
  if (newer !== undefined)
    throw new StoreOpenError(
      `the index ${index.index.name} has the format ${formatOf(newer).toString()}, of a newer Sluice; this one knows ` +
        `${formatOf(subjects.fresh).toString()}. Use the newer one, or delete the index when none of those runs: it is made anew.`,
    );
  if (others.length > 0) await emptyIndex(index, 'an older Sluice has written it', endless);
}

/** Those before the second said nothing of it. */
function formatOf(subject: string): number {
  return Number(/\.v(\d+)\.[^.]+$/.exec(subject)?.[1] ?? 1);
}
