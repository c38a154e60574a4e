import type { UnreadableCommitError } from '../../store/errors';
import type { EventRun } from '../../store/event-store';
import { headersOf, type StoredRecord } from '../segments/record';
import { selectShown } from './hiding';
import { filterRecord, type ReadFilter } from './record-filter';
import type { Chunk } from './scan';
import type { Selection } from './select';
import type { PositionRange } from './unfiltered-run';

/** The records of one transaction, or a single record. */
export type Group = readonly StoredRecord[];

/** Groups that lie in one part of the log, in the order of a read. */
export interface ChunkGroups {
  readonly groups: readonly Group[];
  /** They complete the read up to this position, in its direction. */
  readonly completeTo: bigint;
}

export function isInRange(group: Group, { after, upTo }: PositionRange): boolean {
  const at = positionOf(group);
  return at > after && at <= upTo;
}

/** The groups of a chunk. */
export function groupsOf({ bytes }: Chunk): Group[] {
  const groups: Group[] = [];
  let group: StoredRecord[] = [];
  for (const header of headersOf(bytes)) {
    group.push({ bytes, header });
    if (header.continues) continue;
    groups.push(group);
    group = [];
  }
  return groups;
}

/** Records, in order, by their transactions. Of a transaction, some records may be left out. */
export function byPosition(records: readonly StoredRecord[]): Group[] {
  const groups: StoredRecord[][] = [];
  let last: StoredRecord | undefined;
  for (const record of records) {
    if (last?.header.position === record.header.position) groups.at(-1)?.push(record);
    else groups.push([record]);
    last = record;
  }
  return groups;
}

export function positionOf(group: Group): bigint {
  return group[0]?.header.position ?? 0n;
}

/** The time of the last commit of a group. */
export function timeOf(group: Group): bigint {
  return group.at(-1)?.header.timeNanos ?? 0n;
}

/** The selected events of a group, or the error with which a read of them fails. */
export function runsOfGroup(
  group: Group,
  filter: ReadFilter,
  selection: Selection,
): readonly EventRun[] | UnreadableCommitError {
  const runs: EventRun[] = [];
  for (const record of group) {
    const { bytes, header } = record;
    const filtered = filterRecord(bytes, header, filter);
    if (filtered === 'skip') continue;
    if (filtered !== 'include') return filtered;
    const run = selectShown(record, selection, filter.hiding);
    if (run !== undefined) runs.push(run);
  }
  if (selection.reverse === true) runs.reverse();
  return runs;
}
