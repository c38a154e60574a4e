import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { connectWire, wireFailureOf, type WireClient, type WireMessage } from '../support/wire-client';

const notFound = 5;
/** "" is the gateway as a whole. */
const ours = ['EventStoreService', 'ConsumerGroupService', 'StreamService'];
const services = ['', 'append', 'read', ...ours.map((name) => `sluice.v1.${name}`)];

let nats: TestNats;
let gateway: TestGateway;
let wire: WireClient;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  wire = connectWire(gateway.address, { service: 'grpc.health.v1.Health' });
});

afterAll(async () => {
  wire[Symbol.dispose]();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

async function check(service: string): Promise<unknown> {
  return (await wire.unary('Check', { service }))['status'];
}

function all(status: string): WireMessage {
  return { statuses: Object.fromEntries(services.map((service) => [service, { status }])) };
}

test('an unknown service is NOT_FOUND to Check and SERVICE_UNKNOWN to Watch', async () => {
  expect(await wireFailureOf(wire.unary('Check', { service: 'nobody' }))).toMatchObject({ code: notFound });
  const watch = wire.open('Watch', { service: 'nobody' });
  watch.on('error', () => undefined);
  expect(await new Promise((resolve) => watch.once('data', resolve))).toEqual({ status: 'SERVICE_UNKNOWN' });
  watch.cancel();
});

test('Check, Watch and List follow NATS as it goes away and comes back', async () => {
  const seen = services.map((service) => {
    const statuses: unknown[] = [];
    const watch = wire.open('Watch', { service });
    watch.on('data', ({ status }: WireMessage) => statuses.push(status)).on('error', () => undefined);
    return { watch, statuses };
  });
  const sawLast = (status: string) => () => seen.every(({ statuses }) => statuses.at(-1) === status);
  const expectAll = async (status: string): Promise<void> => {
    await until(sawLast(status));
    for (const service of services) expect(await check(service)).toBe(status);
    expect(await wire.unary('List', {})).toEqual(all(status));
  };
  await expectAll('SERVING');
  await nats.stop();
  await expectAll('NOT_SERVING');
  await nats.start();
  await expectAll('SERVING');
  await nats.kill();
  await expectAll('NOT_SERVING');
  await nats.start();
  await expectAll('SERVING');
  for (const { watch, statuses } of seen) {
    expect(statuses).toEqual(['SERVING', 'NOT_SERVING', 'SERVING', 'NOT_SERVING', 'SERVING']);
    watch.cancel();
  }
  // What is called serving does serve.
  using store = connectWire(gateway.address);
  expect(await store.unary('Append', { stream: 'health.1', events: [{ type: 'Fine' }] })).toMatchObject({
    version: '1',
  });
});
