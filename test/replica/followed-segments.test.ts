import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultLimits } from '../../src/limits';
import { FollowedSegments } from '../../src/replica/segments/followed-segments';
import { segmentFile } from '../../src/replica/segments/segment-files';
import { SegmentRemovedError } from '../../src/replica/segments/segment-view';

test('records that cannot be read for now are read from their file later', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-followed-'));
  const path = join(folder, segmentFile(0));
  // Opening it fails, as it does for a process that has no descriptors left.
  await symlink(path, path);
  const first = { received: 0n, end: { segment: 0, offset: 0 }, first: 0 };
  const segments = new FollowedSegments(folder, defaultLimits, first);
  const visited: unknown[] = [];
  const more = { received: 5n, end: { segment: 0, offset: 100 }, first: 0 };
  expect(segments.advanceTo(more, (record) => visited.push(record))).toBe(false);
  expect(visited).toEqual([]);
  await rm(path);
  await writeFile(path, Buffer.alloc(100, 7));
  const { bytes } = await segments.readFrom({ segment: 0, offset: 0 }, 1_000);
  expect(bytes).toEqual(Buffer.alloc(100, 7));
  expect(segments.cursorInMemory(5n)).toEqual({ segment: 0, offset: 100 });
  await segments.close();
  await rm(folder, { recursive: true });
});

test('a file that is missing was removed to make space only if there is a later one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-followed-'));
  const end = { segment: 1, offset: 100 };
  const segments = new FollowedSegments(folder, defaultLimits, { received: 9n, end, first: 0 });
  // Somebody has deleted the files, of which the newest is never removed: the replica has to be built again.
  await expect(segments.readFile(1, 0, 100)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(segments.first).toBe(0);
  await writeFile(join(folder, segmentFile(1)), Buffer.alloc(100, 7));
  await expect(segments.readFile(0, 0, 100)).rejects.toThrow(SegmentRemovedError);
  expect(segments.first).toBe(1);
  await segments.close();
  await rm(folder, { recursive: true });
});
