import type { UnreadableCommitError } from '../../store/errors';
import type { EventRun } from '../../store/event-store';
import { meet, type Wanted } from './record-filter';
import { headerAt } from '../segments/record';
import { RecordWalk } from '../segments/record-iterator';
import { RunInPlace } from '../segments/run-builder';
import type { Chunk } from './scan';

export interface PlainRun {
  /** undefined: there are no events. */
  readonly run: EventRun | undefined;
  /** Met after them. */
  readonly error: UnreadableCommitError | undefined;
  /** Whether there are records after the range. */
  readonly isPast: boolean;
}

/**
 * The events of a chunk that lie in a range, up to the first that cannot be read. The chunk cannot be used afterwards: its events are
 * moved together.
 */
export function plainRun(
  chunk: Chunk,
  { after, through }: { readonly after: bigint; readonly through: bigint },
  wanted: Wanted,
): PlainRun {
  const bytes = chunk.isShared ? Buffer.from(chunk.bytes) : chunk.bytes;
  const run = new RunInPlace(bytes);
  const walk = new RecordWalk(bytes);
  const [first, last] = [Number(after) + 1, Number(through)];
  let error: UnreadableCommitError | undefined;
  let isPast = false;
  while (walk.next()) {
    if (walk.position < first) continue;
    isPast = walk.position > last;
    if (isPast) break;
    if (walk.isCommit && !walk.isTorn) {
      run.add(walk);
      continue;
    }
    const met = meet(bytes, headerAt(bytes, walk.start), wanted);
    if (met === 'pass' || met === 'take') continue;
    error = met;
    break;
  }
  return { run: run.finish(), error, isPast };
}
