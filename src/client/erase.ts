import { StreamError, type VersionRange } from './errors';
import { toUint64, type WholeNumber } from './numbers';
import type { StreamChange, StreamChangeOptions } from './stream-change';

/** What to erase, and why. */
export interface ErasureSettings {
  /** The first version; the first event of a commit. */
  readonly fromVersion: WholeNumber;
  /** The last version; the last event of a commit. */
  readonly toVersion: WholeNumber;
  /** For the record that remains: 1 to 256 bytes without control characters. It must not be personal itself. */
  readonly reason: string;
}

/** ServerLimits.erase_events_max; no commit has more events either. */
const eventsMax = 10_000n;
/** The first try for a piece of a longer range, which mostly has to grow by a part of a commit. */
const pieceEvents = 1_000n;

/** Erases a range by as many calls as it takes; `erase` makes one. Throws TypeError, RangeError, and what the calls throw. */
export async function eraseInPieces(
  asked: Pick<ErasureSettings, 'fromVersion' | 'toVersion'>,
  { commitId }: Pick<StreamChangeOptions, 'commitId'>,
  erase: (range: VersionRange) => Promise<StreamChange>,
): Promise<StreamChange> {
  const whole = {
    fromVersion: toUint64(asked.fromVersion, 'fromVersion'),
    toVersion: toUint64(asked.toVersion, 'toVersion'),
  };
  if (whole.toVersion - whole.fromVersion < eventsMax) return erase(whole);
  if (commitId !== undefined)
    throw new RangeError(`commitId is for one call, which erases at most ${eventsMax.toString()} events`);
  let isChanged = false;
  for (let next = whole.fromVersion; ;) {
    const { toVersion, done } = await erasePiece({ ...whole, fromVersion: next }, erase);
    isChanged ||= done.changed;
    if (toVersion === whole.toVersion) return { ...done, changed: isChanged };
    next = toVersion + 1n;
  }
}

/** Erases the beginning of a range, at the end of a commit. */
async function erasePiece(
  range: VersionRange,
  erase: (range: VersionRange) => Promise<StreamChange>,
): Promise<{ readonly toVersion: bigint; readonly done: StreamChange }> {
  const { fromVersion } = range;
  for (let events = pieceEvents, end = fromVersion + events - 1n; ;) {
    const toVersion = end < range.toVersion ? end : range.toVersion;
    try {
      return { toVersion, done: await erase({ fromVersion, toVersion }) };
    } catch (error) {
      const commits = error instanceof StreamError ? error.wholeCommits : undefined;
      const isWithin =
        commits?.fromVersion === fromVersion &&
        commits.toVersion > toVersion &&
        commits.toVersion <= range.toVersion;
      if (!isWithin) throw error;
      if (commits.toVersion - fromVersion < eventsMax) end = commits.toVersion;
      else if (events === 1n) throw error;
      // The last commit is a large one: it comes next, if the piece ends before it.
      else {
        events /= 2n;
        end = fromVersion + events - 1n;
      }
    }
  }
}
