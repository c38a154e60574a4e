import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SegmentReader } from '../../src/replica/segments/segment-reader';
import { makeReplicaDir } from '../support/replica-dir';

const segmentBytes = 1 << 20;
const content = Buffer.from(Array.from({ length: segmentBytes }, (_, i) => i % 251));

function makeFiles(): { readonly files: SegmentReader; readonly folder: string } {
  const folder = makeReplicaDir();
  for (const segment of [0, 1]) writeFileSync(join(folder, String(segment)), content);
  return { files: new SegmentReader((segment) => join(folder, String(segment)), segmentBytes), folder };
}

test('a range is read synchronously if all of it was read or written before', async () => {
  const { files } = makeFiles();
  expect(files.readSync(0, 5_000, 100)).toBeUndefined();
  expect(await files.read(0, 5_000, 100)).toEqual(content.subarray(5_000, 5_100));
  expect(files.readSync(0, 5_050, 100)).toEqual(content.subarray(5_050, 5_150));
  // Its second half is in a page that was not read before.
  expect(files.readSync(0, 8_100, 200)).toBeUndefined();
  files.noteCached(0, 8_192, 1);
  expect(files.readSync(0, 8_100, 200)).toEqual(content.subarray(8_100, 8_300));
  expect(files.readSync(1, 5_050, 100)).toBeUndefined();
  await files.close();
});

test('a written range is not read synchronously while the file is not open', async () => {
  const { files } = makeFiles();
  files.noteCached(0, 0, 10_000);
  expect(files.readSync(0, 0, 10)).toBeUndefined();
  await files.read(0, 500_000, 10);
  expect(files.readSync(0, 0, 10)).toEqual(content.subarray(0, 10));
  await files.close();
});

test('nothing is read synchronously after the end of a segment, or after its file is closed', async () => {
  const { files, folder } = makeFiles();
  await files.read(0, 0, segmentBytes);
  files.noteCached(0, segmentBytes * 3, 10);
  expect(files.readSync(0, segmentBytes * 3, 10)).toBeUndefined();
  files.closeFile(0);
  expect(files.readSync(0, 0, 10)).toBeUndefined();
  rmSync(join(folder, '0'));
  await expect(files.read(0, 0, 10)).rejects.toMatchObject({ code: 'ENOENT' });
  await files.read(1, 0, 10);
  await files.close();
  expect(files.readSync(1, 0, 10)).toBeUndefined();
  await expect(files.read(1, 0, 10)).rejects.toThrow('is being rebuilt');
});
