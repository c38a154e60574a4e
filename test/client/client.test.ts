import { randomUUID } from 'node:crypto';
import {
  connect,
  type AppendOptions,
  Durability,
  jsonEvent,
  parseJson,
  type NewEvent,
  type RecordedEvent,
  type SluiceClient,
} from '../../src/client/client';
import { version } from '../../src/version';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { all, failureOf } from './outcomes';

/** The client against a real gateway. Streams are named after their test. */
let nats: TestNats;
let gateway: TestGateway;
let client: SluiceClient;
beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  client = connect(gateway.address);
});
afterAll(async () => {
  client.close();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function numbered(count: number, type = 'Counted'): NewEvent[] {
  return Array.from({ length: count }, (_, index) => ({ type, data: `${index + 1}` }));
}

function versions(events: readonly RecordedEvent[]): number[] {
  return events.map((event) => Number(event.version));
}

describe('an event', () => {
  test('is read as it was appended', async () => {
    const given = {
      type: 'Prüfung bestanden',
      data: Uint8Array.of(0, 255, 1, 128),
      contentType: 'application/octet-stream',
      id: randomUUID(),
      correlationId: 'correlation-1',
      causationId: 'cause-1',
      tags: ['b', 'a', 'b'],
      metadata: new Map([
        ['__proto__', 'kept'],
        ['größe', '1 µm 😀'],
      ]),
    };
    const beforeMs = Date.now();
    const stored = await client.append('whole.1', [given], { expectedVersion: 0 });
    const afterMs = Date.now();
    const read = client.readStream('whole.1');
    const [event] = (await all(read)) as [RecordedEvent];
    const { version: found, position, commitTime, commitTimeNanos, stream, data, ...rest } = event;
    expect({ ...rest, data: Uint8Array.from(data as Uint8Array) }).toEqual(given);
    expect({ stream, found, position }).toEqual({ stream: 'whole.1', found: 1n, position: stored.position });
    expect(commitTime.getTime()).toBeGreaterThanOrEqual(beforeMs);
    expect(commitTime.getTime()).toBeLessThanOrEqual(afterMs);
    expect(commitTimeNanos / 1_000_000n).toBe(BigInt(commitTime.getTime()));
    const whole = { firstVersion: 1n, state: 'active' };
    expect(read.head).toEqual({ version: 1n, position, commitTime, commitTimeNanos, ...whole });
  });

  test('needs only a type', async () => {
    await client.append('least.1', [{ type: 'Least' }]);
    const [event] = (await all(client.readStream('least.1'))) as [RecordedEvent];
    expect(event.id).toMatch(uuidV7);
    expect(event).toMatchObject({
      type: 'Least',
      data: undefined,
      contentType: '',
      correlationId: event.id,
      causationId: event.id,
      tags: [],
      metadata: new Map(),
    });
  });

  test('keeps text as text and bytes as bytes, even when they are empty', async () => {
    const bodies = ['', 'text', '\ufeffwith a mark', Uint8Array.of(), new TextEncoder().encode('bytes')];
    await client.append(
      'bodies.1',
      bodies.map((data) => ({ type: 'Body', data })),
    );
    const read = (await all(client.readStream('bodies.1'))).map(({ data }) => data);
    expect(read.slice(0, 3)).toEqual(bodies.slice(0, 3));
    expect(read.slice(3)).toEqual([Buffer.from(''), Buffer.from('bytes')]);
  });

  test('takes metadata as a plain object, and bytes that are part of a larger buffer', async () => {
    const data = new Uint8Array(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2);
    await client.append('plain.1', [{ type: 'Plain', data, metadata: { user: 'u1', forEach: 'x' } }]);
    const [event] = (await all(client.readStream('plain.1'))) as [RecordedEvent];
    expect(event.metadata).toEqual(new Map([['user', 'u1'], ['forEach', 'x']])); // prettier-ignore
    expect(event.data).toEqual(Buffer.of(2, 3));
  });

  test('can be made from a JSON value and read as one', async () => {
    const value = { order: 17, lines: [{ sku: 'a', note: '\ud800' }] };
    const { contentType, ...bytesOnly } = jsonEvent('OrderPlaced', value, { tags: ['t'] });
    expect(contentType).toBe('application/json');
    await client.append('json.1', [
      jsonEvent('OrderPlaced', value, { tags: ['t'] }),
      { ...bytesOnly, data: Buffer.from(bytesOnly.data as string) },
      { type: 'Empty' },
    ]);
    const [asText, asBytes, empty] = (await all(client.readStream('json.1'))) as [
      RecordedEvent,
      RecordedEvent,
      RecordedEvent,
    ];
    expect(asText).toMatchObject({ contentType: 'application/json', tags: ['t'] });
    expect([parseJson(asText), parseJson(asBytes)]).toEqual([value, value]);
    expect(() => parseJson(empty)).toThrow(SyntaxError);
    expect(() => jsonEvent('Nothing', undefined)).toThrow(TypeError);
  });

  test('with text that UTF-8 cannot express is refused, not changed', async () => {
    for (const event of [
      { type: 'Half', data: 'half \ud83d of a pair' },
      { type: 'Half', metadata: { key: '\udc00' } },
      { type: '\ud800' },
    ]) {
      expect(await failureOf(client.append('half.1', [event]))).toBeInstanceOf(TypeError);
    }
    await client.append('half.1', [{ type: 'Whole', data: 'the character \ufffd itself' }]);
    const [event] = (await all(client.readStream('half.1'))) as [RecordedEvent];
    expect(event.data).toBe('the character \ufffd itself');
  });
});

describe('an append', () => {
  test('returns what was stored', async () => {
    const first = await client.append('results.1', numbered(2));
    expect(first).toEqual({
      version: 2n,
      firstVersion: 1n,
      position: expect.any(BigInt) as bigint,
      commitTime: undefined,
      commitTimeNanos: undefined,
      replayed: false,
      commitId: expect.stringMatching(uuidV7) as string,
    });
    const second = await client.append('results.1', numbered(3), {
      expectedVersion: 2n,
      withCommitTime: true,
    });
    expect(second).toMatchObject({ version: 5n, firstVersion: 3n });
    expect(second.position).toBeGreaterThan(first.position);
    const { version: now, position, commitTime, commitTimeNanos } = second;
    expect(await client.getVersion('results.1')).toEqual({
      version: now,
      position,
      commitTime,
      commitTimeNanos,
      firstVersion: 1n,
      state: 'active',
    });
  });

  test('with validateOnly stores nothing, and leaves its commit id for later', async () => {
    const options = { expectedVersion: 0, commitId: randomUUID() };
    const appends = [{ stream: 'validated.1', events: numbered(2), expectedVersion: 0 }];
    const validated = await client.append('validated.1', numbered(2), { ...options, validateOnly: true });
    expect(validated).toMatchObject({ version: 2n, firstVersion: 1n, position: 0n, commitId: '' });
    expect(await client.appendMulti(appends, { validateOnly: true })).toEqual({
      position: 0n,
      streams: [{ stream: 'validated.1', version: 2n, firstVersion: 1n }],
      replayed: false,
      commitId: '',
    });
    expect(await client.getVersion('validated.1')).toMatchObject({ version: 0n });
    expect(await client.append('validated.1', numbered(2), options)).toMatchObject({ replayed: false });
    const late = client.append('validated.1', numbered(1), { expectedVersion: 1, validateOnly: true });
    await expect(late).rejects.toMatchObject({ code: 'VERSION_CONFLICT', actual: 2n });
    await using session = client.appendSession();
    const inSession: AppendOptions = { validateOnly: true };
    await expect(session.append('validated.1', numbered(1), inSession)).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    });
    expect(await client.getVersion('validated.1')).toMatchObject({ version: 2n });
  });

  test('is found by its commit id', async () => {
    const { commitId, position } = await client.append('found.1', numbered(2));
    expect(await client.getCommit(commitId)).toMatchObject({
      position,
      commitTime: expect.any(Date) as Date,
      streams: [{ stream: 'found.1', version: 2n, firstVersion: 1n }],
    });
    expect(await client.getCommit(randomUUID())).toBeUndefined();
    await expect(client.getCommit('x')).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });

  test('that is repeated with its commit id is stored once', async () => {
    const options = { expectedVersion: 0, commitId: randomUUID() };
    const events = numbered(2);
    const first = await client.append('repeated.1', events, options);
    expect(first).toMatchObject({ replayed: false, commitId: options.commitId });
    expect(await client.append('repeated.1', events, options)).toEqual({ ...first, replayed: true });
    expect(await client.getVersion('repeated.1')).toMatchObject({ version: 2n });
  });

  test('without events returns the current version', async () => {
    await client.append('nothing.1', numbered(3));
    const expected = { version: 3n, firstVersion: 0n, replayed: false, commitId: '' };
    expect(await client.append('nothing.1', [], { expectedVersion: 3 })).toMatchObject(expected);
  });
});

describe('a read of a stream', () => {
  beforeAll(async () => {
    for (const type of ['Odd', 'Even', 'Odd', 'Even']) await client.append('part.1', numbered(5, type));
  });

  test.each([
    ['nothing said', {}, [1, 20]],
    ['versions', { fromVersion: 4, toVersion: 17n }, [4, 17]],
    ['after the end', { fromVersion: 21 }, []],
    ['a count', { fromVersion: 3n, maxCount: 4 }, [3, 6]],
    ['backward', { direction: 'backward' }, [20, 1]],
    ['backward with versions', { direction: 'backward', fromVersion: 9, toVersion: 2 }, [9, 2]],
    ['any replica', { consistency: 'anyReplica', maxCount: 2n }, [1, 2]],
    ['small pages', { page: { eventsMax: 1, bytesMax: 1 } }, [1, 20]],
    ['types', { eventTypes: ['Even', 'None'], maxCount: 5 }, [6, 10]],
  ] as const)('with %s', async (_name, options, range) => {
    const [first, last] = range;
    const expected =
      first === undefined
        ? []
        : Array.from({ length: Math.abs(last - first) + 1 }, (_, i) =>
            first < last ? first + i : first - i,
          );
    const read = client.readStream('part.1', options);
    expect(versions(await all(read))).toEqual(expected);
    expect(read.head.version).toBe(20n);
  });

  test('by times finds commits to the nanosecond, and by Date to the millisecond', async () => {
    const events = await all(client.readStream('part.1'));
    const { commitTime, commitTimeNanos: fromTime } = events[5] as RecordedEvent;
    const toTime = (events[14] as RecordedEvent).commitTimeNanos;
    const between = await all(client.readStream('part.1', { fromTime, toTime }));
    expect(versions(between)).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    const after = await all(client.readStream('part.1', { fromTime: toTime + 1n }));
    expect(versions(after)).toEqual([16, 17, 18, 19, 20]);
    const byDate = await all(client.readStream('part.1', { fromTime: commitTime }));
    expect(versions(byDate)).toEqual(expect.arrayContaining([6, 20]));
    expect(await client.getVersion('part.1', { asOf: fromTime })).toMatchObject({ version: 10n });
    expect(await client.getVersion('part.1', { asOf: fromTime - 1n })).toMatchObject({ version: 5n });
    expect(await client.getVersion('part.1', { asOf: new Date(0) })).toMatchObject({ version: 0n });
  });

  test('that does not exist has no events and is at version 0', async () => {
    const read = client.readStream('missing.1');
    expect(await all(read)).toEqual([]);
    const none = { commitTime: undefined, commitTimeNanos: undefined, firstVersion: 0n, state: undefined };
    const nothing = { version: 0n, position: 0n, ...none };
    expect(read.head).toEqual(nothing);
    expect(await client.getVersion('missing.1')).toEqual(nothing);
  });

  test('knows its head from the first event on, and each loop is a new call', async () => {
    await client.append('again.1', numbered(2));
    const read = client.readStream('again.1');
    expect(() => read.head).toThrow('head');
    for await (const event of read) {
      expect([event.version, read.head.version]).toEqual([1n, 2n]);
      break;
    }
    await client.append('again.1', numbered(1));
    expect(versions(await all(read))).toEqual([1, 2, 3]);
    expect(read.head.version).toBe(3n);
  });

  test('of many events has all of them in order', async () => {
    for (let commit = 0; commit < 25; commit++) await client.append('many.1', numbered(1_000));
    let expected = 0n;
    for await (const event of client.readStream('many.1')) expect(event.version).toBe(++expected);
    expect(expected).toBe(25_000n);
  });
});

test('a read by correlation finds events over all streams', async () => {
  const correlationId = 'business-1';
  const positions: bigint[] = [];
  for (const stream of ['correlated.1', 'correlated.2', 'correlated.1']) {
    const events = [{ type: 'Foreign' }, { type: 'Ours', correlationId }];
    positions.push((await client.append(stream, events)).position);
  }
  const read = client.readByCorrelation(correlationId);
  const events = await all(read);
  expect(events.map(({ position }) => position)).toEqual(positions);
  expect(events.every((event) => event.type === 'Ours' && event.version % 2n === 0n)).toBe(true);
  expect(read.head.position).toBeGreaterThanOrEqual(positions.at(-1) as bigint);
  expect(await all(client.readByCorrelation(correlationId, { maxCount: 2 }))).toEqual(events.slice(0, 2));
  expect(await all(client.readByCorrelation(correlationId, { eventTypes: ['Foreign'] }))).toEqual([]);
  expect(await all(client.readByCorrelation('unknown'))).toEqual([]);
});

test('a listing has names in order with their versions', async () => {
  const heads = [];
  for (const [count, stream] of ['listed.a', 'listed.b', 'listed.b.c'].entries()) {
    await client.append(stream, numbered(count + 1));
    heads.push({ stream, ...(await client.getVersion(stream)), unreadable: false, hasControls: false });
  }
  expect(await all(client.listStreams({ pattern: 'listed.>' }))).toEqual(heads);
  expect(await all(client.listStreams({ pattern: 'listed.*', maxCount: 1 }))).toEqual(heads.slice(0, 1));
  expect(await all(client.listStreams({ pattern: 'listed.>', after: 'listed.a' }))).toEqual(heads.slice(1));
  const names = (await all(client.listStreams())).map(({ stream }) => stream);
  expect(names).toEqual(expect.arrayContaining(['listed.a', 'listed.b', 'listed.b.c']));
});

test('the server info is that of the gateway', async () => {
  const { position } = await client.append('info.1', numbered(1));
  await until(async () => ((await client.serverInfo()).store?.position ?? 0n) >= position);
  const info = await client.serverInfo();
  expect(info.version).toBe(version);
  expect(info.store).toMatchObject({ name: 'EVENTS', durability: Durability.UNSPECIFIED, embedded: false });
  expect(info.limits?.appendEventsMax).toBe(10_000);
  expect(info.features).toContain('append');
});
