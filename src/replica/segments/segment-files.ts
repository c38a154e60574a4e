import { mkdir, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { DamagedReplicaError } from './damage';

/** The name of the file of a segment. */
export function segmentFile(segment: number): string {
  return `${segment.toString().padStart(8, '0')}.seg`;
}

function segmentOf(name: string): number | undefined {
  const digits = /^(\d{8})\.seg$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The end of the segments: the next record goes there. */
export interface SegmentsEnd {
  readonly segment: number;
  readonly offset: number;
}

/**
 * Removes everything after the end of the segments; returns the bytes of each segment, in order. The oldest segments may be
 * missing; every other sealed one must have as many bytes as when it was sealed. Throws DamagedReplicaError.
 */
export async function openSegmentFiles(
  folder: string,
  end: SegmentsEnd,
  sealedBytes: (segment: number) => number | undefined,
): Promise<Map<number, number>> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const sizes = new Map<number, number>();
  for (const name of (await readdir(folder)).sort()) {
    const segment = segmentOf(name);
    if (segment === undefined) continue;
    if (segment <= end.segment) sizes.set(segment, (await stat(join(folder, name))).size);
    else await rm(join(folder, name), { force: true });
  }
  const last = sizes.get(end.segment) ?? 0;
  if (last < end.offset) throw missingBytes(end.segment);
  if (last > end.offset) await truncate(join(folder, segmentFile(end.segment)), end.offset);
  if (sizes.size > 0) sizes.set(end.segment, end.offset);
  const first = sizes.keys().next().value ?? end.segment;
  for (let segment = first; segment < end.segment; segment++)
    if (sizes.get(segment) !== sealedBytes(segment)) throw missingBytes(segment);
  return sizes;
}

/** Removes the files of all segments from a folder, and nothing else. */
export async function removeSegmentFiles(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: unknown): string[] => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names) if (segmentOf(name) !== undefined) await rm(join(folder, name), { force: true });
}

function missingBytes(segment: number): DamagedReplicaError {
  return new DamagedReplicaError(`${segmentFile(segment)} is missing or too short`);
}
