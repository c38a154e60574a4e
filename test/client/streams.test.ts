import { connect, StreamError, type SluiceClient } from '../../src/client/client';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { all, failureOf } from './outcomes';

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

const events = (count: number): { type: string }[] => Array.from({ length: count }, () => ({ type: 'A' }));

test('a truncated stream begins later, and its head says where', async () => {
  await client.append('cut.1', events(5));
  const commitId = '0190f3a1-7777-7000-8000-000000000001';
  const { stream, ...done } = await client.streams.truncate('cut.1', 4, { expectedVersion: 5, commitId });
  expect(done).toEqual({ changed: true, replayed: false, commitId });
  expect(stream).toMatchObject({
    stream: 'cut.1',
    state: 'active',
    version: 5n,
    firstVersion: 4n,
    truncatedBefore: 4n,
    retention: { maxCount: undefined, maxAgeMs: undefined },
  });
  expect(await client.streams.get('cut.1')).toEqual(stream);
  const read = client.readStream('cut.1');
  expect((await all(read)).map(({ version }) => version)).toEqual([4n, 5n]);
  expect(read.head).toMatchObject({ version: 5n, firstVersion: 4n, state: 'active' });
  expect(await client.streams.truncate('cut.1', 4, { commitId })).toMatchObject({ replayed: true });
  expect(await client.streams.truncate('cut.1', 2)).toMatchObject({ changed: false, commitId: '' });
});

test('a retention is replaced, and taken away', async () => {
  await client.append('kept.1', events(5));
  const kept = await client.streams.setRetention('kept.1', { maxCount: 2, maxAgeMs: 1_500 });
  expect(kept.stream).toMatchObject({ firstVersion: 4n, retention: { maxCount: 2n, maxAgeMs: 1_500 } });
  const without = await client.streams.setRetention('kept.1', {});
  expect(without.stream).toMatchObject({ firstVersion: 1n, retention: { maxCount: undefined } });
});

test('deleted and tombstoned streams are listed on demand, and the latter take no more events', async () => {
  for (const name of ['gone.1', 'gone.2', 'gone.3']) await client.append(name, events(2));
  await client.streams.delete('gone.1');
  await client.streams.tombstone('gone.2');
  const list = async (includeDeleted: boolean): Promise<unknown[]> => {
    const found = [];
    for await (const one of client.listStreams({ pattern: 'gone.*', includeDeleted }))
      found.push([one.stream, one.version, one.state, one.hasControls]);
    return found;
  };
  expect(await list(false)).toEqual([['gone.3', 2n, 'active', false]]);
  expect(await list(true)).toEqual([
    ['gone.1', 2n, 'deleted', true],
    ['gone.2', 2n, 'tombstoned', true],
    ['gone.3', 2n, 'active', false],
  ]);
  expect(await client.append('gone.1', events(1), { expectedVersion: 2 })).toMatchObject({
    firstVersion: 3n,
  });
  const session = client.appendSession();
  const calls = [
    client.append('gone.2', events(1)),
    client.appendMulti([{ stream: 'gone.2', events: events(1) }]),
    session.append('gone.2', events(1)),
    client.streams.delete('gone.2'),
  ];
  for (const error of await Promise.all(calls.map(failureOf))) {
    expect(error).toBeInstanceOf(StreamError);
    expect(error).toMatchObject({ code: 'STREAM_TOMBSTONED', stream: 'gone.2', status: 9 });
  }
  await session.close();
});

test('errors have their codes', async () => {
  await client.append('wrong.1', events(1));
  expect(await failureOf(client.streams.get('wrong.2'))).toMatchObject({
    code: 'STREAM_NOT_FOUND',
    stream: 'wrong.2',
  });
  expect(await failureOf(client.streams.delete('wrong.2'))).toMatchObject({ code: 'STREAM_NOT_FOUND' });
  expect(await failureOf(client.streams.truncate('wrong.1', 3))).toMatchObject({
    code: 'VERSION_BEYOND_END',
  });
  expect(await failureOf(client.streams.truncate('wrong.1', 0))).toMatchObject({ code: 'INVALID_REQUEST' });
  const conflict = client.streams.tombstone('wrong.1', { expectedVersion: 0 });
  expect(await failureOf(conflict)).toMatchObject({ code: 'VERSION_CONFLICT', actual: 1n });
});

test('an erased event has no contents, and the stream has the record', async () => {
  const stream = 'erased.1';
  await client.append(stream, [{ type: 'A', data: 'secret', tags: ['t'], metadata: { a: 'b' } }]);
  await client.append(stream, events(2));
  const split = await failureOf(
    client.streams.erase(stream, { fromVersion: 1, toVersion: 2, reason: 'why' }),
  );
  expect(split).toBeInstanceOf(StreamError);
  expect(split).toMatchObject({
    ...{ code: 'ERASE_SPLITS_COMMIT', stream, status: 9 },
    wholeCommits: { fromVersion: 1n, toVersion: 3n },
  });
  const { stream: after, ...done } = await client.streams.erase(
    stream,
    { fromVersion: 1, toVersion: 1n, reason: 'why' },
    { expectedVersion: 3 },
  );
  expect(done).toMatchObject({ changed: true, replayed: false });
  const record = { fromVersion: 1n, toVersion: 1n, reason: 'why', principal: '' };
  expect(after.erased).toMatchObject([{ ...record, position: after.position, commitTime: after.commitTime }]);
  const [stub, other] = await all(client.readStream(stream));
  expect(stub).toMatchObject({
    ...{
      version: 1n,
      type: 'A',
      data: undefined,
      correlationId: '',
      causationId: '',
      tags: [],
      erased: true,
    },
  });
  expect(stub?.metadata.size).toBe(0);
  expect(other?.erased).toBeUndefined();
  expect(
    await failureOf(client.streams.erase(stream, { fromVersion: 1, toVersion: 4, reason: '' })),
  ).toMatchObject({
    code: 'INVALID_REQUEST',
  });
  expect(
    await failureOf(client.streams.erase(stream, { fromVersion: 1, toVersion: 4, reason: 'a' })),
  ).toMatchObject({
    code: 'VERSION_BEYOND_END',
  });
});

test('a long range is erased by several calls, at the ends of commits', async () => {
  const stream = 'erased.2';
  for (const count of [3, 1_999, 7, 9_999, 700]) await client.append(stream, events(count));
  const long = { fromVersion: 4, toVersion: 12_708, reason: 'why' };
  const once = client.streams.erase(stream, long, { commitId: '0190f3a1-7777-7000-8000-00000000000f' });
  expect(await failureOf(once)).toBeInstanceOf(RangeError);
  const { stream: after, changed } = await client.streams.erase(stream, long);
  expect(changed).toBe(true);
  const ranges = after.erased.map(({ fromVersion, toVersion }) => [fromVersion, toVersion]);
  expect(ranges[0]?.[0]).toBe(4n);
  expect(ranges.at(-1)?.[1]).toBe(12_708n);
  for (const [index, [from]] of ranges.entries())
    if (index > 0) expect(from).toBe((ranges[index - 1]?.[1] ?? 0n) + 1n);
  expect(await client.streams.erase(stream, long)).toMatchObject({ changed: false, stream: after });
  const left = await all(client.readStream(stream));
  expect(left.filter(({ erased }) => erased !== true).map(({ version }) => version)).toEqual([1n, 2n, 3n]);
});
