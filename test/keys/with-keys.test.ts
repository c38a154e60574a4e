import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CancelledError,
  CommitIdReuseError,
  connect,
  jsonEvent,
  parseJson,
  VersionConflictError,
  type NewEvent,
  type RecordedEvent,
  type SluiceClient,
} from '../../src/client/client';
import { KeyError, openKeyFolder, withKeys, type KeyStore } from '../../src/keys/keys';
import { all, failureOf, withCursors } from '../client/outcomes';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';

/** A client with keys against a real gateway. Streams and subjects are named after their test. */
const folder = mkdtempSync(join(tmpdir(), 'sluice-with-keys-'));
let nats: TestNats;
let gateway: TestGateway;
let plain: SluiceClient;
let keys: KeyStore;
let client: SluiceClient;
beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  plain = connect(gateway.address);
  keys = await openKeyFolder(join(folder, 'keys'));
  client = withKeys(plain, keys);
});
afterAll(async () => {
  client.close();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const registered = (encryptFor: string): NewEvent => ({
  ...jsonEvent('Registered', { name: 'Ada' }),
  encryptFor,
});

async function only(events: AsyncIterable<RecordedEvent>): Promise<RecordedEvent> {
  const [event, ...more] = await all(events);
  if (event === undefined || more.length > 0) throw new Error(`${more.length + 1} events were found`);
  return event;
}

describe('an event with a subject', () => {
  test('is encrypted in the store, and read as it was appended', async () => {
    const given: NewEvent = {
      type: 'Prüfung bestanden',
      data: 'Name: Ada Lovelace 😀',
      contentType: 'text/plain; charset=utf-8',
      id: randomUUID(),
      correlationId: 'whole-1',
      causationId: 'cause-1',
      tags: ['b', 'a'],
      metadata: { größe: '1 µm' },
    };
    await client.append('whole.1', [{ ...given, encryptFor: 'whole-1' }]);
    const { encryptedFor, ...event } = await only(client.readStream('whole.1'));
    expect(encryptedFor).toBe('whole-1');
    expect(event).toMatchObject({ ...given, metadata: new Map(Object.entries(given.metadata ?? {})) });
    const stored = await only(plain.readStream('whole.1'));
    expect(stored).toMatchObject({
      id: given.id,
      type: given.type,
      contentType: 'application/vnd.sluice.encrypted',
      tags: given.tags,
      metadata: new Map([
        ['größe', '1 µm'],
        ['sluice-encryption', '1'],
        ['sluice-key-subject', 'whole-1'],
        ['sluice-key-id', (await keys.get('whole-1'))?.key?.id],
        ['sluice-payload-kind', 'text'],
        ['sluice-content-type', 'text/plain; charset=utf-8'],
      ]),
    });
    expect(Buffer.from(stored.data as Uint8Array).toString('latin1')).not.toMatch(/Ada|Lovelace/);
  });

  test('may have bytes, an empty payload, or none, which stays as it is', async () => {
    const payloads = [Uint8Array.of(0, 255), '', new Uint8Array(0), undefined];
    await client.append(
      'kinds.1',
      payloads.map((data) => ({ type: 'Noted', data, encryptFor: 'kinds-1' })),
    );
    const events = await all(client.readStream('kinds.1'));
    expect(events.map(({ data }) => (data instanceof Uint8Array ? Uint8Array.from(data) : data))).toEqual(
      payloads,
    );
    expect(events.map(({ encryptedFor }) => encryptedFor)).toEqual([
      'kinds-1',
      'kinds-1',
      'kinds-1',
      undefined,
    ]);
    expect(events.map(({ contentType }) => contentType)).toEqual(['', '', '', '']);
  });

  test('stands beside others in a commit, with a subject from `subjectOf` or of its own', async () => {
    const byStream = withKeys(plain, keys, {
      subjectOf: ({ type }, stream) => (type === 'Open' ? undefined : stream.replace('.', '-')),
    });
    const data = 'x';
    await byStream.append('subjects.1', [
      { type: 'Secret', data },
      { type: 'Open', data },
      { type: 'Secret', data, encryptFor: 'another' },
    ]);
    const events = await all(client.readStream('subjects.1'));
    expect(events.map(({ encryptedFor }) => encryptedFor)).toEqual(['subjects-1', undefined, 'another']);
    expect(events.map((event) => event.data)).toEqual(['x', 'x', 'x']);
  });

  test('is not changed by what the caller does with its bytes meanwhile', async () => {
    const data = Buffer.from('before');
    const appended = client.append('copied.1', [{ type: 'Noted', data, encryptFor: 'copied-1' }]);
    data.write('after!');
    await appended;
    expect(Buffer.from((await only(client.readStream('copied.1'))).data as Uint8Array).toString()).toBe(
      'before',
    );
  });

  test('is refused by a client without keys, and with a name or metadata that cannot be', async () => {
    const before = (await plain.getVersion('refused.1')).version;
    const refused = [
      plain.append('refused.1', [registered('refused-1')]),
      plain.appendMulti([{ stream: 'refused.1', events: [registered('refused-1')] }]),
      client.append('refused.1', [registered('not a name')]),
      client.append('refused.1', [registered('')]),
      client.append('refused.1', [{ ...registered('x'), metadata: { 'sluice-key-id': 'y' } }]),
      client.append('refused.1', [{ type: 'Noted', data: '\ud800', encryptFor: 'refused-1' }]),
    ];
    for (const call of refused) expect(await failureOf(call)).toBeInstanceOf(TypeError);
    expect((await plain.getVersion('refused.1')).version).toBe(before);
  });

  test('fails as it does without keys', async () => {
    await client.append('conflict.1', [registered('conflict-1')]);
    const again = client.append('conflict.1', [registered('conflict-1')], { expectedVersion: 0 });
    expect(await failureOf(again)).toBeInstanceOf(VersionConflictError);
    const reason = new Error('enough');
    const aborted = client.append('conflict.1', [registered('conflict-1')], {
      signal: AbortSignal.abort(reason),
    });
    expect(await failureOf(aborted)).toBe(reason);
    expect((await plain.getVersion('conflict.1')).version).toBe(1n);
  });
});

describe('every way to read', () => {
  const stream = 'ways.1';
  const correlationId = 'ways-1';
  const decrypted = { encryptedFor: 'ways-1', data: '{"name":"Ada"}', contentType: 'application/json' };
  const forgotten = {
    encryptedFor: 'ways-1',
    forgotten: true,
    data: undefined,
    contentType: 'application/json',
  };

  beforeAll(async () => {
    await client.append(stream, [{ ...registered('ways-1'), correlationId }]);
    await client.appendMulti([{ stream, events: [{ ...registered('ways-1'), correlationId }] }]);
    await using session = client.appendSession();
    await session.append(stream, [{ ...registered('ways-1'), correlationId }]);
  });

  const ways: readonly (readonly [string, () => Promise<RecordedEvent[]>])[] = [
    ['readStream', () => all(client.readStream(stream))],
    ['readStream backward', () => all(client.readStream(stream, { direction: 'backward' }))],
    ['readAll', () => all(client.readAll({ patterns: [stream] }))],
    ['readByCorrelation', () => all(client.readByCorrelation(correlationId))],
    [
      'subscribe',
      async () => {
        const events: RecordedEvent[] = [];
        for await (const event of client.subscribe({ stream })) if (events.push(event) === 3) break;
        return events;
      },
    ],
    [
      'consume',
      async () => {
        const group = randomUUID();
        const [events, stop]: [RecordedEvent[], AbortController] = [[], new AbortController()];
        await client.groups.create(group, { settings: { patterns: [stream] } });
        await client.consume(group, (event) => void events.push(event), {
          stop: stop.signal,
          onCaughtUp: () => {
            stop.abort();
          },
        });
        return events;
      },
    ],
    [
      'listParked, and onFailed',
      async () => {
        const group = randomUUID();
        const [failed, stop]: [RecordedEvent[], AbortController] = [[], new AbortController()];
        const settings = { patterns: [stream], attemptsMax: 1, parkFollowing: true };
        await client.groups.create(group, { settings });
        const fail = (): never => {
          throw new Error('no');
        };
        const onFailed = (_: unknown, event: RecordedEvent): void => void failed.push(event);
        await client.consume(group, fail, {
          stop: stop.signal,
          onFailed,
          onCaughtUp: () => {
            stop.abort();
          },
        });
        const parked = await all(client.groups.listParked(group, { withEvents: true }));
        expect(failed.slice(0, 1)).toEqual(parked.slice(0, 1).map(({ event }) => event));
        expect((await all(client.groups.listParked(group))).map(({ event }) => event)).toEqual([
          undefined,
          undefined,
          undefined,
        ]);
        return parked.flatMap(({ event }) => event ?? []);
      },
    ],
  ];

  test.each(ways)('%s decrypts', async (_, read) => {
    const events = await read();
    expect(events).toMatchObject([decrypted, decrypted, decrypted]);
    expect(events.map((event) => [...event.metadata.keys()])).toEqual([[], [], []]);
  });

  describe('after the subject was forgotten', () => {
    beforeAll(async () => {
      await keys.forget('ways-1');
    });

    test.each(ways)('%s says so', async (_, read) => {
      expect(await read()).toMatchObject([forgotten, forgotten, forgotten]);
    });

    test('an event without data is not JSON', async () => {
      const [event] = await all(client.readStream(stream));
      expect(() => parseJson(event as RecordedEvent)).toThrow(SyntaxError);
    });

    test('new events have a new key, and the old ones stay forgotten', async () => {
      await client.append('ways.2', [registered('ways-1')]);
      expect(await only(client.readStream('ways.2'))).toMatchObject(decrypted);
      expect(await all(client.readStream(stream))).toMatchObject([forgotten, forgotten, forgotten]);
      await keys.forget('ways-1');
      expect(await only(client.readStream('ways.2'))).toMatchObject(forgotten);
    });
  });
});

describe('a repeated append', () => {
  test('with a commit id is a replay, with and without event ids', async () => {
    for (const id of [undefined, randomUUID()]) {
      const stream = `repeated.${id === undefined ? 1 : 2}`;
      const commitId = randomUUID();
      const append = (name: string): Promise<{ replayed: boolean }> => {
        const event = { ...jsonEvent('Registered', { name }), id, encryptFor: 'repeated-1' };
        return withKeys(plain, keys).append(stream, [event, { ...event, id: undefined }], { commitId });
      };
      expect((await append('Ada')).replayed).toBe(false);
      expect((await append('Ada')).replayed).toBe(true);
      expect(await failureOf(append('Eva'))).toBeInstanceOf(CommitIdReuseError);
      expect(await all(client.readStream(stream))).toHaveLength(2);
    }
  });

  test('of several streams, and of a session, is a replay', async () => {
    const commitId = randomUUID();
    const append = () =>
      client.appendMulti(
        ['repeated.3', 'repeated.4'].map((stream) => ({ stream, events: [registered('repeated-1')] })),
        { commitId },
      );
    expect([(await append()).replayed, (await append()).replayed]).toEqual([false, true]);
    await using session = client.appendSession();
    const inSession = { commitId: randomUUID() };
    const twice = [1, 2].map(() => session.append('repeated.5', [registered('repeated-1')], inSession));
    expect((await Promise.all(twice)).map(({ replayed }) => replayed)).toEqual([false, true]);
  });

  test('with another payload never has the nonce of the first', async () => {
    const id = randomUUID();
    for (const [stream, name] of [
      ['nonces.1', 'Ada'],
      ['nonces.1', 'Eva'],
      ['nonces.2', 'Ada'],
    ] as const)
      await client.append(stream, [{ type: 'Named', data: name, id, encryptFor: 'nonces-1' }]);
    const stored = [
      ...(await all(plain.readStream('nonces.1'))),
      ...(await all(plain.readStream('nonces.2'))),
    ];
    const nonces = stored.map(({ data }) =>
      Buffer.from(data as Uint8Array)
        .subarray(0, 12)
        .toString('hex'),
    );
    expect(new Set(nonces).size).toBe(3);
  });
});

describe('an event that cannot be decrypted', () => {
  async function copied(from: string, to: string, change: Partial<NewEvent>): Promise<unknown> {
    const { id, type, data, contentType, metadata } = await only(plain.readStream(from));
    await plain.append(to, [{ id, type, data, contentType, metadata, ...change }]);
    return failureOf(all(client.readStream(to)));
  }

  test('was moved or changed: an error with its place', async () => {
    await client.append('moved.1', [registered('moved-1')]);
    const stored = await only(plain.readStream('moved.1'));
    const bytes = Buffer.from(stored.data as Uint8Array);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    const metadata = (key: string, value: string) => ({
      metadata: new Map([...stored.metadata, [key, value]]),
    });
    const changes: [string, Partial<NewEvent>][] = [
      ['moved.2', {}],
      ['moved.3', { data: bytes }],
      ['moved.4', { data: bytes.subarray(0, 10) }],
    ];
    for (const [stream, change] of changes) {
      const failure = await copied('moved.1', stream, change);
      expect(failure).toBeInstanceOf(KeyError);
      expect(failure).toMatchObject({
        code: 'DECRYPTION_FAILED',
        event: { stream, version: 1n },
        message: expect.stringContaining(`event 1 of ${stream}: `) as string,
      });
    }
    const marked: [string, Partial<NewEvent>, string][] = [
      ['moved.5', metadata('sluice-encryption', '2'), 'ENVELOPE_INVALID'],
      ['moved.6', metadata('sluice-key-subject', 'not a name'), 'ENVELOPE_INVALID'],
      ['moved.7', metadata('sluice-payload-kind', 'image'), 'ENVELOPE_INVALID'],
      ['moved.8', { data: 'text' }, 'ENVELOPE_INVALID'],
      ['moved.9', { metadata: {} }, 'ENVELOPE_INVALID'],
      ['moved.10', metadata('sluice-key-id', ''), 'ENVELOPE_INVALID'],
      ['moved.11', metadata('sluice-key-id', randomUUID()), 'KEY_UNKNOWN'],
      ['moved.12', metadata('sluice-key-subject', 'nobody'), 'KEY_UNKNOWN'],
    ];
    for (const [stream, change, code] of marked)
      expect(await copied('moved.1', stream, change)).toMatchObject({ code, event: { stream } });
    // Every field that identifies the event, in its own stream.
    for (const change of [
      { id: randomUUID() },
      { type: 'Other' },
      metadata('sluice-payload-kind', 'binary'),
      metadata('sluice-content-type', 'text/plain'),
    ]) {
      const stream = `moved.${randomUUID()}`;
      await client.append(stream, [registered('moved-1')]);
      await copied(stream, stream, { id: randomUUID(), ...change }).catch(() => undefined);
      const events = client.readStream(stream, { fromVersion: 2 });
      expect(await failureOf(all(events))).toMatchObject({ code: 'DECRYPTION_FAILED' });
    }
  });

  test('has its key in another key store: an error, and not forgotten', async () => {
    await client.append('foreign.1', [registered('foreign-1')]);
    await using foreign = await openKeyFolder(join(folder, 'foreign'));
    const other = withKeys(plain, foreign);
    expect(await failureOf(all(other.readStream('foreign.1')))).toMatchObject({ code: 'KEY_UNKNOWN' });
    // It knows the subject, and has even forgotten a key of it.
    await foreign.create('foreign-1');
    await foreign.forget('foreign-1');
    await foreign.create('foreign-1');
    expect(await failureOf(all(other.readStream('foreign.1')))).toMatchObject({ code: 'KEY_UNKNOWN' });
  });

  test('is not skipped by a subscription, nor by the cursor of a read', async () => {
    const key = await keys.create('later-1');
    await client.append('later.1', [{ type: 'Noted', data: '1' }, registered('later-1')]);
    await client.append('later.1', [{ type: 'Noted', data: '3' }]);
    let fails = true;
    const failing: KeyStore = {
      ...keys,
      create: () => Promise.resolve(key),
      get: (subject, options) => {
        if (fails) return Promise.reject(new KeyError('KEY_STORE_UNAVAILABLE', 'the key store is away'));
        return keys.get(subject, options);
      },
    };
    const other = withKeys(plain, failing);
    const subscription = other.subscribe({ patterns: ['later.*'] });
    const seen: bigint[] = [];
    const follow = async (): Promise<void> => {
      for await (const { version } of subscription) if (seen.push(version) === 3) break;
    };
    expect(await failureOf(follow())).toMatchObject({
      code: 'KEY_STORE_UNAVAILABLE',
      event: { version: 2n },
    });
    const at = subscription.cursor;
    expect(await failureOf(follow())).toMatchObject({ code: 'KEY_STORE_UNAVAILABLE' });
    expect(subscription.cursor).toBe(at);
    const read = other.readAll({ patterns: ['later.*'] });
    expect(await failureOf(withCursors(read))).toMatchObject({ code: 'KEY_STORE_UNAVAILABLE' });
    fails = false;
    const rest = await all(other.readAll({ patterns: ['later.*'], after: read.cursor }));
    expect(rest.map(({ version }) => version)).toEqual([2n, 3n]);
    await follow();
    expect(seen).toEqual([1n, 2n, 3n]);
    const resumed = other.subscribe({ patterns: ['later.*'], after: at });
    for await (const { version } of resumed) {
      expect(version).toBe(2n);
      break;
    }
  });

  test('is retried by a group', async () => {
    const group = randomUUID();
    await client.append('retried.1', [registered('retried-1')]);
    await client.groups.create(group, { settings: { patterns: ['retried.*'], backoffMinMs: 100 } });
    let attempts = 0;
    const failing: KeyStore = {
      ...keys,
      get: (subject, options) =>
        ++attempts < 3
          ? Promise.reject(new KeyError('KEY_STORE_UNAVAILABLE', 'the key store is away'))
          : keys.get(subject, options),
    };
    const [stop, failures, seen]: [AbortController, unknown[], RecordedEvent[]] = [
      new AbortController(),
      [],
      [],
    ];
    await withKeys(plain, failing).consume(
      group,
      (event) => {
        seen.push(event);
        stop.abort();
      },
      { stop: stop.signal, onFailed: (error) => failures.push(error) },
    );
    expect(failures).toMatchObject([{ code: 'KEY_STORE_UNAVAILABLE' }, { code: 'KEY_STORE_UNAVAILABLE' }]);
    expect(seen).toMatchObject([{ encryptedFor: 'retried-1', data: '{"name":"Ada"}' }]);
  });
});

describe('a session', () => {
  test('stores in the order of the calls, however long the keys take', async () => {
    let calls = 0;
    const slow: KeyStore = {
      ...keys,
      get: keys.get.bind(keys),
      // The first ones take the longest.
      create: async (subject) => {
        const key = await keys.create(subject);
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, 50 - 5 * calls++)));
        return key;
      },
    };
    await using session = withKeys(plain, slow).appendSession();
    const results = Array.from({ length: 20 }, async (_, index) => {
      await session.ready();
      return session.append('ordered.1', [
        { type: 'Counted', data: `${index + 1}`, encryptFor: `ordered-${index}` },
      ]);
    });
    await Promise.all(results);
    const events = await all(client.readStream('ordered.1'));
    expect(events.map(({ data }) => Number(data))).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  });

  test('goes on after an append that could not be encrypted, unless it is in order', async () => {
    for (const inOrder of [false, true]) {
      const stream = `broken.${inOrder ? 1 : 2}`;
      await using session = client.appendSession({ inOrder });
      const [first, second, third] = ['broken-1', 'not a name', 'broken-1'].map((subject) =>
        session.append(stream, [registered(subject)]),
      );
      expect((await first)?.version).toBe(1n);
      expect(await failureOf(second as Promise<unknown>)).toBeInstanceOf(TypeError);
      if (inOrder) {
        const failure = await failureOf(third as Promise<unknown>);
        expect(failure).toBeInstanceOf(CancelledError);
        expect((failure as CancelledError).cause).toBeInstanceOf(TypeError);
      } else expect((await third)?.version).toBe(2n);
    }
  });

  test('has a bounded number of appends that wait for keys', async () => {
    const never: KeyStore = { ...keys, create: () => new Promise(() => undefined) };
    const session = withKeys(plain, never).appendSession({ pendingMax: 3 });
    const waiting = Array.from({ length: 3 }, () => session.append('bounded.1', [registered('bounded-1')]));
    for (const one of waiting) one.catch(() => undefined);
    expect(await failureOf(session.append('bounded.1', [registered('bounded-1')]))).toMatchObject({
      code: 'OVERLOADED',
    });
  });
});

test('other calls, and their errors, are those of the client', async () => {
  await client.append('others.1', [registered('others-1')]);
  expect((await client.getVersion('others.1')).version).toBe(1n);
  expect((await all(client.listStreams({ pattern: 'others.*' }))).map(({ stream }) => stream)).toEqual([
    'others.1',
  ]);
  expect((await client.serverInfo()).version).toBe((await plain.serverInfo()).version);
  const read = client.readStream('others.1');
  expect(() => read.head).toThrow('the head of a read');
  await all(read);
  expect(read.head.version).toBe(1n);
  expect(await failureOf(client.groups.get('missing'))).toMatchObject({ code: 'GROUP_NOT_FOUND' });
});
