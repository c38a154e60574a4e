import type { SweepView, Truncatable } from '../store/sweep-view';
import { version as toVersion, type Sequence } from '../store/values';
import type { ReplicaIndex } from './index/replica-index';
import { lifecycleOf } from './reads/stream-lifecycle';
import type { Replica } from './replica';

/** What looks for messages to remove from the log finds in a replica. */
export function createSweepView(replica: Replica): SweepView {
  return {
    get isReady() {
      return replica.isReady && !replica.isDoubted;
    },
    controlsAfter(position, max) {
      const found: { readonly stream: string; readonly position: bigint }[] = [];
      for (const control of replica.files.index.rules.streamsAfter(position)) {
        if (found.length >= max) break;
        found.push(control);
      }
      return found;
    },
    newestControl: (stream) => replica.files.index.rules.get(stream)?.position ?? 0n,
    hadVersion(stream, version, position) {
      for (const entry of replica.files.index.forward(stream, version))
        return entry.kind === 'commit' && entry.version === version && entry.sequence < position;
      return false;
    },
    commitsOf(stream, from, to) {
      const sequences: Sequence[] = [];
      for (const { kind, version, count, sequence } of replica.files.index.forward(stream, from)) {
        if (version > to) break;
        if (kind === 'commit' && version - BigInt(count) + 1n >= from) sequences.push(sequence);
      }
      return sequences;
    },
    truncatable(after, max) {
      const { index } = replica.files;
      const streams: Truncatable[] = [];
      if (index.rules.isEmpty) return { streams };
      let [last, seen] = [after, 0];
      for (const { stream, rules } of index.rules.all(after)) {
        if (stream === after) continue;
        if (seen++ >= max) return { streams, last };
        last = stream;
        if (rules.maxCount === undefined && rules.maxAgeNanos === undefined) continue;
        const found = truncatable(index, stream);
        if (found !== undefined) streams.push(found);
      }
      return { streams };
    },
  };
}

/** Events that the retention of a stream must have hidden before they are removed, unless they are a tenth of the stream. */
const hiddenMin = 1_000n;
const shareMin = 10n;

/** undefined: its retention has not hidden so much that it is worth a commit. */
function truncatable(index: ReplicaIndex, stream: string): Truncatable | undefined {
  const head = index.head(stream);
  const lifecycle = head && lifecycleOf(index, stream, toVersion(head.version));
  if (head === undefined || lifecycle === undefined) return undefined;
  const { firstVersion, stored } = lifecycle;
  const hidden = firstVersion - stored.rules.firstVersion;
  const all = head.version - stored.rules.firstVersion + 1n;
  const isWorthWhile = hidden >= hiddenMin || (hidden > 0n && hidden * shareMin >= all);
  return isWorthWhile ? { stream, before: firstVersion } : undefined;
}
