import { status } from '@grpc/grpc-js';
import { connect } from 'nats';
import { Direction } from '../../generated/sluice/v1/event_store_service';
import { newEvents } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { loseFirstBlock } from '../support/log-blocks';
import { startNats, until } from '../support/nats-server';
import { failureOf } from '../support/rpc-failure';

/** No message leaves a log. If one has nevertheless, no reader learns that it never existed, and no version is given twice. */

/** Enough for several files of the log. */
const commits = 40;
const eventBytes = 500_000;

/** The first commits of `old` and all commits of `early` are in the first file, the last one of `old` is at the end. */
async function fill({ client }: TestGateway): Promise<void> {
  await client.append({ stream: 'early', events: newEvents(1) });
  for (let commit = 0; commit < commits; commit++)
    await client.append({ stream: 'old', events: newEvents(1, eventBytes) });
  await client.append({ stream: 'late', events: newEvents(2), expectedVersion: 0n });
}

async function expectDataLoss(call: Promise<unknown>): Promise<void> {
  const { code, reason } = await failureOf(call);
  expect({ code, reason }).toEqual({ code: status.DATA_LOSS, reason: 'UNREADABLE_COMMIT' });
}

async function expectNothingHidden({ client }: TestGateway): Promise<void> {
  await expectDataLoss(client.readStream({ stream: 'old' }));
  await expectDataLoss(client.readStream({ stream: 'old', direction: Direction.BACKWARD }));
  await expectDataLoss(client.readStream({ stream: 'early' }));
  await expectDataLoss(client.getVersion({ stream: 'early' }));
  await expectDataLoss(client.append({ stream: 'early', events: newEvents(1), expectedVersion: 0n }));
  await expectDataLoss(client.append({ stream: 'early', events: newEvents(1) }));
  await expectDataLoss(client.append({ stream: 'new', events: newEvents(1), expectedVersion: 0n }));
  const appends = [{ stream: 'early', events: newEvents(1), expectedVersion: 0n }];
  await expectDataLoss(client.appendMulti({ appends, checks: [{ stream: 'old', expectedVersion: 40n }] }));
  await expectDataLoss(client.readAll());
  await expectDataLoss(client.readAll({ patterns: ['early'] }));
  await expectDataLoss(client.readAll({ direction: Direction.BACKWARD }));
  await expectDataLoss(
    client
      .subscribe()
      .next()
      .then(() => client.readAll()),
  );
  await expectDataLoss(client.readByCorrelation({ correlationId: 'any' }));
}

/** The rest is served: a log must be readable when it is needed most. */
async function expectRestServed({ client }: TestGateway): Promise<void> {
  const { version } = await client.getVersion({ stream: 'old' });
  expect(version).toBe(BigInt(commits));
  const last = await client.readStream({ stream: 'old', direction: Direction.BACKWARD, maxCount: 2n });
  expect(last.events.map((event) => event.version)).toEqual([40n, 39n]);
  expect((await client.readStream({ stream: 'old', fromVersion: 38n })).events).toHaveLength(3);
  const { events, end } = await client.readAll({ skipUnreadable: true });
  expect(events.filter(({ stream }) => stream === 'late')).toHaveLength(2);
  expect(end.unreadableSkipped).toBe(1n);
  const backward = await client.readAll({ skipUnreadable: true, direction: Direction.BACKWARD });
  expect(backward.events.map(({ id }) => id)).toEqual(events.map(({ id }) => id).reverse());
  const goesOn = await client.append({ stream: 'late', events: newEvents(1), expectedVersion: 2n });
  expect(goesOn.version).toBe(3n);
}

test('the file with the start of the log is lost', async () => {
  await using nats = await startNats();
  {
    await using gateway = await startTestGateway([nats.url]);
    await fill(gateway);
  }
  await nats.stop();
  loseFirstBlock(nats.dataDir, 'EVENTS');
  await nats.start();
  let lost: bigint;
  {
    await using gateway = await startTestGateway([nats.url]);
    await expectNothingHidden(gateway);
    await expectRestServed(gateway);
    const { store } = await gateway.client.serverInfo();
    lost = store?.log?.lostMessages ?? 0n;
    expect(lost).toBeGreaterThan(10n);
    expect(store?.log?.lostMessagesAccepted).toBe(0n);
  }
  // An operator knows it, and wants to continue without them.
  await using gateway = await startTestGateway([nats.url], [`--lost-messages-accepted=${lost.toString()}`]);
  const { client } = gateway;
  expect((await client.append({ stream: 'new', events: newEvents(1) })).version).toBe(1n);
  expect((await client.getVersion({ stream: 'nobody' })).version).toBe(0n);
  expect((await client.readAll()).events.length).toBeGreaterThan(5);
  await expectDataLoss(client.readStream({ stream: 'old' }));
}, 120_000);

test('a bound is set and removed while a gateway runs', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  await fill(gateway);
  const connection = await connect({ servers: nats.url });
  const { streams } = await connection.jetstreamManager();
  await streams.update('EVENTS', { max_msgs_per_subject: 5 });
  await streams.update('EVENTS', { max_msgs_per_subject: -1 });
  await connection.close();
  const { client } = gateway;
  await until(async () => ((await client.serverInfo()).store?.log?.lostMessages ?? 0n) > 0n);
  await expectDataLoss(client.readStream({ stream: 'old' }));
  await expectDataLoss(client.readStream({ stream: 'old', direction: Direction.BACKWARD }));
  await expectDataLoss(client.readAll());
  await expectDataLoss(client.readAll({ patterns: ['old'], direction: Direction.BACKWARD }));
  await expectDataLoss(client.append({ stream: 'new', events: newEvents(1), expectedVersion: 0n }));
  await expectRestServed(gateway);
}, 60_000);

test('the loss is noticed within a second', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const { client } = gateway;
  await client.append({ stream: 'old', events: newEvents(1) });
  await client.append({ stream: 'old', events: newEvents(1) });
  const connection = await connect({ servers: nats.url });
  const { streams } = await connection.jetstreamManager();
  await streams.update('EVENTS', { max_msgs_per_subject: 1 });
  await connection.close();
  const asked = (): Promise<unknown> => client.getVersion({ stream: 'nobody' });
  await until(async () =>
    asked().then(
      () => false,
      () => true,
    ),
  );
  await expectDataLoss(asked());
}, 60_000);

test('a log with all its messages has not lost any, whatever its history', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  const { client } = gateway;
  await client.append({ stream: 'parts', events: newEvents(4, 300_000) });
  await failureOf(client.append({ stream: 'parts', events: newEvents(1), expectedVersion: 1n }));
  await client.appendMulti({
    appends: [{ stream: 'one', events: newEvents(1) }],
    checks: [{ stream: 'parts', expectedVersion: 4n }],
  });
  expect((await client.serverInfo()).store?.log).toEqual({
    lostMessages: 0n,
    lostMessagesAccepted: 0n,
    mirrors: [],
    unreadableCount: 0,
    unreadable: [],
    immutable: false,
    removalTrouble: '',
  });
});
