import { startCluster, until } from '../support/nats-server';
import { filesWithSecret, plantAndErase, readBack, startSearched } from '../support/planted';

/** Raft logs keep what was proposed until the server compacts them: docs/personal-data.md says how long that takes. */
const raftLogs = /[/\\]_js_[/\\]/;

test('on three servers, what is erased is soon in none of their files but Raft logs', async () => {
  await using cluster = await startCluster();
  await using gateway = await startSearched(cluster.urls, ['--store-replicas=3']);
  const found = (): string[] =>
    cluster.nodes.flatMap(({ dataDir }) => filesWithSecret(dataDir)).filter((file) => !raftLogs.test(file));
  const expected = await plantAndErase(gateway.client, () => {
    expect(filesWithSecret(gateway.replicaDir).length).toBeGreaterThan(0);
  });
  expect(filesWithSecret(gateway.replicaDir)).toEqual([]);
  await until(() => found().length === 0, 60_000);
  expect(await readBack(gateway.client)).toEqual(expected);
}, 180_000);
