import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { newEvents, type MarkedEvent } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { connectRpc } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';
import { startTcpRelay, type TcpRelay } from '../support/tcp-relay';

/** A lost answer never leads to a second commit, and a retry gets the result of the first attempt. */

/** The appends: one message at the store, or several; with an expected version, or without. */
const appends: readonly (readonly [string, MarkedEvent[], bigint | undefined])[] = [
  ['one message, expected version', newEvents(2), 1n],
  ['one message, any version', newEvents(2), undefined],
  ['several messages, expected version', newEvents(30, 1_400), 1n],
  ['several messages, any version', newEvents(30, 1_400), undefined],
];
const maxPayloadBytes = 8_192;

let nats: TestNats;
let relay: TcpRelay;
/** Reaches NATS through the relay. */
let gateway: TestGateway;
/** Reaches NATS directly. */
let other: TestGateway;

beforeAll(async () => {
  nats = await startNats({ maxPayloadBytes });
  relay = await startTcpRelay(nats.port);
  gateway = await startTestGateway([`nats://${relay.address}`], ['--append-timeout-ms=2000']);
  other = await startTestGateway([nats.url]);
});
afterAll(async () => {
  await other[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
  await relay[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

/** A new stream at version 1, which the gateway knows, so that NATS accepts its first attempt. */
async function newStream(): Promise<string> {
  const stream = `lost.${randomUUID()}`;
  const first = { stream, events: newEvents(1), commitId: randomUUID() };
  // The gateway may have just lost its connection.
  await until(() =>
    gateway.client.append(first).then(
      () => true,
      () => false,
    ),
  );
  return stream;
}

/** Waits until another gateway sees that the append is stored. */
async function stored(stream: string, events: readonly MarkedEvent[]): Promise<void> {
  const version = BigInt(events.length) + 1n;
  await until(async () => (await other.client.getVersion({ stream })).version === version);
}

async function expectOnce(stream: string, events: readonly MarkedEvent[]): Promise<bigint> {
  const read = await other.client.readStream({ stream });
  expect(read.events.slice(1).map(({ id }) => id)).toEqual(events.map(({ id }) => id));
  return read.header.position;
}

describe.each(appends)('%s', (_name, events, expectedVersion) => {
  const marked = (): MarkedEvent[] => events.map((event) => ({ ...event, id: randomUUID() }));
  const last = BigInt(events.length) + 1n;

  test('the gateway finds out what became of a commit whose answer was lost', async () => {
    const [stream, mine] = [await newStream(), marked()];
    // The last message of a commit has these words, and only its answer says that it is stored.
    relay.loseAnswersTo(mine.at(-1)?.id ?? '');
    const appended = gateway.client.append({ stream, events: mine, expectedVersion });
    await stored(stream, mine);
    await until(() => relay.isLosing);
    relay.heal();
    const answer = await appended;
    const position = await expectOnce(stream, mine);
    expect(answer).toMatchObject({ firstVersion: 2n, version: last, position, replayed: false });
  });

  test('it reports when it cannot find out in time, and a retry gets the first result', async () => {
    const [stream, mine, commitId] = [await newStream(), marked(), randomUUID()];
    relay.loseAnswersTo(mine.at(-1)?.id ?? '');
    const request = { stream, events: mine, expectedVersion, commitId };
    const failure = await failureOf(gateway.client.append(request));
    expect({ code: failure.code, reason: failure.reason }).toEqual({
      code: status.UNKNOWN,
      reason: 'OUTCOME_UNKNOWN',
    });
    expect(failure.detail('sluice.v1.OutcomeUnknown')).toEqual({ stream, commitId });
    await stored(stream, mine);
    relay.heal();
    await until(
      async () => (await gateway.client.getVersion({ stream }).catch(() => undefined)) !== undefined,
    );
    for (const { client } of [gateway, other]) {
      const answer = await client.append(request);
      const position = await expectOnce(stream, mine);
      expect(answer).toMatchObject({ firstVersion: 2n, version: last, position, replayed: true, commitId });
    }
  });

  test('a retry stores a commit that never reached the store', async () => {
    const [stream, mine, commitId] = [await newStream(), marked(), randomUUID()];
    const request = { stream, events: mine, expectedVersion, commitId };
    relay.loseRequests();
    const failure = await failureOf(gateway.client.append(request));
    expect([status.UNKNOWN, status.UNAVAILABLE]).toContain(failure.code);
    relay.heal();
    await until(
      async () => (await gateway.client.getVersion({ stream }).catch(() => undefined)) !== undefined,
    );
    expect((await other.client.getVersion({ stream })).version).toBe(1n);
    const answer = await gateway.client.append(request);
    expect(answer).toMatchObject({ firstVersion: 2n, version: last, replayed: false });
    await expectOnce(stream, mine);
  });

  test('a caller whose connection is lost may retry, even when the stream has grown', async () => {
    const [stream, mine, commitId] = [await newStream(), marked(), randomUUID()];
    const request = { stream, events: mine, expectedVersion, commitId };
    await using toGateway = await startTcpRelay(Number(other.address.split(':')[1]));
    using client = connectRpc(toGateway.address);
    toGateway.loseAnswersTo(mine.at(-1)?.id ?? '');
    const appended = failureOf(client.append(request));
    await stored(stream, mine);
    toGateway.heal();
    const failure = await appended;
    expect({ code: failure.code, reason: failure.reason }).toEqual({
      code: status.UNAVAILABLE,
      reason: undefined,
    });
    const position = await expectOnce(stream, mine);
    await gateway.client.append({ stream, events: newEvents(1), expectedVersion: last });
    for (const next of [client, gateway.client]) {
      const answer = await next.append(request);
      expect(answer).toMatchObject({ firstVersion: 2n, version: last, position, replayed: true, commitId });
    }
    expect((await other.client.getVersion({ stream })).version).toBe(last + 1n);
  });
});
