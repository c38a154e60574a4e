import { randomUUID } from 'node:crypto';
import { connect, type JetStreamManager } from 'nats';
import { decodeControl } from '../../src/jetstream/log/control-codec';
import type { Limits } from '../../src/limits';
import type { ControlResult } from '../../src/store/control-command';
import type { StreamControl } from '../../src/store/stream-rules';
import type { StreamName } from '../../src/store/values';
import { uuidV7 } from '../../src/uuid';
import { newEvents } from '../support/attempts';
import { startNats, until, type TestNats } from '../support/nats-server';
import {
  appendTo,
  appendToAll,
  callFor,
  controlOf,
  openTestStore,
  truncateBefore,
  type OpenedTestStore,
} from '../support/opened-store';
import { patience } from '../support/patience';
import { startTcpRelay } from '../support/tcp-relay';

/** Controls are stored as dependably as events: by two gateways at once, with lost answers, and with replicas that are filled. */

let nats: TestNats;
let one: OpenedTestStore;
let other: OpenedTestStore;

beforeAll(async () => {
  nats = await startNats();
  one = await openUnswept(nats.url);
  other = await openUnswept(nats.url);
});
afterAll(async () => {
  await other[Symbol.asyncDispose]();
  await one[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

/** The records of a removal would come between the positions. */
function openUnswept(url: string, limits: Partial<Limits> = {}): Promise<OpenedTestStore> {
  return openTestStore(url, { limits: { ...limits, sweepIntervalMs: 0 } });
}

const tombstone: StreamControl = { kind: 'tombstone' };
const deletion: StreamControl = { kind: 'delete' };

/** A new stream at a version, written through the first gateway. */
async function newStream(events = 1): Promise<string> {
  const stream = `controls.${randomUUID()}`;
  await one.store.append(appendTo(stream, { events: newEvents(events) }), callFor());
  return stream;
}

const control = (
  { store }: OpenedTestStore,
  ...command: Parameters<typeof controlOf>
): Promise<ControlResult> => store.control(controlOf(...command), callFor());

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'OK',
    (error: unknown) => (error as { readonly code?: unknown }).code ?? error,
  );

/** Does something with JetStream's own client. */
async function withManager<T>(work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: nats.url });
  try {
    return await work(await connection.jetstreamManager());
  } finally {
    await connection.close();
  }
}

async function lastMessage(stream: string): Promise<{ headers: Record<string, string>; data: Uint8Array }> {
  const { data, header } = await withManager((manager) =>
    manager.streams.getMessage('EVENTS', { last_by_subj: `es.${stream}` }),
  );
  return { data, headers: Object.fromEntries([...header].map(([name, [value = '']]) => [name, value])) };
}

test('a control is one message on the subject of its stream', async () => {
  const stream = await newStream(3);
  const [commitId, head] = [uuidV7(), await one.store.getVersion(stream as StreamName, undefined, callFor())];
  const call = { ...callFor(), principal: 'corp:alice' };
  const result = await one.store.control(controlOf(stream, truncateBefore(2n), { commitId }), call);
  expect(result).toMatchObject({
    changed: true,
    replayed: false,
    commitId,
    position: head.position + 1n,
    stream: { stream, state: 'active', version: 3n, firstVersion: 2n, controlPosition: result.position },
  });
  const { headers, data } = await lastMessage(stream);
  expect(headers).toEqual({
    'Nats-Msg-Id': commitId,
    'Sluice-Version': '3',
    'Sluice-Count': '0',
    'Nats-Expected-Last-Subject-Sequence': head.position.toString(),
    'Sluice-Principal': 'corp:alice',
    'Sluice-Control': 'truncate',
  });
  expect(decodeControl(data)).toMatchObject({ control: truncateBefore(2n), rules: { firstVersion: 2n } });
});

test('a tombstoned stream takes nothing more, from gateways that knew its head as well', async () => {
  const [stream, commitId] = [await newStream(2), uuidV7()];
  const first = appendTo(stream, { commitId });
  const stored = await one.store.append(first, callFor());
  const ended = await control(other, stream, tombstone);
  expect(ended).toMatchObject({
    changed: true,
    stream: { state: 'tombstoned', version: 3n, firstVersion: 4n },
  });
  for (const { store } of [one, other, one]) {
    const append = (request: Parameters<typeof appendTo>[1]): Promise<unknown> =>
      codeOf(store.append(appendTo(stream, request), callFor()));
    expect(await append({})).toBe('STREAM_TOMBSTONED');
    expect(await append({ expectedVersion: 3n })).toBe('STREAM_TOMBSTONED');
    // The version counts first, and without events it is all that is checked.
    expect(await append({ expectedVersion: 0n })).toBe('VERSION_CONFLICT');
    expect(await append({ events: [], expectedVersion: 3n })).toBe('OK');
    expect(await append({ events: [], expectedVersion: 2n })).toBe('VERSION_CONFLICT');
    expect(await store.append(first, callFor())).toEqual({
      ...stored,
      commitTime: expect.any(BigInt) as unknown,
      replayed: true,
    });
    const [writes, checks] = [[{ stream: `${stream}.b` }], [{ stream, expectedVersion: 3n }]];
    const both = appendToAll([stream, `${stream}.c`]);
    expect(await codeOf(store.appendMulti(both, callFor()))).toBe('STREAM_TOMBSTONED');
    expect(await codeOf(store.appendMulti(appendToAll([writes[0]?.stream ?? ''], checks), callFor()))).toBe(
      'OK',
    );
    const again = await store.control(controlOf(stream, tombstone), callFor());
    expect(again).toMatchObject({
      changed: false,
      replayed: false,
      commitId: undefined,
      position: ended.position,
    });
    for (const asked of [deletion, truncateBefore(1n), truncateBefore(9n)])
      expect(await codeOf(store.control(controlOf(stream, asked), callFor()))).toBe('STREAM_TOMBSTONED');
    expect(await codeOf(store.control(controlOf(stream, tombstone, { expected: 2n }), callFor()))).toBe(
      'VERSION_CONFLICT',
    );
  }
  expect((await one.store.getVersion(`${stream}.c` as StreamName, undefined, callFor())).version).toBe(0n);
});

test('versions go on after a deletion', async () => {
  const stream = await newStream(3);
  await control(other, stream, deletion, { expected: 3n });
  expect(await codeOf(one.store.append(appendTo(stream, { expectedVersion: 0n }), callFor()))).toBe(
    'VERSION_CONFLICT',
  );
  const appended = await one.store.append(appendTo(stream, { expectedVersion: 3n }), callFor());
  expect([appended.firstVersion, appended.version]).toEqual([4n, 4n]);
  const described = await other.store.getStream(stream as StreamName, callFor());
  expect(described).toMatchObject({ state: 'active', version: 4n, firstVersion: 4n });
});

test('what cannot be is refused, and stores nothing', async () => {
  const stream = await newStream(2);
  const end = await lastMessage(stream);
  const empty = `controls.${randomUUID()}`;
  expect(await codeOf(control(one, empty, deletion))).toBe('STREAM_NOT_FOUND');
  expect(await codeOf(control(one, empty, deletion, { expected: 1n }))).toBe('VERSION_CONFLICT');
  expect(await codeOf(one.store.getStream(empty as StreamName, callFor()))).toBe('STREAM_NOT_FOUND');
  expect(await codeOf(control(one, stream, truncateBefore(4n)))).toBe('VERSION_BEYOND_END');
  expect(await codeOf(control(one, stream, truncateBefore(2n), { expected: 1n }))).toBe('VERSION_CONFLICT');
  expect(await control(one, stream, truncateBefore(1n))).toMatchObject({
    changed: false,
    commitId: undefined,
  });
  expect(await lastMessage(stream)).toEqual(end);
});

test('a commit id belongs to one control, or to one append', async () => {
  const [stream, commitId, appendId] = [await newStream(3), uuidV7(), uuidV7()];
  const { position } = await control(one, stream, truncateBefore(2n), { commitId, expected: 3n });
  const append = appendTo(stream, { commitId: appendId });
  await one.store.append(append, callFor());
  for (const each of [one, other]) {
    // Also with the version that the stream had, and with none.
    for (const expected of [3n, undefined])
      expect(
        await control(each, stream, truncateBefore(2n), { commitId, ...(expected && { expected }) }),
      ).toMatchObject({
        changed: true,
        replayed: true,
        commitId,
        position,
        stream: { version: 4n, firstVersion: 2n, controlPosition: position },
      });
    expect(await codeOf(control(each, stream, truncateBefore(2n), { commitId, expected: 2n }))).toBe(
      'VERSION_CONFLICT',
    );
    expect(await codeOf(control(each, stream, truncateBefore(3n), { commitId }))).toBe('COMMIT_ID_REUSE');
    expect(await codeOf(control(each, stream, deletion, { commitId: appendId }))).toBe('COMMIT_ID_REUSE');
    expect(await codeOf(each.store.append(appendTo(stream, { commitId }), callFor()))).toBe(
      'COMMIT_ID_REUSE',
    );
    const multi = appendToAll([stream, `${stream}.b`], [], commitId);
    expect(await codeOf(each.store.appendMulti(multi, callFor()))).toBe('COMMIT_ID_REUSE');
  }
});

test('two gateways that race on one stream leave what one of them could have done alone', async () => {
  const stream = await newStream(1);
  const rounds = 40;
  const results = await Promise.all(
    Array.from({ length: rounds }, (_, round) => {
      const { store } = round % 2 === 0 ? one : other;
      if (round % 4 < 2) return store.append(appendTo(stream), callFor());
      const asked = round % 8 < 4 ? truncateBefore(BigInt(1 + (round % 3))) : deletion;
      return store.control(controlOf(stream, asked), callFor()).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'VERSION_BEYOND_END' });
        return {};
      });
    }),
  );
  const events = 1n + BigInt(results.filter((result) => 'firstVersion' in result).length);
  for (const { store } of [one, other]) {
    const head = await store.getVersion(stream as StreamName, undefined, callFor());
    expect(head.version).toBe(events);
  }
  const ends = Array.from({ length: 8 }, (_, at) => control(at % 2 === 0 ? one : other, stream, tombstone));
  const changed = (await Promise.all(ends)).filter((end) => end.changed);
  expect(changed).toHaveLength(1);
  const described = await Promise.all(
    [one, other].map(({ store }) => store.getStream(stream as StreamName, callFor())),
  );
  expect(described[0]).toEqual(described[1]);
  expect(described[0]).toMatchObject({
    state: 'tombstoned',
    version: events,
    position: changed[0]?.position,
  });
});

test('the answer of NATS to a control is lost', async () => {
  await using relay = await startTcpRelay(nats.port);
  await using cut = await openUnswept(`nats://${relay.address}`, { appendTimeoutMs: 2_000 * patience });
  const stream = await newStream(3);
  relay.loseAnswersTo('Sluice-Control: truncate');
  const truncated = control(cut, stream, truncateBefore(2n));
  const isStored = async (): Promise<boolean> =>
    (await other.store.getStream(stream as StreamName, callFor())).controlPosition > 0n;
  await until(isStored);
  await until(() => relay.isLosing);
  relay.heal();
  expect(await truncated).toMatchObject({ changed: true, replayed: false, stream: { firstVersion: 2n } });
  const { position } = await truncated;
  // The gateway cannot find out in time, and a repetition gets the result.
  const [commitId, command] = [uuidV7(), { expected: 3n }];
  relay.loseAnswersTo('Sluice-Control: delete');
  const unknown = await control(cut, stream, deletion, { ...command, commitId }).catch(
    (error: unknown) => error,
  );
  expect(unknown).toMatchObject({ code: 'OUTCOME_UNKNOWN', commitId });
  relay.heal();
  await until(async () => (await other.store.getStream(stream as StreamName, callFor())).state === 'deleted');
  await until(async () => (await codeOf(cut.store.getStream(stream as StreamName, callFor(1_000)))) === 'OK');
  for (const each of [cut, other]) {
    const repeated = await control(each, stream, deletion, { ...command, commitId });
    expect(repeated).toMatchObject({ changed: true, replayed: true, position: position + 1n });
  }
});

test('while a gateway reads the log, controls wait, and a tombstone holds', async () => {
  const [stream, deleted] = [await newStream(2), await newStream(2)];
  await control(one, stream, tombstone);
  const { commitId = '' } = await control(one, deleted, deletion);
  for (let at = 0; at < 40; at++)
    await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        one.store.append(appendTo(`filling.${index.toString()}`, { events: newEvents(1, 1_000) }), callFor()),
      ),
    );
  await using relay = await startTcpRelay(nats.port);
  relay.slowDown(100_000);
  await using filling = await openUnswept(`nats://${relay.address}`);
  const { store } = filling;
  expect(store.filling()).toBeDefined();
  expect(await codeOf(control(filling, deleted, truncateBefore(1n)))).toBe('REPLICA_FILLING');
  expect(await codeOf(store.append(appendTo(stream), callFor()))).toBe('STREAM_TOMBSTONED');
  expect(await codeOf(store.append(appendTo(stream, { expectedVersion: 1n }), callFor()))).toBe(
    'VERSION_CONFLICT',
  );
  expect(await codeOf(store.append(appendTo(deleted, { commitId }), callFor()))).not.toBe('OK');
  const appended = await store.append(appendTo(deleted, { expectedVersion: 2n }), callFor());
  expect(appended.version).toBe(3n);
  expect(store.filling()).toBeDefined();
});

test('a replica that is filled later knows the same', async () => {
  const stream = await newStream(5);
  const retention = { maxCount: 2n, maxAgeNanos: 86_400_000_000_000n };
  await control(one, stream, { kind: 'retain', retention });
  await control(one, stream, truncateBefore(3n));
  await one.store.append(appendTo(stream), callFor());
  const [ended] = [await newStream(1)];
  await control(one, ended, tombstone);
  const describe = ({ store }: OpenedTestStore): Promise<unknown> =>
    Promise.all([stream, ended].map((name) => store.getStream(name as StreamName, callFor())));
  const known = await describe(one);
  expect(known).toMatchObject([
    { version: 6n, firstVersion: 5n, rules: { firstVersion: 3n, ...retention } },
    { state: 'tombstoned', version: 1n, firstVersion: 2n },
  ]);
  await using filled = await openUnswept(nats.url);
  await until(() => filled.store.filling() === undefined);
  expect(await describe(filled)).toEqual(known);
});
