import type { UnreadableCommitError } from '../../store/errors';
import type { EventRun } from '../../store/event-store';
import { meet, type Wanted } from './record-filter';
import { headersOf, type RecordHeader } from '../segments/record';
import type { Chunk } from './scan';
import { select, type Selection } from './select';

/** Records of one transaction, or a single one. */
export interface Group {
  readonly bytes: Buffer;
  readonly headers: readonly RecordHeader[];
}

/** The groups that lie in a chunk of the log. */
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

/** When the last commit of a group was stored. */
export function timeOf({ headers }: Group): bigint {
  return headers.at(-1)?.timeNanos ?? 0n;
}

/** What a reader gets of a group, or what it is told instead. */
export function takeGroup(
  { bytes, headers }: Group,
  wanted: Wanted,
  selection: Selection,
): readonly EventRun[] | UnreadableCommitError {
  const runs: EventRun[] = [];
  for (const header of headers) {
    const met = meet(bytes, header, wanted);
    if (met === 'pass') continue;
    if (met !== 'take') return met;
    const run = select({ bytes, header }, selection);
    if (run !== undefined) runs.push(run);
  }
  if (selection.reverse === true) runs.reverse();
  return runs;
}
