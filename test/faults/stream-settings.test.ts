import { connect, type NatsConnection } from 'nats';
import { defaultLimits } from '../../src/limits';
import { logConfig } from '../../src/jetstream/nats/open-stream';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { infoNow } from '../support/info-now';
import { startNats } from '../support/nats-server';

/** Settings of the streams of the store that cannot be reset, and what can be done then. */

async function withNats(test: (url: string, connection: NatsConnection) => Promise<void>): Promise<void> {
  await using nats = await startNats();
  const connection = await connect({ servers: nats.url });
  try {
    await test(nats.url, connection);
  } finally {
    await connection.close();
  }
}

async function update(
  connection: NatsConnection,
  name: string,
  field: string,
  value: unknown = true,
): Promise<void> {
  const { streams } = await connection.jetstreamManager();
  const { config } = await streams.info(name);
  const body = JSON.stringify({ ...config, [field]: value });
  const answer = await connection.request(`$JS.API.STREAM.UPDATE.${name}`, body);
  expect(answer.json()).toMatchObject({ config: { [field]: value } });
}

/** The message of a refused start. */
async function refusal(url: string): Promise<string> {
  return startTestGateway([url]).then(
    async (gateway) => {
      await gateway[Symbol.asyncDispose]();
      return 'it started';
    },
    (error: unknown) => (error as Error).message,
  );
}

test('a log with allow_msg_ttl is served', () =>
  withNats(async (url, connection) => {
    await (await startTestGateway([url]))[Symbol.asyncDispose]();
    await update(connection, 'EVENTS', 'allow_msg_ttl');
    await using gateway = await startTestGateway([url]);
    await gateway.client.append({ stream: 'a.1', events: newEvents(2) });
    expect((await gateway.client.readStream({ stream: 'a.1' })).events).toHaveLength(2);
  }));

test('a log whose sequences are not exact in JSON is refused, and does not hang', () =>
  withNats(async (url, connection) => {
    const wanted = logConfig({ name: 'EVENTS', prefix: 'es', replicas: 1 }, defaultLimits);
    const body = JSON.stringify({ ...wanted, first_seq: 0 }).replace(
      '"first_seq":0',
      '"first_seq":9007199254741000',
    );
    const answer = await connection.request('$JS.API.STREAM.CREATE.EVENTS', body);
    expect(answer.json()).toMatchObject({ config: { name: 'EVENTS' } });
    expect(await refusal(url)).toMatch(/sequences of the JetStream stream EVENTS .* first_seq/s);
  }));

test.each([
  ['max_consumers', 1],
  ['max_msg_size', 4_096],
])('a log with a bound in %s is refused by name', (field, bound) =>
  withNats(async (url, connection) => {
    const wanted = logConfig({ name: 'EVENTS', prefix: 'es', replicas: 1 }, defaultLimits);
    const body = JSON.stringify({ ...wanted, [field]: bound });
    const answer = await connection.request('$JS.API.STREAM.CREATE.EVENTS', body);
    expect(answer.json()).toMatchObject({ config: { [field]: bound } });
    expect(await refusal(url)).toContain(`${field}: found ${bound.toString()}, needed -1`);
  }),
);

test('limits on consumers are reported while a gateway runs, and refused at the start', () =>
  withNats(async (url, connection) => {
    // A limit that the consumers of gateways respect: NATS refuses others while such consumers exist.
    const limits = { inactive_threshold: 20_000_000_000 };
    {
      await using gateway = await startTestGateway([url]);
      await update(connection, 'EVENTS', 'consumer_limits', limits);
      const { store } = await infoNow(gateway.client);
      expect(store?.wrongSettings).toEqual([expect.stringContaining('consumer_limits')]);
    }
    expect(await refusal(url)).toContain('consumer_limits');
    await update(connection, 'EVENTS', 'consumer_limits', {});
    expect(await refusal(url)).toBe('it started');
  }));
