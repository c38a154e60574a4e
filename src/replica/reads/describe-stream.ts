import { StreamNotFoundError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import { noRules, type StreamDescription } from '../../store/stream-rules';
import { position, unixNanos, version, versionAfter, type StreamName } from '../../store/values';
import type { ReadableReplica } from './readable-replica';
import { headOf } from './stream-head';
import { lifecycleOf } from './stream-lifecycle';

/** What a stream is now, as the leader knows it. Throws StreamNotFoundError, and UnreadableCommitError for an unreadable last message. */
export async function describeStream(
  replica: ReadableReplica,
  stream: StreamName,
  call: CallContext,
): Promise<StreamDescription> {
  await replica.catchUp('leader', call);
  const { index } = replica.files;
  const entry = index.head(stream);
  const lifecycle = entry && lifecycleOf(index, stream, entry.version);
  const head = await headOf(replica, stream, entry);
  if (head.version === 0n) throw new StreamNotFoundError(stream);
  const { rules, position: controlPosition } = lifecycle?.stored ?? {
    rules: noRules,
    position: position(0n),
  };
  const state = lifecycle?.state ?? 'active';
  return {
    stream,
    state,
    version: head.version,
    firstVersion: lifecycle?.firstVersion ?? versionAfter(version(0n), 1n),
    position: head.position,
    commitTime: head.commitTime ?? unixNanos(0n),
    // An event may have followed the control that deleted the stream.
    rules: { ...rules, isDeleted: state !== 'active' },
    controlPosition,
    erased: index.erased.of(stream),
  };
}
