import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKeyBucket } from '../../src/keys/key-bucket';
import { KeyError } from '../../src/keys/key-error';
import { openKeyFolder } from '../../src/keys/key-folder';
import type { KeyStoreOptions } from '../../src/keys/record-store';
import type { KeyStore } from '../../src/keys/key-store';
import { all, failureOf } from '../client/outcomes';
import { startNats, type TestNats } from '../support/nats-server';

/** What every key store promises, of the two that there are. */
const folder = mkdtempSync(join(tmpdir(), 'sluice-keys-'));
let nats: TestNats;
beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

type Open = (name: string, options?: KeyStoreOptions) => Promise<KeyStore>;

const stores: readonly (readonly [name: string, open: Open])[] = [
  ['a folder', (name, options) => openKeyFolder(join(folder, name), options)],
  ['a bucket', (name, options) => openKeyBucket({ servers: [nats.url], bucket: name, ...options })],
];

describe.each(stores)('%s', (_, open) => {
  const name = randomUUID;

  test('gives a subject one key, and keeps it', async () => {
    const store = name();
    await using keys = await open(store);
    const key = await keys.create('customer-42');
    expect(key.bytes).toHaveLength(32);
    expect(await keys.create('customer-42')).toEqual(key);
    expect((await keys.create('customer-43')).bytes).not.toEqual(key.bytes);
    expect(await keys.get('customer-42')).toEqual({ subject: 'customer-42', key, forgotten: [] });
    await using again = await open(store);
    expect(await again.create('customer-42')).toEqual(key);
  });

  test('knows a subject that it has never seen from one that was forgotten', async () => {
    await using keys = await open(name());
    expect(await keys.get('nobody')).toBeUndefined();
    expect(await keys.describe('nobody')).toBeUndefined();
    expect(await keys.forget('nobody')).toBeUndefined();
    expect(await keys.get('nobody')).toBeUndefined();
    const { id } = await keys.create('somebody');
    await keys.forget('somebody');
    expect(await keys.get('somebody')).toMatchObject({ key: undefined, forgotten: [{ id }] });
  });

  test('forgets a key, also for others and repeatedly, and gives another one after that', async () => {
    const store = name();
    await using keys = await open(store);
    await using others = await open(store);
    const first = await keys.create('customer-42');
    expect(await others.get('customer-42')).toMatchObject({ key: first });
    const forgotten = await keys.forget('customer-42');
    expect(forgotten).toMatchObject({
      subject: 'customer-42',
      key: undefined,
      forgotten: [{ id: first.id }],
    });
    expect(await keys.forget('customer-42')).toEqual(forgotten);
    expect(await others.forget('customer-42')).toEqual(forgotten);
    const second = await others.create('customer-42');
    expect(second.id).not.toBe(first.id);
    expect(second.bytes).not.toEqual(first.bytes);
    expect(await keys.get('customer-42')).toMatchObject({ key: second, forgotten: [{ id: first.id }] });
    await keys.forget('customer-42');
    const third = await keys.create('customer-42');
    expect((await keys.get('customer-42'))?.forgotten.map(({ id }) => id)).toEqual([first.id, second.id]);
    expect(await others.get('customer-42', { fresh: true })).toMatchObject({ key: third });
  });

  test('returns what it has seen for some seconds, unless it is asked for what is there now', async () => {
    const store = name();
    await using keys = await open(store);
    await using others = await open(store);
    const key = await keys.create('customer-42');
    expect(await others.get('customer-42')).toMatchObject({ key });
    await keys.forget('customer-42');
    expect(await others.get('customer-42')).toMatchObject({ key });
    const now = performance.now.bind(performance);
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + 10_000);
    try {
      expect(await others.get('customer-42')).toMatchObject({ key: undefined });
    } finally {
      clock.mockRestore();
    }
    expect(await keys.get('customer-42')).toMatchObject({ key: undefined });
    expect(await others.get('customer-42', { fresh: true })).toMatchObject({ key: undefined });
  });

  test('gives all writers the same key, while others forget it', async () => {
    const store = name();
    const all = await Promise.all(Array.from({ length: 4 }, () => open(store)));
    for (let round = 0; round < 20; round++) {
      const created = await Promise.all(all.map((keys) => keys.create('customer-42')));
      expect(new Set(created.map(({ id }) => id)).size).toBe(1);
      expect(new Set(created.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).size).toBe(1);
      const [one, two, three] = all as [KeyStore, KeyStore, KeyStore];
      const before = created[0]?.id ?? '';
      const [, , again] = await Promise.all([
        one.forget('customer-42'),
        two.forget('customer-42'),
        three.create('customer-42'),
      ]);
      const after = await three.get('customer-42', { fresh: true });
      expect(after?.forgotten.map(({ id }) => id)).toContain(before);
      // It got the key that was about to be forgotten, or the next one, which may be forgotten as well.
      const known = [after?.key?.id, ...(after?.forgotten ?? []).map(({ id }) => id)];
      expect(known).toContain(again.id);
    }
    await Promise.all(all.map((keys) => keys.close()));
  });

  test('lists all subjects, without their keys', async () => {
    await using keys = await open(name());
    expect(await all(keys.list())).toEqual([]);
    const subjects = Array.from({ length: 70 }, (_, index) => `customer-${index}`);
    const created = await Promise.all(subjects.map((subject) => keys.create(subject)));
    await keys.forget('customer-3');
    const listed = await all(keys.list());
    expect(listed.map(({ subject }) => subject).sort()).toEqual(subjects.sort());
    const find = (subject: string) => listed.find((one) => one.subject === subject);
    const [first] = created;
    expect(find('customer-0')).toEqual({
      subject: 'customer-0',
      key: { id: first?.id, createTime: first?.createTime },
      forgotten: [],
    });
    expect(find('customer-3')).toMatchObject({ key: undefined, forgotten: [{ id: created[3]?.id }] });
    expect(await keys.describe('customer-0')).toEqual(find('customer-0'));
  });

  test('tells subjects apart by case, and takes every visible ASCII character', async () => {
    await using keys = await open(name());
    const subjects = ['a', 'A', '../..', '*.>', '!"#$%&\'()+,-/:;<=?@[]^_`{|}~', 'x'.repeat(128)];
    const created = await Promise.all(subjects.map((subject) => keys.create(subject)));
    expect(new Set(created.map(({ id }) => id)).size).toBe(subjects.length);
    for (const subject of ['', 'a b', 'ä', 'a\n', 'x'.repeat(129), undefined as unknown as string]) {
      for (const call of [keys.create(subject), keys.get(subject), keys.forget(subject)])
        expect(await failureOf(call)).toBeInstanceOf(TypeError);
    }
  });

  test('wraps keys by a master key, without which they can be forgotten but not used', async () => {
    const store = name();
    const masterKey = randomBytes(32);
    await using keys = await open(store, { masterKey });
    const key = await keys.create('customer-42');
    await using same = await open(store, { masterKey });
    expect(await same.get('customer-42')).toMatchObject({ key });
    for (const options of [{}, { masterKey: randomBytes(32) }]) {
      await using locked = await open(store, options);
      for (const call of [locked.get('customer-42'), locked.create('customer-42')])
        expect(await failureOf(call)).toMatchObject({ name: 'KeyError', code: 'KEY_STORE_LOCKED' });
      expect(await locked.describe('customer-42')).toMatchObject({ key: { id: key.id } });
      expect(await all(locked.list())).toHaveLength(1);
    }
    await using locked = await open(store);
    expect(await locked.forget('customer-42')).toMatchObject({ forgotten: [{ id: key.id }] });
    expect(await failureOf(open(store, { masterKey: randomBytes(16) }))).toBeInstanceOf(TypeError);
  });

  test('bounds how often a subject gets another key, but not the last time that it is forgotten', async () => {
    await using keys = await open(name());
    for (let count = 0; count < 100; count++) {
      await keys.create('customer-42');
      await keys.forget('customer-42');
    }
    const failure = await failureOf(keys.create('customer-42'));
    expect(failure).toBeInstanceOf(KeyError);
    expect(failure).toMatchObject({ code: 'KEY_LIMIT_REACHED' });
    expect((await keys.describe('customer-42'))?.forgotten).toHaveLength(100);
  });
});
