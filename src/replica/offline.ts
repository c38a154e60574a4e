import { distinctTags, eventCorrelationId, eventSpans } from '../protobuf/commit-record';
import { hashOf } from './index/id-hash';
import { indexFolder, openSegments, removeFiles } from './apply/open-files';
import { decodeState } from './apply/state';
import { indexPath } from './index/index-files';
import { isIndex, readHeaderOf } from './index/index-header';
import { ReplicaIndex } from './index/replica-index';
import { recordsOfSegments } from './reads/scan';
import { isDamagedReplica } from './segments/damage';
import {
  bodyOf,
  commitIdOf,
  firstVersionOf,
  headersOf,
  nameOf,
  sequenceOf,
  type RecordHeader,
} from './segments/record';
import type { SegmentView } from './segments/segment-view';

const chunkBytes = 1 << 20;

/** What the files of a replica hold. */
export interface Verified {
  readonly position: bigint;
  readonly records: number;
  readonly bytes: number;
}

/** The files of a replica are damaged; the message says which. */
export class ReplicaFault extends Error {}

/** Removes a replica that no gateway uses, and nothing else from its folder. */
export function removeReplica(folder: string): Promise<void> {
  return removeFiles(folder);
}

/** Reads every record of a replica that no gateway uses, and looks it up in the index. Throws ReplicaFault. */
export async function verifyReplica(folder: string): Promise<Verified> {
  try {
    return await verifyIndex(openIndex(folder), folder);
  } catch (error) {
    if (!isDamagedReplica(error)) throw error;
    throw new ReplicaFault((error as Error).message, { cause: error });
  }
}

function openIndex(folder: string): ReplicaIndex {
  const path = indexFolder(folder);
  const header = readHeaderOf(indexPath(path));
  if (header === undefined) throw new ReplicaFault(`there is no replica in ${folder}`);
  if (!isIndex(header)) throw new ReplicaFault('its index is not an LMDB file of this kind of machine');
  return new ReplicaIndex(path);
}

async function verifyIndex(index: ReplicaIndex, folder: string): Promise<Verified> {
  try {
    const state = decodeState(index.state(), true);
    if (typeof state === 'string') throw new ReplicaFault(state);
    const bounds = { segmentBytesMax: Infinity, replicaBytesMax: Infinity, tailBytesMax: 0 };
    const segments = await openSegments(folder, bounds, index, state);
    try {
      return { position: state.applied, ...(await verifyRecords(segments, index)) };
    } finally {
      await segments.close();
    }
  } finally {
    await index.close();
  }
}

async function verifyRecords(
  segments: SegmentView,
  index: ReplicaIndex,
): Promise<Omit<Verified, 'position'>> {
  let records = 0;
  let bytes = 0;
  for await (const chunk of recordsOfSegments(segments, chunkBytes)) {
    for (const header of headersOf(chunk.bytes)) {
      records++;
      bytes += header.length;
      if (!isIndexed(index, chunk.bytes, header))
        throw new ReplicaFault(
          `its index does not have all keys of the record at position ${header.position.toString()}`,
        );
    }
  }
  index.checkEntries();
  return { records, bytes };
}

function isIndexed(index: ReplicaIndex, bytes: Buffer, header: RecordHeader): boolean {
  const sequence = sequenceOf(bytes, header);
  if (header.kind === 'control') {
    const name = nameOf(bytes, header);
    return (
      index.has(name, firstVersionOf(bytes, header), sequence) &&
      index.hasKey({ kind: 'commit', hash: hashOf(commitIdOf(bytes, header)), sequence }) &&
      (index.rules.get(name)?.position ?? 0n) >= sequence
    );
  }
  if (header.kind !== 'commit') return index.hasKey({ kind: 'damage', hash: 0n, sequence });
  const body = bodyOf(bytes, header);
  const lastVersion = firstVersionOf(bytes, header) + BigInt(header.count) - 1n;
  const spans = eventSpans(body);
  const place = { position: header.position, sequence };
  return (
    index.has(nameOf(bytes, header), lastVersion, sequence) &&
    index.hasKey({ kind: 'commit', hash: hashOf(commitIdOf(bytes, header)), sequence }) &&
    (header.isErased ||
      (spans.every((span) =>
        index.hasKey({ kind: 'correlation', hash: hashOf(eventCorrelationId(body, span)), sequence }),
      ) &&
        [...distinctTags(body, spans)].every((tag) => index.tags.has({ hash: hashOf(tag), ...place }))))
  );
}
