import { connect, type JetStreamManager, type NatsConnection } from 'nats';
import { findings } from '../../src/cli/findings';
import { version } from '../../src/version';
import { newEvents } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';

/** Somebody does something to the consumer through which new commits come. Subscribers get them all the same, or an error. */

interface Tried {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  /** The name of the consumer. */
  readonly consumer: string;
}

const verbs: readonly [string, boolean, (tried: Tried) => Promise<unknown>][] = [
  [
    'paused',
    true,
    ({ manager, consumer }) => manager.consumers.pause('EVENTS', consumer, new Date(Date.now() + 3_600_000)),
  ],
  [
    'reset',
    false,
    ({ connection, consumer }) =>
      connection.request(`$JS.API.CONSUMER.RESET.EVENTS.${consumer}`, JSON.stringify({ seq: 1_000 })),
  ],
  ['deleted', false, ({ manager, consumer }) => manager.consumers.delete('EVENTS', consumer)],
];

let nats: TestNats;
let gateway: TestGateway;
let connection: NatsConnection;
beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  connection = await connect({ servers: nats.url });
});
afterAll(async () => {
  await connection.close();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

/** What doctor says of subscriptions. */
async function level(): Promise<string | undefined> {
  const info = await gateway.client.serverInfo();
  return findings(info, version).find(({ check }) => check === 'subscribe')?.level;
}

test.each(verbs)(
  'its consumer is %s',
  async (name, isSeen, act) => {
    const { client } = gateway;
    const stream = `standstill.${name}`;
    const call = new AbortController();
    const got: string[] = [];
    const following = (async () => {
      for await (const { events } of client.subscribe({ patterns: [stream], fromNow: true })) {
        got.push(...events.map(({ id }) => id));
        if (call.signal.aborted) return;
      }
    })();
    following.catch(() => undefined);
    const manager = await connection.jetstreamManager();
    const names = async (): Promise<string[]> =>
      (await manager.consumers.list('EVENTS').next()).map((one) => one.name);
    await until(async () => (await names()).some((one) => one.startsWith('sluice-tail-')));
    const sent: string[] = [];
    const send = async (): Promise<void> => {
      const events = newEvents(1);
      await client.append({ stream, events });
      sent.push(...events.map(({ id }) => id));
    };
    await send();
    await until(() => got.length === 1);
    if (isSeen) await until(async () => (await level()) === 'ok');
    const consumer = (await names()).find((one) => one.startsWith('sluice-tail-')) as string;
    await act({ connection, manager, consumer });
    await send();
    await until(() => got.length === sent.length, 30_000);
    if (isSeen) await until(async () => (await level()) === 'fail');
    await send();
    await until(() => got.length === sent.length, 30_000);
    expect(got).toEqual(sent);
    call.abort();
    await send();
    await following;
  },
  90_000,
);
