import type { UnreadableCommitError } from '../../store/errors';
import type { EventRun } from '../../store/event-store';
import { headersOf, type RecordHeader } from '../segments/record';
import { selectShown } from './hiding';
import { filterRecord, type ReadFilter } from './record-filter';
import type { Chunk } from './scan';
import type { Selection } from './select';

/** The records of one transaction, or a single record. */
export interface Group {
  readonly bytes: Buffer;
  readonly headers: readonly RecordHeader[];
}

/** The groups of a chunk. */
export function groupsOf({ bytes }: Chunk): Group[] {
  const headers = headersOf(bytes);
  const groups: Group[] = [];
  let start = 0;
  for (const [index, { continues }] of headers.entries()) {
    if (continues) continue;
    groups.push({ bytes, headers: headers.slice(start, index + 1) });
    start = index + 1;
  }
  return groups;
}

export function positionOf({ headers }: Group): bigint {
  return headers[0]?.position ?? 0n;
}

/** The time of the last commit of a group. */
export function timeOf({ headers }: Group): bigint {
  return headers.at(-1)?.timeNanos ?? 0n;
}

/** The selected events of a group, or the error with which a read of them fails. */
export function runsOfGroup(
  { bytes, headers }: Group,
  filter: ReadFilter,
  selection: Selection,
): readonly EventRun[] | UnreadableCommitError {
  const runs: EventRun[] = [];
  for (const header of headers) {
    const filtered = filterRecord(bytes, header, filter);
    if (filtered === 'skip') continue;
    if (filtered !== 'include') return filtered;
    const run = selectShown({ bytes, header }, selection, filter.hiding);
    if (run !== undefined) runs.push(run);
  }
  if (selection.reverse === true) runs.reverse();
  return runs;
}
