import { readdirSync } from 'node:fs';
import { StreamVersions, type Finding } from '../../src/backup/stream-versions';
import { position, version } from '../../src/store/values';
import { makeReplicaDir } from '../support/replica-dir';
import { randomFrom } from '../support/random';

/** The versions of more streams than fit into memory. */

interface Walk {
  readonly versions: readonly (readonly [string, number])[];
  readonly findings: readonly Finding[];
}

type Commit = readonly [stream: string, first: number, last: number];

async function walk(commits: readonly Commit[], inMemoryMax: number): Promise<Walk> {
  const folder = makeReplicaDir();
  const findings: Finding[] = [];
  const all = new StreamVersions(folder, (finding) => findings.push(finding), inMemoryMax);
  let at = 0n;
  for (const [stream, first, last] of commits) {
    const commit = { firstVersion: version(BigInt(first)), lastVersion: version(BigInt(last)) };
    await all.add({ stream, ...commit, position: position(++at) });
  }
  const versions: [string, number][] = [];
  for await (const { stream, version: found } of all.all()) versions.push([stream, found]);
  await all.close();
  expect(readdirSync(folder)).toEqual([]);
  return { versions, findings };
}

function consecutive(random: () => number, commits: number, streams: number): Commit[] {
  const versions = new Map<string, number>();
  return Array.from({ length: commits }, () => {
    const stream = `s.${Math.floor(random() * streams).toString(36)}`;
    const first = (versions.get(stream) ?? 0) + 1;
    const last = first + Math.floor(random() * 3);
    versions.set(stream, last);
    return [stream, first, last];
  });
}

// Files are merged whenever there are 32: with the first two, some twenty times.
test.each([
  [1, 700],
  [2, 1_400],
  [7, 3_000],
  [50, 3_000],
  [10_000, 3_000],
])('are the same with %d streams in memory', async (inMemoryMax, count) => {
  const commits = consecutive(randomFrom(7), count, 400);
  const expected = new Map(commits.map(([stream, , last]) => [stream, last]));
  const { versions, findings } = await walk(commits, inMemoryMax);
  expect(findings).toEqual([]);
  expect(versions).toEqual([...expected].sort(([a], [b]) => (a < b ? -1 : 1)));
});

test.each([1, 2, 1_000])('are compared, with %d streams in memory', async (inMemoryMax) => {
  const commits: Commit[] = [
    ['a', 1, 2],
    ['b', 2, 2],
    ['a', 3, 3],
    ['c', 1, 1],
    ['a', 5, 6],
    ['c', 1, 1],
  ];
  const { findings } = await walk(commits, inMemoryMax);
  expect(findings.toSorted((x, y) => x.position - y.position)).toEqual([
    { stream: 'b', position: 2, reason: 'version 2 follows version 0' },
    { stream: 'a', position: 5, reason: 'version 5 follows version 3' },
    { stream: 'c', position: 6, reason: 'version 1 follows version 1' },
  ]);
});
