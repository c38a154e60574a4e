import { startNats, until } from '../support/nats-server';
import { filesWithSecret, plantAndErase, readBack, secret, startSearched } from '../support/planted';

/** What was erased is found nowhere: not in a file of the gateway or of nats-server, and not in their logs. */
test('what is erased is in no file of the replica when the call has ended, and soon in none of nats-server', async () => {
  await using nats = await startNats();
  await using other = await startSearched([nats.url]);
  let expected: [string, bigint, boolean][];
  {
    await using gateway = await startSearched([nats.url]);
    const isInReplicas = (): boolean[] =>
      [gateway, other].map(({ replicaDir }) => filesWithSecret(replicaDir).length > 0);
    await until(async () => (await readBack(other.client)).length === 0);
    expected = await plantAndErase(gateway.client, () => {
      // Otherwise the search would prove nothing.
      expect(filesWithSecret(gateway.replicaDir).length).toBeGreaterThan(0);
      expect(filesWithSecret(nats.dataDir).length).toBeGreaterThan(0);
    });
    expect(isInReplicas()[0]).toBe(false);
    expect(await readBack(gateway.client)).toEqual(expected);
    // Another gateway follows.
    await until(() => !isInReplicas()[1]);
    await until(() => filesWithSecret(nats.dataDir).length === 0, 60_000);
    expect(await readBack(gateway.client)).toEqual(expected);
    expect(gateway.log()).not.toContain(secret);
  }
  expect(other.log()).not.toContain(secret);
  expect(await readBack(other.client)).toEqual(expected);

  // A gateway whose replica is made from what is left, and a server that has read its files again, say the same.
  await nats.restart();
  expect(filesWithSecret(nats.dataDir)).toEqual([]);
  await using fresh = await startSearched([nats.url]);
  expect(await readBack(fresh.client)).toEqual(expected);
  expect(filesWithSecret(fresh.replicaDir)).toEqual([]);
  expect((await fresh.client.readByCorrelation({ correlationId: secret })).events).toEqual([]);
}, 180_000);
