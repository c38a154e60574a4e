import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'nats';
import { openKeyBucket, type KeyBucketOptions } from '../../src/keys/key-bucket';
import { bucketPermissions } from '../../src/keys/bucket-permissions';
import { failureOf, all } from '../client/outcomes';
import { startCluster, startNats, until, type TestNats } from '../support/nats-server';

/** A key store in a JetStream bucket: what is on the disk of nats-server, and what NATS refuses. */
const open = ({ url }: TestNats, options: Partial<KeyBucketOptions> = {}) =>
  openKeyBucket({ servers: [url], bucket: 'keys', ...options });

/** The files of nats-server that have a key in them, as it is or in the form of a record. */
function filesWith({ dataDir }: TestNats, key: Uint8Array): string[] {
  const forms = [Buffer.from(key), Buffer.from(key).toString('base64')];
  const entries = readdirSync(join(dataDir, 'jetstream'), { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return files.filter((file) => forms.some((form) => readFileSync(file).includes(form)));
}

test('a key that is forgotten is in no file of nats-server any more, also after a restart', async () => {
  await using nats = await startNats();
  await using keys = await open(nats);
  const created = await Promise.all(
    Array.from({ length: 50 }, (_, index) => keys.create(`customer-${index}`)),
  );
  const [first, last, other] = [created[0], created[49], created[1]].map(
    (key) => key?.bytes ?? new Uint8Array(),
  );
  if (first === undefined || last === undefined || other === undefined) throw new Error('there are no keys');
  await until(() => Promise.resolve(filesWith(nats, first).length > 0 && filesWith(nats, last).length > 0));
  await keys.forget('customer-0');
  await keys.forget('customer-49');
  expect([filesWith(nats, first), filesWith(nats, last)]).toEqual([[], []]);
  expect(filesWith(nats, other)).toHaveLength(1);
  await nats.restart();
  expect([filesWith(nats, first), filesWith(nats, last)]).toEqual([[], []]);
  await using again = await open(nats);
  expect(await again.get('customer-0')).toMatchObject({ key: undefined });
  expect(await again.get('customer-1')).toMatchObject({ key: created[1] });
});

test('a purge of the subject, or a bucket with a history of 1, would leave the key on the disk', async () => {
  await using nats = await startNats();
  const connection = await connect({ servers: nats.url });
  const bucket = await connection.jetstream().views.kv('plain', { history: 1 });
  const [purged, replaced] = [Buffer.from('purged-secret-1234'), Buffer.from('replaced-secret-1234')];
  await bucket.put('a', purged);
  await bucket.put('b', replaced);
  await until(() => Promise.resolve(filesWith(nats, replaced).length > 0));
  await bucket.purge('a');
  await bucket.put('b', 'other');
  expect([filesWith(nats, purged).length, filesWith(nats, replaced).length]).toEqual([1, 1]);
  await connection.close();
});

test('a key whose forgetting was interrupted is forgotten; what is left of it goes with the next change', async () => {
  const changes = ['forget', 'create'] as const;
  for (const change of changes) {
    const subjects = (without: string[]) =>
      JSON.stringify(bucketPermissions('keys').publish.filter((subject) => !without.includes(subject)));
    const withoutDelete = subjects(['$JS.API.STREAM.MSG.DELETE.KV_keys']);
    await using nats = await startNats({
      extraConfig: `authorization { users: [
        { user: all, password: all, permissions: { publish: ${subjects([])}, subscribe: ["_INBOX.>"] } }
        { user: some, password: some, permissions: { publish: ${withoutDelete}, subscribe: ["_INBOX.>"] } } ] }`,
    });
    await using keys = await open(nats, { user: 'all', password: 'all' });
    await using half = await open(nats, { user: 'some', password: 'some' });
    const { id, bytes } = await keys.create('customer-42');
    expect(await failureOf(half.forget('customer-42'))).toMatchObject({
      name: 'KeyError',
      code: 'KEY_STORE_UNAVAILABLE',
    });
    const known = { key: undefined, forgotten: [{ id }] };
    expect(await keys.get('customer-42')).toMatchObject(known);
    expect(await half.get('customer-42', { fresh: true })).toMatchObject(known);
    await until(() => Promise.resolve(filesWith(nats, bytes).length > 0));
    if (change === 'create')
      expect(await failureOf(half.create('customer-42'))).toMatchObject({ code: 'KEY_STORE_UNAVAILABLE' });
    await keys[change]('customer-42');
    expect(filesWith(nats, bytes)).toEqual([]);
  }
});

test('a bucket that others have made is refused if keys could not be destroyed in it', async () => {
  await using nats = await startNats();
  const connection = await connect({ servers: nats.url });
  await connection.jetstream().views.kv('short', { history: 1 });
  await connection.jetstream().views.kv('expires', { history: 2, ttl: 10_000 });
  const { streams } = await connection.jetstreamManager();
  // As `nats kv add` and the client in Go create them.
  const subjects = ['$KV.kept.>'];
  await streams.add({ name: 'KV_kept', subjects, max_msgs_per_subject: 2, deny_delete: true });
  await connection.close();
  const refusals = [
    ['short', 'max_msgs_per_subject: found 1, needed 2'],
    ['expires', 'max_age: found 10000000000, needed 0'],
    ['kept', 'deny_delete: found true, needed false'],
  ] as const;
  for (const [bucket, why] of refusals) {
    expect(await failureOf(open(nats, { bucket }))).toMatchObject({
      code: 'KEY_STORE_UNSAFE',
      message: expect.stringContaining(why) as string,
    });
  }
  expect(await failureOf(open(nats, { bucket: 'missing', mustExist: true }))).toMatchObject({
    code: 'KEY_STORE_UNAVAILABLE',
    message: 'the key bucket missing cannot be used: NATS has no such bucket',
  });
  expect(await failureOf(open(nats, { bucket: 'a.b' }))).toBeInstanceOf(TypeError);
});

test('a server that encrypts its disk does not overwrite what is deleted, as docs/personal-data.md says', async () => {
  const blockAfterForget = async (jetStreamConfig: string): Promise<{ before: Buffer; after: Buffer }> => {
    await using nats = await startNats({ jetStreamConfig });
    const block = join(nats.dataDir, 'jetstream', '$G', 'streams', 'KV_keys', 'msgs', '1.blk');
    await using keys = await open(nats);
    for (const subject of ['customer-1', 'customer-2']) await keys.create(subject);
    await until(() => Promise.resolve(readFileSync(block).length > 0));
    const before = readFileSync(block);
    await keys.forget('customer-1');
    expect(await keys.get('customer-1', { fresh: true })).toMatchObject({ key: undefined });
    return { before, after: readFileSync(block) };
  };
  const encrypted = await blockAfterForget('key: "a key for the disk", cipher: aes');
  expect(encrypted.after.subarray(0, encrypted.before.length).equals(encrypted.before)).toBe(true);
  const plain = await blockAfterForget('');
  expect(plain.after.subarray(0, plain.before.length).equals(plain.before)).toBe(false);
});

test('on three servers, too, no file of the bucket has the key; the Raft logs of the servers may, see docs/personal-data.md', async () => {
  await using cluster = await startCluster();
  await using keys = await openKeyBucket({ servers: cluster.urls, bucket: 'keys', replicas: 3 });
  const { bytes } = await keys.create('customer-42');
  const inBlocks = (): string[] =>
    cluster.nodes.flatMap((node) => filesWith(node, bytes)).filter((file) => file.includes('/KV_keys/'));
  await until(() => Promise.resolve(inBlocks().length === 3));
  await keys.forget('customer-42');
  await until(() => Promise.resolve(inBlocks().length === 0));
}, 120_000);

test('a NATS that is away is an error, and later calls succeed when it is back', async () => {
  await using nats = await startNats();
  await using keys = await open(nats);
  const key = await keys.create('customer-42');
  await nats.kill();
  await until(async () => (await failureOf(keys.get('customer-42', { fresh: true }))) instanceof Error);
  for (const call of [keys.get('customer-42', { fresh: true }), keys.create('x'), keys.forget('customer-42')])
    expect(await failureOf(call)).toMatchObject({ name: 'KeyError', code: 'KEY_STORE_UNAVAILABLE' });
  expect(await failureOf(all(keys.list()))).toMatchObject({ code: 'KEY_STORE_UNAVAILABLE' });
  expect(await failureOf(open(nats))).toMatchObject({ code: 'KEY_STORE_UNAVAILABLE' });
  await nats.start();
  await until(() =>
    keys.get('customer-42', { fresh: true }).then(
      (known) => known?.key?.id === key.id,
      () => false,
    ),
  );
});
