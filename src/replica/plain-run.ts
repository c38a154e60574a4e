import type { UnreadableCommitError } from '../store/errors';
import type { EventRun } from '../store/event-store';
import { position } from '../store/values';
import { meet, type Wanted } from './meet';
import type { Chunk } from './scan';

export interface PlainRun {
  /** undefined: there are no events. */
  readonly run: EventRun | undefined;
  /** Met after them. */
  readonly error: UnreadableCommitError | undefined;
  /** Whether there are records after the range. */
  readonly isPast: boolean;
}

/** The events of a chunk that lie in a range, one after the other, up to the first that cannot be read. */
export function plainRun(
  { bytes, headers }: Chunk,
  { after, through }: { readonly after: bigint; readonly through: bigint },
  wanted: Wanted,
): PlainRun {
  let target: Buffer | undefined;
  let filled = 0;
  let eventCount = 0;
  let last = 0n;
  let error: UnreadableCommitError | undefined;
  let isPast = false;
  for (const header of headers) {
    if (header.position <= after) continue;
    isPast = header.position > through;
    if (isPast) break;
    if (header.kind !== 'commit' || header.isLeftOut) {
      const met = meet(bytes, header, wanted);
      if (met === 'pass' || met === 'take') continue;
      error = met;
      break;
    }
    target ??= Buffer.allocUnsafe(bytes.length - header.start);
    filled += bytes.copy(target, filled, header.bodyStart, header.end);
    eventCount += header.count;
    last = header.position;
  }
  const run = target && { position: position(last), events: target.subarray(0, filled), eventCount };
  return { run, error, isPast };
}
