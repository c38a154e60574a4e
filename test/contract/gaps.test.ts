import { connect, headers as natsHeaders, type NatsConnection } from 'nats';
import { CommitRecord } from '../../generated/sluice/v1/event';
import { Direction } from '../../generated/sluice/v1/event_store_service';
import { startNats, type TestNats } from '../support/nats-server';
import { problemOf } from './contract-store';
import { plainEvents, versionsOf } from './events';
import { newStore, openJetStream, type OpenedContract } from './open';

/** A read is complete or an error: what somebody else did to the log is never skipped. */
const names = newStore();
let nats: TestNats;
let raw: NatsConnection;
let store: OpenedContract;

beforeAll(async () => {
  nats = await startNats();
  raw = await connect({ servers: nats.url });
  store = await openJetStream(nats.url, {}, names);
});

afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await raw.close();
  await nats[Symbol.asyncDispose]();
});

/** Publishes a commit of one event by hand; gives its sequence. */
async function publish(stream: string, version: number, previous: number): Promise<number> {
  const headers = natsHeaders();
  headers.set('Nats-Msg-Id', `0190f3a1-5555-7000-8000-${version.toString().padStart(12, '0')}-${stream}`);
  headers.set('Nats-Expected-Last-Subject-Sequence', previous.toString());
  headers.set('Sluice-Version', version.toString());
  headers.set('Sluice-Count', '1');
  const event = { id: `e-${version}`, stream, version: BigInt(version), type: 'T' };
  const body = CommitRecord.encode(CommitRecord.fromPartial({ events: [event] })).finish();
  const { seq } = await raw.jetstream().publish(`${names.prefix}.${stream}`, body, { headers });
  return seq;
}

const backward = Direction.BACKWARD;
const unreadable = { reason: 'UNREADABLE_COMMIT' };

test.each([[[1, 2, 4, 5]], [[1, 2, 4]]])(
  'a version that is missing makes a read fail where it comes to it, and not before: %p',
  async (versions) => {
    const stream = `gap.1.${versions.length}`;
    let last = 0;
    for (const version of versions) last = await publish(stream, version, last);
    const newest = versions.at(-1);
    const read = async (conditions: object): Promise<number[]> =>
      versionsOf((await store.read({ stream, ...conditions })).events);
    expect(await problemOf(read({}))).toEqual(unreadable);
    expect(await problemOf(read({ direction: backward }))).toEqual(unreadable);
    expect(await problemOf(read({ toVersion: 3n }))).toEqual(unreadable);
    expect(await problemOf(read({ direction: backward, toVersion: 3n }))).toEqual(unreadable);
    expect(await read({ toVersion: 2n })).toEqual([1, 2]);
    expect(await read({ maxCount: 2n })).toEqual([1, 2]);
    expect(await read({ direction: backward, toVersion: BigInt(newest ?? 0) })).toEqual([newest]);
    expect(await read({ direction: backward, maxCount: 1n })).toEqual([newest]);
  },
);

test('a message that is no commit makes a read fail where it comes to it, and not before', async () => {
  const stream = 'gap.2';
  await store.append({ stream, events: plainEvents(2) });
  const { position: before } = await store.append({ stream, events: plainEvents(1) });
  const { seq } = await raw.jetstream().publish(`${names.prefix}.${stream}`, 'not a commit');
  expect(seq).toBe(Number(before) + 1);
  await publish(stream, 4, seq);
  const read = async (conditions: object): Promise<number[]> =>
    versionsOf((await store.read({ stream, ...conditions })).events);
  expect(await problemOf(read({}))).toEqual(unreadable);
  expect(await problemOf(read({ direction: backward }))).toEqual(unreadable);
  expect(await read({ toVersion: 3n })).toEqual([1, 2, 3]);
  expect(await read({ maxCount: 3n })).toEqual([1, 2, 3]);
  expect(await read({ direction: backward, maxCount: 1n })).toEqual([4]);
});
