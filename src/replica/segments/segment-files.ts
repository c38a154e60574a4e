import { mkdir, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { DamagedReplicaError } from './damage';
import type { Cursor } from './segments';

/** The name of the file of a segment. */
export function segmentFile(segment: number): string {
  return `${segment.toString().padStart(8, '0')}.seg`;
}

function segmentOf(name: string): number | undefined {
  const digits = /^(\d{8})\.seg$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * Removes what lies after a cursor, and gives the bytes of each segment, in order. The oldest may be gone; the others must be as
 * large as they were. Throws DamagedReplicaError.
 */
export async function openSegmentFiles(
  folder: string,
  end: Cursor,
  finishedBytes: (segment: number) => number | undefined,
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
  if (last < end.offset) throw cutOff(end.segment);
  if (last > end.offset) await truncate(join(folder, segmentFile(end.segment)), end.offset);
  if (sizes.size > 0) sizes.set(end.segment, end.offset);
  const first = sizes.keys().next().value ?? end.segment;
  for (let segment = first; segment < end.segment; segment++)
    if (sizes.get(segment) !== finishedBytes(segment)) throw cutOff(segment);
  return sizes;
}

export async function removeSegmentFiles(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: unknown): string[] => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names) if (segmentOf(name) !== undefined) await rm(join(folder, name), { force: true });
}

function cutOff(segment: number): DamagedReplicaError {
  return new DamagedReplicaError(`${segmentFile(segment)} is gone, or a part of it`);
}
