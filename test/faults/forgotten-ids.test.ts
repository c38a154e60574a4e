import { setTimeout as sleep } from 'node:timers/promises';
import { problemOf, type ContractStore } from '../contract/contract-store';
import { plainEvents, range } from '../contract/events';
import { newStore, openJetStream } from '../contract/open';
import { uuidV7 } from '../../src/uuid';
import { startNats } from '../support/nats-server';

/** A commit id is known for ever, though the NATS server forgets it: after restarts, and after more appends to its stream. */

const duplicateWindowMs = 200;
const rounds = 3;
const eachRound = 1_000;

test('the server forgets commit ids, and no append is stored twice', async () => {
  await using nats = await startNats();
  const names = newStore();
  const open = (): ReturnType<typeof openJetStream> => openJetStream(nats.url, { duplicateWindowMs }, names);
  const v4 = '6f1f2c7e-58a0-4d5e-9f0a-3a8f0a5f4a11';
  const appends = [
    { stream: 'forgotten.v4', events: plainEvents(2), commitId: v4 },
    { stream: 'forgotten.v7', events: [{ type: 'WithoutId' }], commitId: uuidV7() },
    { stream: 'forgotten.expected', events: plainEvents(1), commitId: uuidV7(), expectedVersion: 0n },
  ];
  const transactions = [undefined, 0n].map((expectedVersion) => ({
    appends: [
      { stream: `forgotten.${expectedVersion}.a`, events: plainEvents(1), expectedVersion },
      { stream: `forgotten.${expectedVersion}.b`, events: plainEvents(2) },
    ],
    checks: [{ stream: 'forgotten.checked', expectedVersion: 0n }],
    commitId: uuidV7(),
  }));
  const repeat = async (store: ContractStore): Promise<unknown[]> => [
    ...(await Promise.all(appends.map((append) => store.append(append)))),
    ...(await Promise.all(transactions.map((transaction) => store.appendMulti(transaction)))),
  ];
  let first: unknown[];
  {
    await using store = await open();
    first = await repeat(store);
    await sleep(2 * duplicateWindowMs);
    for (const round of range(1, rounds)) {
      await Promise.all(
        range(1, eachRound).map((number) =>
          store.append({ stream: 'forgotten.v4', events: plainEvents(1, `later-${round}-${number}`) }),
        ),
      );
    }
    for (const stream of ['forgotten.v7', 'forgotten.expected', 'forgotten.checked', 'forgotten.0.a'])
      await store.append({ stream, events: plainEvents(2, 'later') });
    // Through the gateway that stored it, another one, and one after a restart of the server.
    const replayed = first.map((result) => ({ ...(result as object), replayed: true }));
    expect(await repeat(store)).toEqual(replayed);
  }
  await nats.restart();
  await using another = await open();
  expect(await repeat(another)).toEqual(first.map((result) => ({ ...(result as object), replayed: true })));
  for (const { stream, commitId, ...append } of appends) {
    const call = another.append({ ...append, stream, commitId, events: plainEvents(3, 'other') });
    expect(await problemOf(call)).toMatchObject({ reason: 'COMMIT_ID_REUSE', commitId, stream });
  }
  for (const { commitId, ...transaction } of transactions) {
    const [a, b] = transaction.appends;
    const other = { ...transaction, appends: [a ?? {}, { ...b, events: plainEvents(1) }], commitId };
    expect(await problemOf(another.appendMulti(other))).toMatchObject({
      reason: 'COMMIT_ID_REUSE',
      commitId,
    });
  }
  for (const expectedVersion of [undefined, 0n]) {
    const elsewhere = { stream: 'forgotten.elsewhere', events: plainEvents(2), expectedVersion };
    for (const { stream, commitId } of appends) {
      const owner = { reason: 'COMMIT_ID_REUSE', commitId, stream };
      expect(await problemOf(another.append({ ...elsewhere, commitId }))).toMatchObject(owner);
      expect(await problemOf(another.appendMulti({ appends: [elsewhere], commitId }))).toMatchObject(owner);
    }
  }
  // With the right version, on the stream of the commit.
  const { version } = await another.version('forgotten.expected');
  const next = { stream: 'forgotten.expected', events: plainEvents(1), expectedVersion: version };
  const { commitId } = appends[2] as { readonly commitId: string };
  expect(await problemOf(another.append({ ...next, commitId }))).toMatchObject({ reason: 'COMMIT_ID_REUSE' });
  expect((await another.version('forgotten.elsewhere')).version).toBe(0n);
  expect((await another.version('forgotten.v4')).version).toBe(BigInt(rounds * eachRound) + 2n);
}, 60_000);
