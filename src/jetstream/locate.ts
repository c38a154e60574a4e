import type { CallContext } from '../store/event-store';
import type { StreamName } from '../store/values';
import { directGet } from './direct-get';
import { firstSequence, lastSequence, readPart, unreadable, type StoredPart } from './commit-codec';
import { subjectOf, within, type StoreContext } from './store-context';

/** So many versions are read and thrown away rather than searched for: they cost less than one more question. */
export const skipVersionsMax = 64n;
const interpolationsMax = 8;
const probesMax = 80;

/** The first message of the stream at or after a sequence, which must exist at the leader. */
export async function partAtOrAfter(
  context: StoreContext,
  stream: StreamName,
  sequence: bigint,
  call: CallContext,
): Promise<StoredPart | undefined> {
  const lookup = { seq: Number(sequence), next_by_subj: subjectOf(context, stream) };
  const options = within(call, context.limits.requestTimeoutMs);
  const message = await directGet(context.pool.read(), context.log, lookup, options);
  return message && readPart(stream, message);
}

/**
 * A sequence to begin reading at, so that the commit with `version` is met after at most `skipVersionsMax` others.
 * Versions grow with sequences, so it is an interpolation search, with bisection where the stream is uneven.
 */
export async function locate(
  context: StoreContext,
  stream: StreamName,
  version: bigint,
  head: StoredPart,
  call: CallContext,
): Promise<bigint> {
  // The wanted commit begins at a sequence in [low, high]; what lies before low ends with lowVersion.
  let low = 1n;
  let lowVersion = 0n;
  let high = head.sequence;
  let highVersion = head.lastVersion;
  if (version >= head.firstVersion) return firstSequence(head);
  for (let probe = 0; probe < probesMax; probe++) {
    if (version - lowVersion <= skipVersionsMax) return low;
    const guess = guessSequence(probe, version, { low, lowVersion, high, highVersion });
    const found = await partAtOrAfter(context, stream, guess, call);
    if (found === undefined)
      throw unreadable(stream, head.sequence, 'earlier commits of the stream are gone');
    if (found.lastVersion < version) {
      const end = await endOfCommit(context, stream, found, call);
      if (end.lastVersion >= version) return firstSequence(found);
      low = end.sequence + 1n;
      lowVersion = end.lastVersion;
    } else if (found.firstVersion <= version) {
      return firstSequence(found);
    } else {
      // Nothing of the stream lies in [guess, found), so what is wanted lies before the guess.
      high = found.previous ?? guess - 1n;
      highVersion = found.firstVersion - 1n;
      if (high < low)
        throw unreadable(stream, found.sequence, `version ${version.toString()} is missing before it`);
    }
  }
  return low;
}

async function endOfCommit(
  context: StoreContext,
  stream: StreamName,
  part: StoredPart,
  call: CallContext,
): Promise<StoredPart> {
  if (part.part === part.parts) return part;
  const end = await partAtOrAfter(context, stream, lastSequence(part), call);
  if (end?.commitId === part.commitId) return end;
  throw unreadable(stream, part.sequence, 'the parts of its commit do not fit together');
}

interface Bounds {
  readonly low: bigint;
  readonly lowVersion: bigint;
  readonly high: bigint;
  readonly highVersion: bigint;
}

function guessSequence(
  probe: number,
  version: bigint,
  { low, lowVersion, high, highVersion }: Bounds,
): bigint {
  if (probe >= interpolationsMax && probe % 2 === 0) return (low + high) / 2n;
  const versions = highVersion - lowVersion;
  const guess = low + ((high - low) * (version - lowVersion - 1n)) / (versions > 0n ? versions : 1n);
  // A little early: to come out before the wanted commit and read on costs nothing more.
  const early = guess - (high - low) / (4n * (versions / skipVersionsMax + 1n));
  return early < low ? low : early;
}
