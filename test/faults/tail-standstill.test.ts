import { status } from '@grpc/grpc-js';
import { connect, type JetStreamManager, type NatsConnection } from 'nats';
import { findings } from '../../src/cli/findings';
import { version } from '../../src/version';
import { newEvents } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import type { RpcFailure } from '../support/rpc-failure';

/** A person changes the consumer that delivers new commits. Subscribers still get all commits, or an error. */

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

/** The names of the consumers of gateways. */
async function names(manager: JetStreamManager): Promise<string[]> {
  const consumers = await manager.consumers.list('EVENTS').next();
  return consumers.map(({ name }) => name).filter((name) => name.startsWith('sluice-replica-'));
}

/** Whether doctor reports that new commits arrive, and this about the replica. */
async function says(replica: 'ok' | 'warn'): Promise<boolean> {
  const list = findings(await gateway.client.serverInfo(), version);
  const levelOf = (wanted: string): string | undefined => list.find(({ check }) => check === wanted)?.level;
  return levelOf('subscribe') === 'ok' && levelOf('replica') === replica;
}

test.each(verbs)(
  'its consumer is %s',
  async (name, isSeen, act) => {
    const { client } = gateway;
    const stream = `standstill.${name}`;
    const call = new AbortController();
    const got: string[] = [];
    let isLive = false;
    const following = (async () => {
      for await (const { events, notice } of client.subscribe({ patterns: [stream], fromNow: true })) {
        isLive ||= notice?.$case === 'caughtUp';
        got.push(...events.map(({ id }) => id));
        if (call.signal.aborted) return;
      }
    })();
    following.catch(() => undefined);
    const manager = await connection.jetstreamManager();
    await until(async () => (await names(manager)).length > 0);
    const sent: string[] = [];
    const send = async (): Promise<void> => {
      const events = newEvents(1);
      await client.append({ stream, events });
      sent.push(...events.map(({ id }) => id));
    };
    // It need not get commits that are stored before it knows the end of the log.
    await until(() => isLive);
    await send();
    await until(() => got.length === 1);
    if (isSeen) await until(() => says('ok'));
    const [consumer = ''] = await names(manager);
    await act({ connection, manager, consumer });
    await send();
    await until(() => got.length === sent.length, 30_000);
    // Commits arrive again, and for a minute doctor still reports that they did not.
    if (isSeen) await until(() => says('warn'));
    await send();
    await until(() => got.length === sent.length, 30_000);
    expect(got).toEqual(sent);
    call.abort();
    await send();
    await following;
  },
  90_000,
);

test('limits of the log for consumers: subscribers get new commits or an error, and doctor reports it', async () => {
  const { client } = gateway;
  const manager = await connection.jetstreamManager();
  const { config } = await manager.streams.info('EVENTS');
  const set = async (limits: object): Promise<void> => {
    const body = JSON.stringify({ ...config, consumer_limits: limits });
    const answer = await connection.request('$JS.API.STREAM.UPDATE.EVENTS', body);
    expect(answer.json()).toMatchObject({ config: { consumer_limits: limits } });
  };
  const stream = 'standstill.limits';
  /** Follows the stream until all these events have arrived, and resolves with them. */
  const follow = async (count: number): Promise<number> => {
    let got = 0;
    for await (const { events } of client.subscribe({ patterns: [stream] })) {
      got += events.length;
      if (got === count) break;
    }
    return got;
  };
  // Present subscribers are affected as well as new ones.
  const outcomes: unknown[] = [];
  const note = (following: Promise<number>): void => {
    following.then(
      (got) => outcomes.push(got),
      (error: unknown) => outcomes.push((error as RpcFailure).code),
    );
  };
  note(follow(2));
  await until(async () => (await names(manager)).length === 1);
  try {
    // NATS refuses limits that an existing consumer exceeds.
    for (const name of await names(manager)) await manager.consumers.delete('EVENTS', name);
    await set({ inactive_threshold: 1_000_000_000, max_ack_pending: 1 });
    note(follow(2));
    for (const event of newEvents(2)) await client.append({ stream, events: [event] });
    await until(() => outcomes.length === 2, 30_000);
    for (const outcome of outcomes) expect([2, status.UNAVAILABLE]).toContain(outcome);
    await until(async () => {
      const found = findings(await client.serverInfo(), version);
      return found.some(({ check, level: how }) => check === 'settings' && how === 'fail');
    });
  } finally {
    await set({});
  }
  expect(await follow(2)).toBe(2);
}, 90_000);
