import type { CallContext, ReadStreamQuery, StreamRead } from '../../store/event-store';
import type { ReadableReplica } from './readable-replica';
import { claimedHead, headOf, headOfCommit } from './stream-head';
import { headWith, lifecycleOf } from './stream-lifecycle';
import { pagesOf, StreamReader } from './stream-reader';

/** Reads a stream up to the head that it has now. */
export async function readStream(
  replica: ReadableReplica,
  query: ReadStreamQuery,
  call: CallContext,
): Promise<StreamRead> {
  await replica.catchUp(query.consistency, call);
  const { files } = replica;
  const entry = files.index.head(query.stream);
  const head =
    headOfCommit(entry) ?? (await claimedHead(files, entry)) ?? (await headOf(replica, query.stream, entry));
  const lifecycle = lifecycleOf(files.index, query.stream, head.version);
  const reader = new StreamReader(files, query, head.version, lifecycle);
  return { head: headWith(head, lifecycle), pages: await pagesOf(reader, call) };
}
