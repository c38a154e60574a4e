import { connect, headers as natsHeaders, type JetStreamManager } from 'nats';
import { controlMessage } from '../../src/jetstream/log/control-codec';
import { noRules, rulesAfter, type StreamControl } from '../../src/store/stream-rules';
import type { CommitId, Sequence, Version } from '../../src/store/values';
import { uuidV7 } from '../../src/uuid';
import { directContract, type StoredEvent } from '../contract/contract-store';
import { newEvents } from '../support/attempts';
import { startNats, until, type TestNats } from '../support/nats-server';
import { appendTo, callFor, controlOf, openTestStore, type OpenedTestStore } from '../support/opened-store';

/** Somebody publishes controls by hand. Nothing is removed that a gateway would not have removed, and the sweeper goes on. */

let nats: TestNats;
let one: OpenedTestStore;

beforeAll(async () => {
  nats = await startNats();
  one = await openTestStore(nats.url, { limits: { sweepIntervalMs: 100 } });
  // The store has controls, and the sweeper has something to do.
  await append('first');
  await one.store.control(controlOf('first', { kind: 'delete' }), callFor());
});
afterAll(async () => {
  await one[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const append = (stream: string, events = 1): ReturnType<OpenedTestStore['store']['append']> =>
  one.store.append(appendTo(stream, { events: newEvents(events) }), callFor());

async function withManager<T>(work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: nats.url });
  try {
    return await work(await connection.jetstreamManager());
  } finally {
    await connection.close();
  }
}

const messagesOf = (stream: string): Promise<number> =>
  withManager(async ({ streams }) => {
    const subject = `es.${stream}`;
    const { state } = await streams.info('EVENTS', { subjects_filter: subject });
    return state.subjects?.[subject] ?? 0;
  });

/** Publishes a control of a stream at a version, on top of its last message. */
async function forge(stream: string, control: StreamControl, at: bigint, previous: bigint): Promise<void> {
  const version = at as Version;
  const { subject, headers, body } = controlMessage(`es.${stream}`, {
    control,
    rules: rulesAfter(noRules, version, control),
    version,
    previous: previous as Sequence,
    commitId: uuidV7() as CommitId,
    principal: undefined,
  });
  const published = natsHeaders();
  for (const [name, value] of Object.entries(headers)) published.set(name, value);
  const connection = await connect({ servers: nats.url });
  await connection.jetstream().publish(subject, body, { headers: published });
  await connection.close();
}

/** Waits until the sweeper has passed everything that is stored now. */
async function swept(): Promise<void> {
  const stream = `passed.${uuidV7()}`;
  await append(stream);
  await one.store.control(controlOf(stream, { kind: 'delete' }), callFor());
  await until(async () => (await messagesOf(stream)) === 1, 30_000);
  expect(one.store.facts.removal?.trouble).toBe('');
}

const read = async ({ store }: OpenedTestStore, stream: string): Promise<readonly StoredEvent[]> =>
  (await directContract(store).read({ stream })).events;

const lost = async ({ store }: OpenedTestStore): Promise<bigint> =>
  (await store.info(callFor())).log.lostMessages;

test.each<[string, StreamControl]>([
  ['truncation', { kind: 'truncate', before: 1_001n as Version }],
  ['deletion', { kind: 'delete' }],
  ['erasure', { kind: 'erase', fromVersion: 1n as Version, toVersion: 1_000n as Version, reason: 'none' }],
])(
  'a %s at a version that its stream never had: its messages stay',
  async (kind, control) => {
    const stream = `above.${kind}`;
    await append(stream, 2);
    const { position } = await append(stream);
    await forge(stream, control, 1_000n, position);
    // On top of it there are no better ones.
    await forge(stream, control, 1_000n, position + 1n);
    await swept();
    expect(await messagesOf(stream)).toBe(4);
    expect(await lost(one)).toBe(0n);
  },
  60_000,
);

test('an erasure of versions that come later is no control, and what comes later stays', async () => {
  const stream = 'later';
  const { position } = await append(stream, 2);
  const erase = {
    kind: 'erase',
    fromVersion: 1n as Version,
    toVersion: 9n as Version,
    reason: 'none',
  } as const;
  await forge(stream, erase, 2n, position);
  await expect(append(stream)).rejects.toMatchObject({ code: 'UNREADABLE_COMMIT' });
  await swept();
  expect(await messagesOf(stream)).toBe(2);
});

test('an erasure of half a commit erases nothing of it', async () => {
  const stream = 'half';
  await append(stream, 1);
  const { position } = await append(stream, 3);
  const before = await read(one, stream);
  const erase = {
    kind: 'erase',
    fromVersion: 3n as Version,
    toVersion: 4n as Version,
    reason: 'none',
  } as const;
  await forge(stream, erase, 4n, position);
  expect((await append(stream)).version).toBe(5n);
  await swept();
  expect(await messagesOf(stream)).toBe(4);
  await using fresh = await openTestStore(nats.url, { limits: { sweepIntervalMs: 0 } });
  await until(() => fresh.store.filling() === undefined, 30_000);
  for (const gateway of [one, fresh]) {
    expect((await read(gateway, stream)).slice(0, 4)).toEqual(before);
    expect(await lost(gateway)).toBe(0n);
  }
});
