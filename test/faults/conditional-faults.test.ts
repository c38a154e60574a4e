import { connect, type NatsConnection, type StreamConfig } from 'nats';
import { status } from '@grpc/grpc-js';
import { newEvents } from '../support/attempts';
import { startTestGateway, type LocalGateway } from '../support/gateway';
import { metricsOf } from '../support/metrics-page';
import { startNats, until, type TestNats } from '../support/nats-server';
import { wholeOf } from '../support/one-process';
import type { RpcClient } from '../support/rpc-client';
import { failureOf, RpcFailure } from '../support/rpc-failure';
import { copyStream } from '../support/stream-files';
import { startTcpRelay } from '../support/tcp-relay';

/** What is the matter with the server, the log or the network while appends on condition over all streams are under way. */

const log = 'EVENTS';
const unlessTagged = (tag: string, afterPosition = 0n): object => ({
  query: { items: [{ tags: [tag] }] },
  afterPosition,
});

/** Appends an event with a tag, on condition that no other one has it. */
function take(client: RpcClient, tag: string, deadlineMs = 60_000): Promise<{ readonly position: bigint }> {
  const request = {
    stream: `of.${tag}`,
    events: [{ type: 'Taken', tags: [tag] }],
    condition: unlessTagged(tag),
  };
  return client.append(request, { deadline: Date.now() + deadlineMs });
}

async function taken(client: RpcClient): Promise<string[]> {
  const { events } = await client.readAll({ eventTypes: ['Taken'] });
  return events.map(({ tags }) => tags[0] ?? '');
}

async function asOperator(
  { url }: TestNats,
  work: (connection: NatsConnection) => Promise<unknown>,
): Promise<void> {
  const connection = await connect({ servers: url });
  try {
    await work(connection);
  } finally {
    await connection.close();
  }
}

/** Changes the settings of the log as an operator does. */
function edit(
  nats: TestNats,
  change: (now: StreamConfig, bytes: number) => Partial<StreamConfig>,
): Promise<void> {
  return asOperator(nats, async (connection) => {
    const { streams } = await connection.jetstreamManager();
    const { config, state } = await streams.info(log);
    await streams.update(log, { ...config, ...change(config, state.bytes) });
  });
}

test('an append that loses every round ends with CONDITION_CONTENDED, and is stored when the others rest', async () => {
  await using nats = await startNats();
  await using relay = await startTcpRelay(nats.port, 20);
  const flags = ['--http-listen=127.0.0.1:0', '--append-timeout-ms=60000'];
  await using far = await startTestGateway([`nats://${relay.address}`], flags, { metricsAgeMaxMs: 0 });
  await using near = await startTestGateway([nats.url]);
  const attempts = async (end: string): Promise<number> =>
    (await metricsOf(far.http)).value('sluice_append_condition_attempts_total', { end }) ?? 0;
  const rest = new AbortController();
  const busy = Promise.all(
    ['busy.1', 'busy.2'].map(async (stream) => {
      while (!rest.signal.aborted) await near.client.append({ stream, events: newEvents(1) });
    }),
  );
  try {
    const ends: string[] = [];
    const contended = failureOf(take(far.client, 'seat')).finally(() => ends.push('contended'));
    await until(async () => (await attempts('lost')) >= 4);
    // Appends without a condition of the same gateway wait now, and then are stored.
    const plain = { stream: 'plain.1', events: newEvents(1) };
    const waiting = far.client.append(plain, { deadline: Date.now() + 60_000 });
    expect(await waiting.finally(() => ends.push('plain'))).toMatchObject({ version: 1n });
    expect(ends).toEqual(['contended', 'plain']);
    const failure = await contended;
    expect(failure).toMatchObject({ code: status.ABORTED, reason: 'CONDITION_CONTENDED' });
    expect(failure.message).toContain('others have appended in each of 20 rounds; nothing was stored');
    expect(failure.detail('google.rpc.RetryInfo')?.retryDelay).toBeDefined();
  } finally {
    rest.abort();
    await busy;
  }
  expect(await attempts('lost')).toBe(20);
  expect(await taken(far.client)).toEqual([]);
  await take(far.client, 'seat');
  expect(await taken(far.client)).toEqual(['seat']);
  expect(await attempts('decided')).toBe(1);
}, 120_000);

describe('one server', () => {
  let nats: TestNats;
  let gateway: LocalGateway;
  let client: RpcClient;
  beforeAll(async () => {
    nats = await startNats();
    gateway = await startTestGateway([nats.url], ['--http-listen=127.0.0.1:0', '--append-timeout-ms=60000'], {
      appendsMax: wholeOf(100),
    });
    ({ client } = gateway);
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await nats[Symbol.asyncDispose]();
  });

  test('while the server halts, as many wait as may, the others are refused, and each that waited is stored once', async () => {
    const { position } = await take(client, 'before');
    nats.pause();
    const outcomes = Array.from({ length: 160 }, (_, number) =>
      take(client, `halt-${number}`).then(
        () => 'stored',
        (error: unknown) => {
          if (!(error instanceof RpcFailure)) throw error;
          expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
          expect(error.detail('google.rpc.RetryInfo')).toBeDefined();
          return error.reason;
        },
      ),
    );
    const settled: unknown[] = [];
    for (const outcome of outcomes) void outcome.then((kind) => settled.push(kind));
    await until(() => settled.length === 60);
    // One is in flight, or a few, and the others wait for their turn.
    const page = await metricsOf(gateway.http);
    expect(page.value('sluice_append_conditions_waiting')).toBeGreaterThan(30);
    nats.resume();
    const kinds = await Promise.all(outcomes);
    expect(kinds.filter((kind) => kind === 'stored')).toHaveLength(100);
    expect(kinds.filter((kind) => kind === 'OVERLOADED')).toHaveLength(60);
    const found = await taken(client);
    const stored = kinds.flatMap((kind, number) => (kind === 'stored' ? [`halt-${number}`] : []));
    expect(found.slice(1).toSorted()).toEqual(stored.toSorted());
    const again = await failureOf(take(client, 'before'));
    expect(again.detail('sluice.v1.AppendConditionFailed')).toMatchObject({ item: 0, position });
  }, 120_000);

  test('an append that ends while it waits for its turn is not stored later', async () => {
    // As it begins, one may be in flight.
    await using young = await startTestGateway(
      [nats.url],
      ['--http-listen=127.0.0.1:0', '--append-timeout-ms=60000'],
      { metricsAgeMaxMs: 0 },
    );
    const before = await taken(young.client);
    nats.pause();
    const patient = [0, 1, 2].map((number) => take(young.client, `turn-${number}`));
    await until(
      async () =>
        (await metricsOf(young.http)).value('sluice_append_conditions_waiting') === patient.length - 1,
    );
    const failures = [3, 4, 5].map((number) => failureOf(take(young.client, `turn-${number}`, 1_000)));
    for (const failure of await Promise.all(failures)) expect(failure.code).toBe(status.DEADLINE_EXCEEDED);
    nats.resume();
    await Promise.all(patient);
    await take(young.client, 'turn-6');
    const stored = (await taken(young.client)).slice(before.length);
    expect(stored.toSorted()).toEqual(['turn-0', 'turn-1', 'turn-2', 'turn-6']);
  }, 60_000);

  test('when the log is full, each of many is refused, nothing is stored, and they are when there is space', async () => {
    const before = await taken(client);
    const tags = Array.from({ length: 40 }, (_, number) => `full-${number}`);
    await edit(nats, (_, bytes) => ({ max_bytes: bytes }));
    const failures = await Promise.all(tags.map((tag) => failureOf(take(client, tag))));
    for (const failure of failures)
      expect(failure).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'STORE_FULL' });
    expect(await taken(client)).toEqual(before);
    await edit(nats, () => ({ max_bytes: -1 }));
    const isTaken = (): Promise<boolean> =>
      take(client, 'space').then(
        () => true,
        () => false,
      );
    await until(isTaken, 60_000);
    await Promise.all(tags.map((tag) => take(client, tag)));
    expect((await taken(client)).slice(before.length).toSorted()).toEqual([...tags, 'space'].toSorted());
  }, 120_000);
});

test('where an operator has deleted messages, only a condition on what comes after them is decided', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const { client } = gateway;
  await take(client, 'kept');
  const gone = await take(client, 'gone');
  await asOperator(nats, async (connection) => {
    const { streams } = await connection.jetstreamManager();
    await streams.deleteMessage(log, Number(gone.position));
  });
  const later = await client.append({ stream: 'of.kept', events: newEvents(1), expectedVersion: 1n });
  expect(later.position).toBeGreaterThan(gone.position);
  await until(async () => ((await client.serverInfo()).store?.log?.lostMessages ?? 0n) > 0n);
  const onKept = (tag: string, afterPosition: bigint): Promise<unknown> =>
    client.append({
      stream: 'of.kept',
      events: [{ type: 'Taken', tags: [tag] }],
      condition: unlessTagged(tag, afterPosition),
    });
  const reasonOf = async (append: Promise<unknown>): Promise<string | undefined> =>
    (await failureOf(append)).reason;
  expect(await reasonOf(onKept('kept', 0n))).toBe('APPEND_CONDITION_FAILED');
  // The message that is gone may have had the tag.
  for (const tag of ['gone', 'new']) expect(await reasonOf(onKept(tag, 0n))).toBe('UNREADABLE_COMMIT');
  for (const tag of ['gone', 'new'])
    expect(await onKept(tag, gone.position)).toMatchObject({ replayed: false });
  expect(await reasonOf(onKept('new', gone.position))).toBe('APPEND_CONDITION_FAILED');
  await asOperator(nats, async (connection) => {
    await (await connection.jetstreamManager()).streams.purge(log);
  });
  // Nor is there anything left that says which version the stream has.
  await until(async () => (await reasonOf(onKept('last', later.position))) === 'UNREADABLE_COMMIT');
}, 60_000);

test('after the log has gone back, only what it has now decides', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], ['--append-timeout-ms=60000']);
  const { client } = gateway;
  const takeAll = (tags: readonly string[]): Promise<unknown> =>
    Promise.all(tags.map((tag) => take(client, tag)));
  const tags = (prefix: string): string[] => Array.from({ length: 40 }, (_, number) => `${prefix}-${number}`);
  await takeAll(tags('early'));
  await nats.stop();
  const files = copyStream(nats, log);
  await nats.start();
  await until(
    () =>
      take(client, 'late').then(
        () => true,
        () => false,
      ),
    60_000,
  );
  await takeAll(tags('lost'));
  await nats.kill();
  files.putBack();
  await nats.start();
  await until(
    () =>
      take(client, 'found').then(
        () => true,
        () => false,
      ),
    60_000,
  );
  await takeAll([...tags('lost'), 'late']);
  for (const tag of ['early-0', 'found', 'lost-0']) {
    const { reason } = await failureOf(take(client, tag));
    expect(reason).toBe('APPEND_CONDITION_FAILED');
  }
  const stored = [...tags('early'), 'found', 'late', ...tags('lost')];
  expect((await taken(client)).toSorted()).toEqual(stored.toSorted());
}, 120_000);
