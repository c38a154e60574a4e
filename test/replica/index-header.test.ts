import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { headerBytes, isIndex, readHeaderOf } from '../../src/replica/index/index-header';
import { ReplicaIndex } from '../../src/replica/index/replica-index';
import { makeReplicaDir } from '../support/replica-dir';

test('an index is distinguished from other files, and from an index of another kind of machine', async () => {
  const folder = join(makeReplicaDir(), 'index');
  mkdirSync(folder);
  const path = join(folder, 'data.mdb');
  expect(readHeaderOf(path)).toBeUndefined();
  const index = new ReplicaIndex(folder);
  await index.close();
  const header = readHeaderOf(path) ?? Buffer.alloc(0);
  expect(isIndex(header)).toBe(true);
  expect(isIndex(Buffer.from([...header.subarray(0, 24), ...header.subarray(24).toReversed()]))).toBe(false);
  expect(isIndex(header.subarray(0, headerBytes - 1))).toBe(false);
  writeFileSync(path, 'something else, which is longer than the header');
  expect(isIndex(readHeaderOf(path) ?? header)).toBe(false);
});
