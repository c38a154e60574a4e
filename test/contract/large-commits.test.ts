import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { connect, type NatsConnection, type StoredMsg } from 'nats';
import { CommitRecord } from '../../generated/sluice/v1/event';
import { Direction } from '../../generated/sluice/v1/event_store_service';
import { startTestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { problemOf, timestamp, type ContractStore, type StoredEvent } from './contract-store';
import { plainEvents, put, range, recorded, versionsOf, type GivenEvent, type Taken } from './events';
import { newStore, openJetStream, type OpenedContract } from './open';

/** Commits larger than one NATS message lie in several: only JetStream may notice. */
const names = newStore();
const maxPayloadBytes = 64 << 10;
const backward = Direction.BACKWARD;
const uuid = (number: number): string => `0190f3a1-3333-7000-8000-${number.toString(16).padStart(12, '0')}`;

let nats: TestNats;
let raw: NatsConnection;
let store: OpenedContract;

beforeAll(async () => {
  nats = await startNats({ maxPayloadBytes });
  raw = await connect({ servers: nats.url });
  store = await openJetStream(nats.url, {}, names);
});

afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await raw.close();
  await nats[Symbol.asyncDispose]();
});

/** An event of about 20 KB; three fit into a message. */
function largeEvent(number: number, more: Partial<GivenEvent> = {}): GivenEvent {
  const payload = { $case: 'binary' as const, value: Buffer.alloc(20_000, number) };
  return { id: `e-${number}`, type: number % 2 === 0 ? 'Even' : 'Odd', payload, ...more };
}

function largeEvents(from: number, to: number): GivenEvent[] {
  return range(from, to).map((number) => largeEvent(number));
}

/** The messages of a stream as JetStream has them. */
async function messagesOf(stream: string): Promise<StoredMsg[]> {
  const { streams } = await raw.jetstreamManager();
  const messages: StoredMsg[] = [];
  const { state } = await streams.info(names.name);
  for (const seq of range(1, state.last_seq)) {
    const message = await streams.getMessage(names.name, { seq });
    if (message.subject === `${names.prefix}.${stream}`) messages.push(message);
  }
  return messages;
}

const nanosOf = ({ timestamp: text }: StoredMsg): bigint => {
  const [, second = '', fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(text) ?? [];
  return BigInt(Date.parse(`${second}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
};

type Brief = Omit<StoredEvent, 'payload'> & { readonly hash: string | undefined };

/** The event with a hash for its payload, which a test compares faster. */
function brief({ payload, ...rest }: StoredEvent): Brief {
  return { ...rest, hash: payload && createHash('sha256').update(payload.value).digest('hex') };
}

test('a commit larger than a message lies in parts, with the position and the time of the last', async () => {
  const stream = 'large.parts';
  const commit = await put(store, stream, largeEvents(1, 10), { commitId: uuid(1), expectedVersion: 0n });
  expect(commit).toMatchObject({ version: 10n, firstVersion: 1n, replayed: false, commitId: uuid(1) });
  const messages = await messagesOf(stream);
  const headers = messages.map(({ header }) =>
    ['Nats-Msg-Id', 'Sluice-Part', 'Sluice-Version', 'Sluice-Count'].map((name) => header.get(name)),
  );
  expect(headers).toEqual([
    [uuid(1), '1/4', '3', '3'],
    [`${uuid(1)}:2`, '2/4', '6', '3'],
    [`${uuid(1)}:3`, '3/4', '9', '3'],
    [`${uuid(1)}:4`, '4/4', '10', '1'],
  ]);
  const last = Number(commit.position);
  expect(messages.map(({ seq }) => seq)).toEqual([last - 3, last - 2, last - 1, last]);
  expect(nanosOf(messages[3] as StoredMsg)).toBe(commit.commitTime);
  const versions = messages.flatMap(({ data }) =>
    CommitRecord.decode(data).events.map(({ version }) => version),
  );
  expect(versions).toEqual(range(1, 10).map(BigInt));
});

describe('reads of a large commit among small ones', () => {
  const stream = 'large.read';
  // Versions 1 2; 3 to 12 in parts of 3 3 3 1; 13; 14 to 17 in parts of 3 1; 18.
  let commits: Taken[];
  let events: Brief[];
  beforeAll(async () => {
    commits = [];
    events = [];
    for (const given of [
      plainEvents(2),
      largeEvents(3, 12),
      plainEvents(1),
      largeEvents(14, 17),
      plainEvents(1, 'last'),
    ]) {
      const commit = await put(store, stream, given);
      commits.push(commit);
      const first = Number(commit.version) - given.length + 1;
      events.push(
        ...given.map((event, index) => brief(recorded(stream, BigInt(first + index), event, commit))),
      );
      await store.append({ stream: 'large.foreign', events: largeEvents(1, 4) });
    }
  });

  const read = async (conditions: object, end = 'complete'): Promise<number[]> => {
    const { events: found, ...head } = await store.read({ stream, ...conditions });
    const { position, commitTime } = commits[4] as Taken;
    expect(head).toEqual({ version: 18n, position, commitTime, end });
    const versions = versionsOf(found);
    expect(found.map(brief)).toEqual(versions.map((version) => events[version - 1]));
    return versions;
  };

  test('by version, forward', async () => {
    expect(await read({})).toEqual(range(1, 18));
    // Beginning and ending in each part.
    for (const from of range(1, 18))
      expect(await read({ fromVersion: BigInt(from) })).toEqual(range(from, 18));
    for (const to of range(1, 18)) expect(await read({ toVersion: BigInt(to) })).toEqual(range(1, to));
    expect(await read({ fromVersion: 5n, toVersion: 6n })).toEqual([5, 6]);
    expect(await read({ fromVersion: 12n, toVersion: 14n })).toEqual([12, 13, 14]);
    for (const count of range(1, 18))
      expect(await read({ maxCount: BigInt(count) }, 'maxCount')).toEqual(range(1, count));
  });

  test('by version, backward', async () => {
    const direction = backward;
    expect(await read({ direction })).toEqual(range(18, 1));
    for (const from of range(1, 18))
      expect(await read({ direction, fromVersion: BigInt(from) })).toEqual(range(from, 1));
    for (const to of range(1, 18))
      expect(await read({ direction, toVersion: BigInt(to) })).toEqual(range(18, to));
    expect(await read({ direction, fromVersion: 7n, toVersion: 5n })).toEqual([7, 6, 5]);
    for (const count of range(1, 18))
      expect(await read({ direction, maxCount: BigInt(count) }, 'maxCount')).toEqual(range(18, 19 - count));
  });

  test('by type', async () => {
    const even = [4, 6, 8, 10, 12, 14, 16];
    expect(await read({ eventTypes: ['Even'] })).toEqual(even);
    expect(await read({ eventTypes: ['Even'], direction: backward })).toEqual(even.toReversed());
    expect(await read({ eventTypes: ['Even'], fromVersion: 7n, toVersion: 15n })).toEqual([8, 10, 12, 14]);
  });

  test('by time, which is that of the last part for all events', async () => {
    // Every moment at which a part was stored, and those next to it.
    const moments = (await messagesOf(stream)).map(nanosOf).flatMap((time) => [time - 1n, time, time + 1n]);
    for (const moment of moments) {
      const through = events.filter(({ commitTime }) => commitTime <= moment);
      const since = events.filter(({ commitTime }) => commitTime >= moment);
      const time = timestamp(moment);
      expect(await read({ toTime: time })).toEqual(versionsOf(through));
      expect(await read({ fromTime: time })).toEqual(versionsOf(since));
      const direction = backward;
      expect(await read({ direction, toTime: time })).toEqual(versionsOf(through).toReversed());
      expect(await read({ direction, fromTime: time })).toEqual(versionsOf(since).toReversed());
      const last = through.at(-1);
      expect(await store.version(stream, moment)).toEqual({
        version: last?.version ?? 0n,
        position: last?.position ?? 0n,
        commitTime: last?.commitTime,
      });
    }
  });

  test('are named with version and position in a list', async () => {
    const [, second] = await store.list({ pattern: 'large.*', after: 'large.foreign' });
    expect(second).toMatchObject({ stream, version: 18n, position: commits[4]?.position, unreadable: false });
    const [foreign] = await store.list({ pattern: 'large.foreign' });
    const { version, position, commitTime } = await store.version('large.foreign');
    expect(foreign).toMatchObject({
      stream: 'large.foreign',
      version,
      position,
      commitTime,
      unreadable: false,
    });
    expect(version).toBe(20n);
  });
});

test('a long and uneven stream is read from anywhere to anywhere', async () => {
  const stream = 'large.long';
  const event = (bytes: number): Partial<GivenEvent> => ({
    type: 'T',
    payload: { $case: 'binary', value: Buffer.alloc(bytes) },
  });
  // Commits of one event and of hundreds, in parts of some sixty; alone, in rows, and among foreign ones.
  const sizes = [
    ...range(1, 40).map(() => 1),
    150,
    1,
    90,
    130,
    ...range(1, 100).map(() => 2),
    300,
    200,
    1,
    70,
  ];
  let last = 0;
  for (const [index, size] of sizes.entries()) {
    await store.append({ stream, events: range(1, size).map(() => event(size > 2 ? 1_000 : 10)) });
    if (index % 3 === 0)
      await store.append({ stream: 'large.long-foreign', events: largeEvents(1, 1 + (index % 6)) });
    last += size;
  }
  const version = fc.integer({ min: 1, max: last });
  const anywhere = fc.asyncProperty(
    version,
    version,
    fc.integer({ min: 1, max: 500 }),
    async (one, other, count) => {
      const [low, high] = [Math.min(one, other), Math.max(one, other)];
      const read = async (from: number, to: number, direction: Direction): Promise<number[]> => {
        const request = { stream, direction, maxCount: BigInt(count) };
        const { events } = await store.read({ ...request, fromVersion: BigInt(from), toVersion: BigInt(to) });
        return versionsOf(events);
      };
      expect(await read(low, high, Direction.FORWARD)).toEqual(range(low, high).slice(0, count));
      expect(await read(high, low, backward)).toEqual(range(high, low).slice(0, count));
    },
  );
  await fc.assert(anywhere, { numRuns: 150, interruptAfterTimeLimit: 20_000 });
});

test('the version of a stream that begins with a large commit does not show its parts', async () => {
  const stream = 'large.first';
  const { version, position, commitTime } = await put(store, stream, largeEvents(1, 7));
  expect(await store.version(stream)).toEqual({ version: 7n, position, commitTime });
  expect(await store.append({ stream, withCommitTime: true })).toMatchObject({
    version,
    position,
    commitTime,
  });
  const nothing = { version: 0n, position: 0n, commitTime: undefined };
  for (const message of (await messagesOf(stream)).slice(0, -1)) {
    const time = nanosOf(message);
    if (time === commitTime) continue;
    expect(await store.version(stream, time)).toEqual(nothing);
    expect((await store.read({ stream, direction: backward, toTime: timestamp(time) })).events).toEqual([]);
  }
  expect(await store.version(stream, commitTime - 1n)).toEqual(nothing);
  const before = { stream, direction: backward, toTime: timestamp(commitTime - 1n) };
  expect((await store.read(before)).events).toEqual([]);
});

test('a read by correlation finds the events of every part', async () => {
  const stream = 'large.correlation';
  const groups = ['first', 'first', 'both', 'second', 'both', 'second', 'last'];
  const given = groups.map((group, index) => largeEvent(index + 1, { correlationId: `large-${group}` }));
  const commit = await put(store, stream, given);
  const later = await put(store, stream, [{ id: 'e-8', type: 'Even', correlationId: 'large-both' }]);
  const read = async (group: string, more: object = {}): Promise<number[]> => {
    const { events } = await store.correlation({ correlationId: `large-${group}`, ...more });
    for (const event of events) {
      const { position, commitTime } = event.version === 8n ? later : commit;
      expect(event).toMatchObject({ stream, position, commitTime });
    }
    return versionsOf(events);
  };
  expect(await read('first')).toEqual([1, 2]);
  expect(await read('second')).toEqual([4, 6]);
  expect(await read('both')).toEqual([3, 5, 8]);
  expect(await read('last')).toEqual([7]);
  expect(await read('both', { eventTypes: ['Even'] })).toEqual([8]);
  expect(await read('both', { maxCount: 2n })).toEqual([3, 5]);
  // As another gateway sees it, which has nothing in memory.
  await using other = await openJetStream(nats.url, {}, names);
  const { events } = await other.correlation({ correlationId: 'large-both' });
  expect(versionsOf(events)).toEqual([3, 5, 8]);
});

describe('a repeated large commit', () => {
  test.each([
    ['with an expected version', 1n],
    ['without an expected version', undefined],
  ])('is stored once %s', async (_how, expectedVersion) => {
    const stream = `large.again.${expectedVersion ?? 'any'}`;
    const commitId = uuid(expectedVersion === undefined ? 2 : 3);
    const more = { commitId, expectedVersion };
    await store.append({ stream, events: plainEvents(1) });
    const first = await put(store, stream, largeEvents(2, 8), more);
    const again = { ...first, replayed: true };
    expect(await put(store, stream, largeEvents(2, 8), more)).toEqual(again);
    await store.append({ stream, events: plainEvents(1, 'after') });
    await store.append({ stream, events: largeEvents(10, 14) });
    expect(await put(store, stream, largeEvents(2, 8), more)).toEqual(again);
    const other = store.append({ stream, events: plainEvents(1, 'other'), ...more });
    expect(await problemOf(other)).toMatchObject({ reason: 'COMMIT_ID_REUSE', position: first.position });
    // A gateway that has nothing in memory answers the same.
    await using another = await openJetStream(nats.url, {}, names);
    expect(await put(another, stream, largeEvents(2, 8), more)).toEqual(again);
    expect(versionsOf((await store.read({ stream })).events)).toEqual(range(1, 14));
  });

  test('is not the repetition of a small one', async () => {
    const stream = 'large.of-small';
    const commitId = uuid(4);
    const { position } = await put(store, stream, plainEvents(2), { commitId });
    await store.append({ stream, events: plainEvents(1) });
    const reuse = { reason: 'COMMIT_ID_REUSE', commitId, stream, position };
    for (const expectedVersion of [undefined, 0n]) {
      const call = store.append({ stream, events: largeEvents(1, 5), commitId, expectedVersion });
      expect(await problemOf(call)).toEqual(reuse);
    }
    expect((await store.version(stream)).version).toBe(3n);
  });
});

describe('a commit id that is taken', () => {
  const take = async (owner: string, events: GivenEvent[], commitId: string): Promise<object> => {
    const { position } = await store.append({ stream: owner, events, commitId });
    return { reason: 'COMMIT_ID_REUSE', commitId, stream: owner, position };
  };
  const reuse = async (stream: string, events: GivenEvent[], commitId: string): Promise<unknown> => {
    const before = await store.version(stream);
    const problem = await problemOf(store.append({ stream, events, commitId }));
    expect(await store.version(stream)).toEqual(before);
    expect(
      await problemOf(store.append({ stream, events, commitId, expectedVersion: before.version })),
    ).toEqual(problem);
    return problem;
  };

  test('by a large commit is refused to a small one', async () => {
    const taken = await take('large.owner', largeEvents(1, 7), uuid(5));
    expect(await reuse('large.other', plainEvents(1), uuid(5))).toEqual(taken);
    await store.append({ stream: 'large.owner', events: plainEvents(1) });
    const call = store.append({
      stream: 'large.owner',
      events: plainEvents(1),
      commitId: uuid(5),
      expectedVersion: 8n,
    });
    expect(await problemOf(call)).toEqual(taken);
  });

  test('by a small commit is refused to a large one', async () => {
    const taken = await take('large.owner-small', plainEvents(2), uuid(6));
    expect(await reuse('large.other-small', largeEvents(1, 5), uuid(6))).toEqual(taken);
  });

  test('by a large commit is refused to a large one', async () => {
    const taken = await take('large.owner-large', largeEvents(1, 4), uuid(7));
    await store.append({ stream: 'large.other-large', events: plainEvents(3) });
    expect(await reuse('large.other-large', largeEvents(1, 5), uuid(7))).toEqual(taken);
  });

  test('does not matter where the version is another one', async () => {
    const stream = 'large.stale';
    await using other = await openJetStream(nats.url, {}, names);
    await store.append({ stream, events: largeEvents(1, 4), commitId: uuid(8) });
    await other.append({ stream, events: plainEvents(1) });
    const request = { stream, events: largeEvents(1, 4), commitId: uuid(8), expectedVersion: 4n };
    // The first gateway still believes in version 4.
    for (const gateway of [store, other]) {
      expect(await problemOf(gateway.append(request))).toEqual({
        reason: 'VERSION_CONFLICT',
        stream,
        expected: 4n,
        actual: 5n,
      });
    }
  });
});

describe('a large commit is stored as a whole or not at all', () => {
  const lastSequence = async (): Promise<number> => {
    const { streams } = await raw.jetstreamManager();
    return (await streams.info(names.name)).state.last_seq;
  };

  test('when it expects another version', async () => {
    const stream = 'large.conflict';
    await store.append({ stream, events: plainEvents(2) });
    const before = await lastSequence();
    for (const expected of [0n, 1n, 3n]) {
      const call = store.append({ stream, events: largeEvents(1, 9), expectedVersion: expected });
      const actual = 2n;
      expect(await problemOf(call)).toEqual({ reason: 'VERSION_CONFLICT', stream, expected, actual });
    }
    expect(await lastSequence()).toBe(before);
    await put(store, stream, largeEvents(3, 6), { expectedVersion: 2n });
    expect(versionsOf((await store.read({ stream })).events)).toEqual(range(1, 6));
  });

  test('when another gateway has moved on', async () => {
    const stream = 'large.moved';
    await using other = await openJetStream(nats.url, {}, names);
    await store.append({ stream, events: plainEvents(1) });
    await other.append({ stream, events: plainEvents(1) });
    const before = await lastSequence();
    const call = store.append({ stream, events: largeEvents(1, 9), expectedVersion: 1n });
    const conflict = { reason: 'VERSION_CONFLICT', stream, expected: 1n, actual: 2n };
    expect(await problemOf(call)).toEqual(conflict);
    expect(await lastSequence()).toBe(before);
    await other.append({ stream, events: largeEvents(1, 4) });
    expect(await store.append({ stream, events: largeEvents(1, 4) })).toMatchObject({
      version: 10n,
      firstVersion: 7n,
    });
    expect(versionsOf((await other.read({ stream })).events)).toEqual(range(1, 10));
  });

  test('beside others on the same stream, through several gateways', async () => {
    const stream = 'large.beside';
    await using other = await openJetStream(nats.url, {}, names);
    const writers: ContractStore[] = [store, other];
    const sizes = range(1, 12).map((number) => (number % 3) * 4 + 1);
    const answers = await Promise.all(
      sizes.map((size, index) => {
        const events = range(1, size).map((number) => ({
          ...largeEvent(number),
          id: `e-${index}-${number}`,
        }));
        return (writers[index % 2] as ContractStore).append({ stream, events });
      }),
    );
    const { events } = await store.read({ stream });
    expect(versionsOf(events)).toEqual(
      range(
        1,
        sizes.reduce((sum, size) => sum + size),
      ),
    );
    for (const [index, { firstVersion, version, position }] of answers.entries()) {
      const own = events.slice(Number(firstVersion) - 1, Number(version));
      expect(own.map(({ id }) => id)).toEqual(range(1, sizes[index] as number).map((n) => `e-${index}-${n}`));
      expect(own.every((event) => event.position === position)).toBe(true);
    }
  });
});

test('a commit that just fits is one message; a byte more makes two', async () => {
  const stream = 'large.edge';
  const messageRoom = maxPayloadBytes - 1_024;
  const sizedEvents = (bytes: number): GivenEvent[] => {
    // Two events, framing counted, of this many bytes as stored.
    const event = (id: string, size: number): GivenEvent => {
      const fixed = 2 + id.length + (2 + stream.length) + 3 + 2 * (2 + id.length) + 4;
      return { id, type: 'T', payload: { $case: 'binary', value: Buffer.alloc(size - fixed - 17) } };
    };
    return [event('a', 30_000), event('b', bytes - 30_000)];
  };
  await store.append({ stream, events: sizedEvents(messageRoom) });
  expect(await messagesOf(stream)).toHaveLength(1);
  await store.append({ stream, events: sizedEvents(messageRoom + 1) });
  expect(await messagesOf(stream)).toHaveLength(3);
  expect(versionsOf((await store.read({ stream })).events)).toEqual([1, 2, 3, 4]);
});

test('an event larger than a message is refused', async () => {
  const stream = 'large.event';
  const event = (bytes: number): GivenEvent => ({
    id: 'e',
    type: 'T',
    payload: { $case: 'text', value: 'x'.repeat(bytes) },
  });
  expect(await store.append({ stream, events: [event(64_000)] })).toMatchObject({ version: 1n });
  const call = store.append({ stream, events: [...plainEvents(1), event(64_800)] });
  expect(await problemOf(call)).toEqual({ reason: 'INVALID_REQUEST', fields: ['events[1]'] });
  expect((await store.version(stream)).version).toBe(1n);
});

test('each of many correlation ids of a commit is found', async () => {
  await using gateway = await startTestGateway(
    [nats.url],
    ['--store-name=INDEXED', '--store-prefix=indexed'],
  );
  const { client } = gateway;
  const ids = range(1, 10_000).map((number) => `large-index-${number}`);
  const { position } = await client.append({
    stream: 'large.indexed',
    events: ids.map((id) => ({ id, type: 'T' })),
  });
  const small = range(1, 64).map(() => client.append({ stream: 'large.small', events: [{ type: 'T' }] }));
  await Promise.all(small);
  await until(async () => ((await client.serverInfo()).replica?.position ?? 0n) >= position);
  for (const correlationId of ids.filter((_, index) => index % 1_111 === 0)) {
    const { events } = await client.readByCorrelation({ correlationId });
    expect(events.map(({ id }) => id)).toEqual([correlationId]);
  }
});

test('a commit with more parts than a NATS batch can have is refused for good', async () => {
  await using small = await startNats({ maxPayloadBytes: 8 << 10 });
  await using narrow = await openJetStream(small.url);
  const stream = 'large.batch';
  const events = (count: number): GivenEvent[] =>
    range(1, count).map((number) => ({
      id: `e-${number}`,
      type: 'T',
      payload: { $case: 'binary', value: Buffer.alloc(4_000) },
    }));
  const call = narrow.append({ stream, events: events(1_001) });
  expect(await problemOf(call)).toEqual({ reason: 'INVALID_REQUEST', fields: ['events'] });
  expect(await narrow.append({ stream, events: events(1_000) })).toMatchObject({ version: 1_000n });
  expect(versionsOf((await narrow.read({ stream })).events)).toEqual(range(1, 1_000));
});

test('streams are listed in requests that the server accepts', async () => {
  await using small = await startNats({ maxPayloadBytes: 8 << 10 });
  await using narrow = await openJetStream(small.url);
  const streams = range(1, 100).map((number) => `${'n'.repeat(190)}.${number.toString().padStart(3, '0')}`);
  await Promise.all(streams.map((stream) => narrow.append({ stream, events: plainEvents(1) })));
  expect((await narrow.list({})).map(({ stream }) => stream)).toEqual(streams);
  const some = await narrow.list({ after: streams[9] ?? '', maxCount: 50n });
  expect(some.map(({ stream }) => stream)).toEqual(streams.slice(10, 60));
});
