import { connect, type NatsConnection } from 'nats';
import { defaultLimits, type Limits } from '../../src/limits';
import { version } from '../../src/version';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { connectWire, type WireClient, type WireMessage } from '../support/wire-client';
import { fieldsOf } from './contract-fields';

/** Every RPC as a client sees it that was made from the text of the .proto files: whole answers, field by field. */
let nats: TestNats;
let gateway: TestGateway;
let wire: WireClient;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  wire = connectWire(gateway.address);
});

afterAll(async () => {
  wire[Symbol.dispose]();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const full = {
  id: 'e-1',
  type: 'OrderPlaced',
  text: '{"total":"9,99 €"}',
  content_type: 'application/json',
  correlation_id: 'c-1',
  causation_id: 'command-1',
  tags: ['b', 'a', 'b'],
  metadata: { user: 'Zoë', ['__proto__']: 'kept', empty: '' },
};
const binary = {
  id: 'e-2',
  type: 'OrderScanned',
  binary: Buffer.from([0, 255, 128, 10]),
  correlation_id: 'c-1',
};
const bare = { type: 'OrderShipped' };

/** Appends to a stream and gives the answer with the commit time. */
async function append(
  stream: string,
  events: readonly WireMessage[],
  more: WireMessage = {},
): Promise<WireMessage> {
  return wire.unary('Append', { stream, events, with_commit_time: true, ...more });
}

/** The event as it comes back: with what the store assigns, and the defaults of ids. */
function recorded(stream: string, number: number, event: WireMessage, commit: WireMessage): WireMessage {
  const { position, commit_time } = commit;
  return {
    correlation_id: event['id'],
    causation_id: event['id'],
    ...event,
    stream,
    version: number.toString(),
    position,
    commit_time,
  };
}

describe('Append', () => {
  test('answers version, first version, position and commit id; the time if it was asked for', async () => {
    const before = Date.now();
    const first = await wire.unary('Append', { stream: 'append.1', events: [full, binary] });
    expect(first).toEqual({
      version: '2',
      first_version: '1',
      position: expect.stringMatching(/^[1-9]\d*$/) as string,
      commit_id: expect.stringMatching(uuidV7) as string,
    });
    const commitId = '0190F3A1-0000-7000-8000-00000000ABCD';
    const second = await append('append.1', [bare], { expected_version: '2', commit_id: commitId });
    expect(second).toEqual({
      version: '3',
      first_version: '3',
      position: (BigInt(first['position'] as string) + 1n).toString(),
      commit_time: { seconds: expect.stringMatching(/^\d+$/) as string, nanos: expect.any(Number) as number },
      commit_id: commitId.toLowerCase(),
    });
    const { seconds } = second['commit_time'] as { seconds: string };
    expect(Number(seconds) * 1_000).toBeGreaterThanOrEqual(before - 1_000);
    expect(Number(seconds) * 1_000).toBeLessThanOrEqual(Date.now());
    const again = await append('append.1', [bare], { expected_version: '2', commit_id: commitId });
    expect(again).toEqual({ ...second, replayed: true });
  });

  test('of nothing answers the version, or nothing at all for a new stream', async () => {
    expect(await append('append.none', [])).toEqual({});
    const stored = await append('append.some', [bare]);
    expect(await append('append.some', [], { expected_version: '1' })).toEqual({
      version: '1',
      position: stored['position'],
      commit_time: stored['commit_time'],
    });
  });
});

/** Of a stream without controls. */
const whole = { first_version: '1', state: 'STREAM_STATE_ACTIVE' };

describe('ReadStream', () => {
  test('gives events as they were written, with what the store assigned', async () => {
    const stream = 'read.1';
    const one = await append(stream, [full, binary]);
    const two = await append(stream, [bare]);
    const [message, ...rest] = await wire.stream('ReadStream', { stream });
    expect(rest).toEqual([]);
    const [, , last] = message?.['events'] as WireMessage[];
    const id = last?.['id'];
    expect(id).toMatch(uuidV7);
    expect(message).toEqual({
      header: {
        stream,
        version: '3',
        position: two['position'],
        commit_time: two['commit_time'],
        ...whole,
      },
      events: [
        recorded(stream, 1, full, one),
        recorded(stream, 2, binary, one),
        recorded(stream, 3, { id, ...bare }, two),
      ],
      end: { reason: 'READ_END_REASON_COMPLETE', event_count: '3' },
    });
    const metadata = (message?.['events'] as WireMessage[])[0]?.['metadata'] as object;
    expect(Object.entries(metadata)).toEqual(Object.entries(full.metadata));
  });

  test('tells the header first, the end last, and as many events in a message as was wished', async () => {
    const stream = 'read.2';
    const events = [1, 2, 3, 4, 5].map((number) => ({ id: `e-${number}`, type: 'Counted' }));
    const commit = await append(stream, events);
    const expected = events.map((event, index) => recorded(stream, index + 1, event, commit));
    const { position, commit_time } = commit;
    const header = { stream, version: '5', position, commit_time, ...whole };
    const backward = { direction: 'DIRECTION_BACKWARD', max_count: '3' };
    expect(await wire.stream('ReadStream', { stream, page: { events_max: 2 } })).toEqual([
      { header, events: expected.slice(0, 2) },
      { events: expected.slice(2, 4) },
      { events: expected.slice(4), end: { reason: 'READ_END_REASON_COMPLETE', event_count: '5' } },
    ]);
    expect(await wire.stream('ReadStream', { stream, ...backward, page: { events_max: 2 } })).toEqual([
      { header, events: [expected[4], expected[3]] },
      { events: [expected[2]], end: { reason: 'READ_END_REASON_MAX_COUNT', event_count: '3' } },
    ]);
    expect(await wire.stream('ReadStream', { stream: 'read.none' })).toEqual([
      { header: { stream: 'read.none' }, end: { reason: 'READ_END_REASON_COMPLETE' } },
    ]);
  });

  test('takes every condition', async () => {
    const stream = 'read.3';
    const one = await append(stream, [bare, full]);
    const two = await append(stream, [binary, { ...full, id: 'e-4' }]);
    const [message] = await wire.stream('ReadStream', {
      stream,
      from_version: '2',
      to_version: '4',
      direction: 'DIRECTION_FORWARD',
      max_count: '18446744073709551615',
      from_time: one['commit_time'],
      to_time: two['commit_time'],
      event_types: ['OrderPlaced', 'Never'],
      page: { events_max: 4294967295, bytes_max: 4294967295 },
      consistency: 'CONSISTENCY_ANY_REPLICA',
    });
    expect(message?.['events']).toEqual([
      recorded(stream, 2, full, one),
      recorded(stream, 4, { ...full, id: 'e-4' }, two),
    ]);
    expect(message?.['end']).toEqual({ reason: 'READ_END_REASON_COMPLETE', event_count: '2' });
  });
});

test('GetVersion answers version, position and time, also of the past; nothing for a new stream', async () => {
  const stream = 'version.1';
  const one = await append(stream, [bare]);
  const two = await append(stream, [bare, bare]);
  const { position, commit_time } = two;
  expect(await wire.unary('GetVersion', { stream })).toEqual({
    version: '3',
    position,
    commit_time,
    ...whole,
  });
  expect(await wire.unary('GetVersion', { stream, as_of: one['commit_time'] })).toEqual({
    version: '1',
    position: one['position'],
    commit_time: one['commit_time'],
    ...whole,
  });
  expect(await wire.unary('GetVersion', { stream, as_of: { seconds: '1' } })).toEqual({});
  expect(await wire.unary('GetVersion', { stream: 'version.none' })).toEqual({});
});

test('ReadByCorrelation gives the events of all streams in position order', async () => {
  const event = (id: string, type = 'Moved'): WireMessage => ({ id, type, correlation_id: 'wire-test' });
  const one = await append('correlation.b', [event('e-1'), bare, event('e-2')]);
  const two = await append('correlation.a', [event('e-3', 'Other')]);
  const expected = [
    recorded('correlation.b', 1, event('e-1'), one),
    recorded('correlation.b', 3, event('e-2'), one),
    recorded('correlation.a', 1, event('e-3', 'Other'), two),
  ];
  const header = { position: two['position'] };
  const ask = (more: WireMessage): Promise<readonly WireMessage[]> =>
    wire.stream('ReadByCorrelation', { correlation_id: 'wire-test', ...more });
  expect(await ask({ page: { events_max: 2 } })).toEqual([
    { header, events: expected.slice(0, 2) },
    { events: expected.slice(2), end: { reason: 'READ_END_REASON_COMPLETE', event_count: '3' } },
  ]);
  expect(await ask({ event_types: ['Moved'], max_count: '1' })).toEqual([
    { header, events: expected.slice(0, 1), end: { reason: 'READ_END_REASON_MAX_COUNT', event_count: '1' } },
  ]);
  expect(await ask({ correlation_id: 'never' })).toEqual([
    { header, end: { reason: 'READ_END_REASON_COMPLETE' } },
  ]);
});

test('ListStreams lists names in byte order, also of streams that cannot be read', async () => {
  const heads = new Map<string, WireMessage>();
  for (const stream of ['list.b', 'list.B', 'list.a.1', 'list.a-1'])
    heads.set(stream, await append(stream, [bare]));
  const foreign = await publish('es.list.foreign', 'not a commit');
  const summary = (stream: string): WireMessage => {
    const { version: number, position, commit_time } = heads.get(stream) as WireMessage;
    return { stream, version: number, position, commit_time, ...whole };
  };
  expect(await wire.stream('ListStreams', { pattern: 'list.>' })).toEqual([
    {
      streams: [
        ...['list.B', 'list.a-1', 'list.a.1', 'list.b'].map(summary),
        {
          stream: 'list.foreign',
          position: foreign.toString(),
          commit_time: {
            seconds: expect.stringMatching(/^\d+$/) as string,
            nanos: expect.any(Number) as number,
          },
          unreadable: true,
        },
      ],
    },
  ]);
  expect(await wire.stream('ListStreams', { pattern: 'list.*', after: 'list.B', max_count: '1' })).toEqual([
    { streams: [summary('list.a-1')] },
  ]);
  expect(await wire.stream('ListStreams', { pattern: 'list.none' })).toEqual([]);
});

test('GetServerInfo tells of the gateway, the store, the replica and every limit', async () => {
  // A short tail of the log is left out of the index for a while.
  await Promise.all(Array.from({ length: 64 }, (_, i) => append(`info.${i}`, [bare])));
  const foreign = (await publish('es.info.foreign', 'not a commit')).toString();
  const unreadable = {
    stream: 'info.foreign',
    position: foreign,
    reason: 'its headers are not those of a commit',
  };
  await wire.stream('ListStreams', { pattern: 'info.*' }); // so that the gateway meets it
  await until(async () => {
    const { store, replica } = (await serverInfo()) as Record<string, WireMessage>;
    return 'position' in (replica ?? {}) && JSON.stringify(store?.['log']).includes(`"${foreign}"`);
  });
  const answer = await serverInfo();
  const { log } = answer['store'] as { log: { unreadable: WireMessage[] } };
  expect(log.unreadable).toContainEqual(unreadable);
  const { state } = await withNats(async (connection) => {
    const manager = await connection.jetstreamManager();
    return manager.streams.info('EVENTS');
  });
  const { position, lag = '0' } = answer['replica'] as { position: string; lag?: string };
  expect(BigInt(position) + BigInt(lag)).toBe(BigInt(state.last_seq));
  expect(answer).toEqual({
    version,
    access: { principal: 'anonymous', reflection: 'REFLECTION_MODE_ON', local: true },
    store: {
      name: 'EVENTS',
      store_id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      prefix: 'es',
      replicas: 1,
      nats_version: (await nats.monitor('/varz'))['version'],
      position: state.last_seq.toString(),
      message_count: state.messages.toString(),
      bytes: state.bytes.toString(),
      consumer_count: 1,
      replica_infos: [{ name: (await nats.monitor('/varz'))['server_name'], leader: true, current: true }],
      // Other tests may have published more that is foreign.
      log: { unreadable: log.unreadable, unreadable_count: log.unreadable.length },
    },
    limits: limitsOnTheWire(),
    features: [
      'append',
      'append-multi',
      'append-session',
      'validate-only',
      'read-stream',
      'get-version',
      'get-commit',
      'read-by-correlation',
      'list-streams',
      'read-all',
      'subscribe',
      'consumer-groups',
      'stream-lifecycle',
    ],
    replica: {
      position,
      ...(lag === '0' ? {} : { lag }),
      filled: true,
      bytes: expect.any(String) as unknown,
      events_received: expect.any(String) as unknown,
    },
    grpc_address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string,
  });
});

function serverInfo(): Promise<WireMessage> {
  return wire.unary('GetServerInfo', {});
}

/** Every field that the contract has must have its limit. */
function limitsOnTheWire(): WireMessage {
  const natsHeaders = 1_024 + 17;
  const values: Record<string, unknown> = { event_bytes_max: ((1 << 20) - natsHeaders).toString() };
  for (const { name, kind } of fieldsOf('sluice.v1.ServerLimits')) {
    const key = name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    if (name in values) continue;
    if (kind === 'google.protobuf.Duration')
      values[name] = duration(defaultLimits[`${key}Ms` as keyof Limits]);
    else
      values[name] =
        kind === 'uint64'
          ? defaultLimits[key as keyof Limits].toString()
          : defaultLimits[key as keyof Limits];
  }
  return values;
}

function duration(ms: number): WireMessage {
  const nanos = (ms % 1_000) * 1_000_000;
  return { seconds: Math.floor(ms / 1_000).toString(), ...(nanos === 0 ? {} : { nanos }) };
}

async function withNats<T>(use: (connection: NatsConnection) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: nats.url });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

/** Publishes what is not a commit; gives its sequence. */
function publish(subject: string, text: string): Promise<number> {
  return withNats(async (connection) => (await connection.jetstream().publish(subject, text)).seq);
}
