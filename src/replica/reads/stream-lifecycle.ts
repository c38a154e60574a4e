import type { Lifecycle, StreamHead } from '../../store/event-store';
import { hiddenBy, stateOf } from '../../store/stream-rules';
import { version, type UnixNanos, type Version } from '../../store/values';
import type { IndexEntry } from '../index/index-keys';
import type { ReplicaIndex } from '../index/replica-index';
import type { StoredRules } from '../index/stream-rules-index';
import { clockNanos } from './hiding';
import { versionAt } from './stream-entries';

/** What the rules of one stream leave of it now. */
export interface StreamLifecycle extends Lifecycle {
  /** Commits of an earlier time are hidden, whatever their versions: the clock of the store may go back. */
  readonly fromTime: UnixNanos | undefined;
  readonly stored: StoredRules;
}

/** What can be read of a stream at a version now; undefined: everything, since it never had a control. */
export function lifecycleOf(index: ReplicaIndex, stream: string, last: Version): StreamLifecycle | undefined {
  const stored = index.rules.isEmpty ? undefined : index.rules.get(stream);
  if (stored === undefined) return undefined;
  const { firstVersion: shown, fromTime } = hiddenBy(stored.rules, last, clockNanos());
  const end = version(last + 1n);
  const byNumber = shown < end ? shown : end;
  const firstVersion =
    fromTime === undefined ? byNumber : firstOfTime(index, stream, { shown: byNumber, end }, fromTime);
  return { state: stateOf(stored.rules, last), firstVersion, fromTime, stored };
}

/** The head of a stream with what can be read of it. */
export function headWith(head: StreamHead, lifecycle: Lifecycle | undefined): StreamHead {
  return lifecycle === undefined ? head : { ...head, lifecycle: shownLifecycle(lifecycle) };
}

/** What a reader gets of it. */
export function shownLifecycle(lifecycle: Lifecycle | undefined): Lifecycle | undefined {
  return lifecycle && { state: lifecycle.state, firstVersion: lifecycle.firstVersion };
}

/** Entries looked up for one first version: only where a clock was set ahead would there be more. */
const lookupsMax = 1_024;

/**
 * The first version from `shown` on whose commit is not earlier than a time; `end` if no such commit exists; a lower one if that would
 * take too long, since a read skips what is too old all the same.
 */
function firstOfTime(
  index: ReplicaIndex,
  stream: string,
  { shown, end }: { readonly shown: Version; readonly end: Version },
  fromTime: UnixNanos,
): Version {
  const isOfTime = ({ kind, timeNanos }: IndexEntry): boolean => kind === 'commit' && timeNanos >= fromTime;
  const firstOf = (entry: IndexEntry): Version => {
    const first = version(entry.version - BigInt(entry.count) + 1n);
    return first < shown ? shown : first < end ? first : end;
  };
  // Mostly nothing is too old, which one lookup shows.
  const [oldest] = index.forward(stream, shown);
  if (oldest === undefined) return end;
  if (isOfTime(oldest)) return firstOf(oldest);
  // All records before the mark are earlier. Few commits of the stream lie between it and the first one of the time.
  const mark = index.markBeforeTime(fromTime);
  const earlier = mark === undefined ? 0n : versionAt(index, stream, mark.position - 1n);
  let lookups = 0;
  for (const entry of index.forward(stream, earlier < shown ? shown : version(earlier + 1n)))
    if (++lookups === lookupsMax || isOfTime(entry)) return firstOf(entry);
  return end;
}
