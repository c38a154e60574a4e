import type { EventRun } from '../../store/event-store';
import type { IndexEntry } from '../index/index-keys';
import type { ReplicaFiles } from '../index/replica-files';
import { RecordWalk, wholeGroups } from '../segments/record-iterator';
import type { EntryKey } from '../index/replica-index';
import { RunInPlace } from '../segments/run-builder';
import { SegmentGoneError, type SegmentBytes } from '../segments/segments';

const chunkBytes = 256 << 10;

/** Commits of one stream that lie near one another. */
export interface StreamRun {
  readonly run: EventRun;
  readonly last: EntryKey;
}

/** Whether most of what lies between entries, from the first to the last, is theirs. */
export function areDense(entries: readonly IndexEntry[]): boolean {
  const [first, last] = [entries[0]?.place, entries.at(-1)?.place];
  if (first === undefined || last === undefined || first.segment !== last.segment) return false;
  const bytes = entries.reduce((sum, { place }) => sum + place.length, 0);
  return last.offset + last.length - first.offset <= 2 * bytes;
}

/**
 * Reads on in the segment behind a commit of a stream, up to a version: to look up each commit in the index costs more than to read
 * it. Ends where most of the log is of other streams, and at anything unexpected; the caller goes on with the index. Throws
 * DamagedReplicaError.
 */
export async function* runsBehind(
  { segments }: ReplicaFiles,
  { place, version }: IndexEntry,
  stream: string,
  through: bigint,
): AsyncGenerator<StreamRun, void> {
  const { segment } = place;
  const name = Buffer.from(stream, 'latin1');
  let last = Number(version);
  for (let offset = place.offset + place.length; last < through;) {
    const { bytes, isShared } = await segments.readFrom({ segment, offset }, chunkBytes).catch(noneIfGone);
    const { whole } = wholeGroups(bytes);
    const taken = takeRun(isShared ? Buffer.from(whole) : whole, name, last, Number(through));
    if (taken.run === undefined) return;
    last = taken.version;
    yield { run: taken.run, last: { version: BigInt(last), sequence: BigInt(taken.sequence) } };
    if (!taken.isAll || 2 * taken.run.events.length < whole.length) return;
    offset += whole.length;
  }
}

function noneIfGone(error: unknown): SegmentBytes {
  if (error instanceof SegmentGoneError) return { bytes: Buffer.alloc(0), isShared: false };
  throw error;
}

interface TakenRun {
  /** undefined: there are no events. */
  readonly run: EventRun | undefined;
  /** Of the last commit. */
  readonly version: number;
  readonly sequence: number;
  /** Whether nothing unexpected was met. */
  readonly isAll: boolean;
}

/** The commits of a stream among some records that follow a version, up to the first that does not, or is not wanted as a whole. */
function takeRun(bytes: Buffer, name: Buffer, before: number, through: number): TakenRun {
  const run = new RunInPlace(bytes);
  const walk = new RecordWalk(bytes);
  let version = before;
  let sequence = 0;
  let isAll = true;
  while (walk.next()) {
    if (!walk.isOf(name)) continue;
    const { lastVersion } = walk;
    isAll = walk.isCommit && walk.firstVersion === version + 1 && lastVersion <= through;
    if (!isAll) break;
    version = lastVersion;
    ({ sequence } = walk);
    run.add(walk);
  }
  return { run: run.finish(), version, sequence, isAll };
}
