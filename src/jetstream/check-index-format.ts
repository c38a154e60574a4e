import { streamInfo } from './api';
import { emptyIndex, freshSubjects } from './index-stream';
import type { KeyIndex } from './key-index';
import { StoreOpenError } from './open-stream';
import { endless } from './store-context';

/**
 * The format of an index is in its subjects, so that gateways of one format never read what those of another one write. Empties an
 * index of an older format. Throws StoreOpenError if a newer gateway has written it.
 */
export async function checkIndexFormat(index: KeyIndex): Promise<void> {
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
