import { join } from 'node:path';
import { eventCorrelationId, eventSpans } from '../protobuf/commit-record';
import { hashOf } from '../store/hash';
import { readHeaderOf, isIndex } from './index/index-header';
import { indexPath } from './index/index-files';
import {
  bodyOf,
  commitIdOf,
  firstVersionOf,
  headersOf,
  nameOf,
  sequenceOf,
  type RecordHeader,
} from './segments/record';
import { ReplicaIndex } from './index/replica-index';
import { recordsOfSegments } from './reads/scan';
import { Segments } from './segments/segments';
import { decodeState } from './apply/state';
import { removeFiles } from './apply/open-files';
import { isDamagedReplica } from './segments/damage';

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
  const path = join(folder, 'index');
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
    const finishedBytes = (segment: number): number | undefined => index.finishedBytes(segment);
    const { end, applied: position } = state;
    const segments = await Segments.open(join(folder, 'segments'), bounds, { end, position, finishedBytes });
    try {
      return { position, ...(await verifyRecords(segments, index)) };
    } finally {
      await segments.close();
    }
  } finally {
    await index.close();
  }
}

async function verifyRecords(segments: Segments, index: ReplicaIndex): Promise<Omit<Verified, 'position'>> {
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
  if (header.kind !== 'commit') return index.hasKey('damage', 0n, sequence);
  const body = bodyOf(bytes, header);
  const lastVersion = firstVersionOf(bytes, header) + BigInt(header.count) - 1n;
  return (
    index.has(nameOf(bytes, header), lastVersion, sequence) &&
    index.hasKey('commit', hashOf(commitIdOf(bytes, header)), sequence) &&
    eventSpans(body).every((span) =>
      index.hasKey('correlation', hashOf(eventCorrelationId(body, span)), sequence),
    )
  );
}
