import { join } from 'node:path';
import { readHeaderOf, isIndex } from './index-header';
import { indexPath } from './clean-mark';
import { firstVersionOf, nameOf, sequenceOf, type RecordHeader } from './record';
import { ReplicaIndex } from './replica-index';
import { recordsOfSegments } from './scan';
import { Segments } from './segments';
import { decodeState } from './state';

const chunkBytes = 1 << 20;

/** What a look at the files of a replica has found. */
export interface Verified {
  readonly position: bigint;
  readonly records: number;
  readonly bytes: number;
}

/** The files of a replica are not what they must be; the message says where. */
export class ReplicaFault extends Error {}

/** Looks at every record of a replica that nobody uses, and whether the index has it. Throws ReplicaFault. */
export async function verifyReplica(folder: string): Promise<Verified> {
  const path = join(folder, 'index');
  const header = readHeaderOf(indexPath(path));
  if (header === undefined) throw new ReplicaFault(`there is no replica in ${folder}`);
  if (!isIndex(header)) throw new ReplicaFault('its index is not one');
  const index = new ReplicaIndex(path);
  try {
    const state = decodeState(index.state(), true);
    if (typeof state === 'string') throw new ReplicaFault(state);
    const bounds = { segmentBytesMax: Infinity, replicaBytesMax: Infinity, tailBytesMax: 0 };
    const finishedBytes = (segment: number): number | undefined => index.finishedBytes(segment);
    const { end, applied: position } = state;
    const segments = await Segments.open(join(folder, 'segments'), bounds, { end, position, finishedBytes });
    try {
      return { position: state.applied, ...(await verifyRecords(segments, index)) };
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
    for (const header of chunk.headers) {
      records++;
      bytes += header.length;
      if (header.kind === 'commit' && !isIndexed(index, chunk.bytes, header))
        throw new ReplicaFault(`its index does not have position ${header.position.toString()}`);
    }
  }
  return { records, bytes };
}

function isIndexed(index: ReplicaIndex, bytes: Buffer, header: RecordHeader): boolean {
  const lastVersion = firstVersionOf(bytes, header) + BigInt(header.count) - 1n;
  return index.has(nameOf(bytes, header), lastVersion, sequenceOf(bytes, header));
}
