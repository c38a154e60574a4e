import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { SubscribeRequest, type SubscribeResponse } from '../../generated/sluice/v1/event_store_service';
import { makeAuthFile } from '../support/access';
import { newEvents } from '../support/attempts';
import { startGatewayProcess } from '../support/gateway';
import { connectionsOf, consumersOf } from '../support/monitor';
import { until } from '../support/nats-server';
import { processes } from '../support/one-process';
import { connectRpc, type RpcClient } from '../support/rpc-client';
import { residentBytes } from '../support/resident-memory';
import { singleServer, type Environment } from './environment';

let server: Environment;
beforeAll(async () => {
  server = await singleServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const callsPerConnection = 500;

/** Open subscriptions and what has come on them. */
interface Crowd extends Disposable {
  caughtUp(): number;
  /** Events that each has got. */
  readonly events: readonly number[];
}

function subscribeAll(address: string, requests: readonly SubscribeRequest[], token?: string): Crowd {
  const clients: RpcClient[] = [];
  const calls: ClientReadableStream<SubscribeResponse>[] = [];
  const events = requests.map(() => 0);
  let caughtUp = 0;
  for (const [index, request] of requests.entries()) {
    if (index % callsPerConnection === 0) clients.push(connectRpc(address, token));
    const call = (clients.at(-1) as RpcClient).raw.subscribe(request);
    call.on('error', () => undefined);
    call.on('data', (message: SubscribeResponse) => {
      events[index] = (events[index] ?? 0) + message.events.length;
      if (message.notice?.$case === 'caughtUp') caughtUp++;
    });
    calls.push(call);
  }
  return {
    caughtUp: () => caughtUp,
    events,
    [Symbol.dispose]() {
      for (const call of calls) call.cancel();
      for (const client of clients) client[Symbol.dispose]();
    },
  };
}

const grants = [{ actions: ['append', 'read', 'subscribe', 'info'], streams: ['>'] }];

test.each([false, true])(
  'test_idle_subscriptions, with an auth file: %s',
  async (hasAuthFile) => {
    const file = makeAuthFile({ reader: { grants } });
    const [flags, token] = hasAuthFile
      ? [[`--auth-file=${file.path}`], file.tokenOf('reader')]
      : [[], undefined];
    await using own = await singleServer(); // memory also depends on what the store has
    await using gateway = await startGatewayProcess(own.urls, flags);
    using client = connectRpc(gateway.address, token);
    const requests = Array.from({ length: 5_000 }, (_, index) =>
      SubscribeRequest.fromPartial({ stream: `idle.${index}`, heartbeatInterval: { seconds: 10n } }),
    );
    using crowd = subscribeAll(gateway.address, requests, token);
    await until(() => crowd.caughtUp() === requests.length, 60_000);
    // More than the checkpoints' 1,000 commits: all get one, because others write.
    for (let i = 0; i < 1_100; i++) await client.append({ stream: 'busy', events: newEvents(1) });
    await sleep(3_000);
    // What the subscribers have left behind at their start is collected by and by, while something is done: then 255 to 280 MB are left.
    await until(async () => {
      for (let i = 0; i < 10; i++) await client.append({ stream: 'busy', events: newEvents(100) });
      return residentBytes(gateway.process.pid) < (300 + 130 * (processes - 1)) << 20;
    }, 30_000);
    // One for each gateway.
    expect(await consumersOf(own.nodes)).toBe(2);
    expect((await connectionsOf(own.nodes)).length).toBeLessThan(10 * processes);
    await client.append({ stream: 'idle.4999', events: newEvents(1) });
    await until(() => crowd.events[4_999] === 1);
  },
  120_000,
);

test('test_hot_stream', async () => {
  await using gateway = await startGatewayProcess(server.urls);
  const request = SubscribeRequest.fromPartial({ stream: 'hot', afterPosition: 0n });
  using crowd = subscribeAll(gateway.address, Array<SubscribeRequest>(1_000).fill(request));
  await until(() => crowd.caughtUp() === 1_000, 60_000);
  for (let i = 0; i < 50; i++) await gateway.client.append({ stream: 'hot', events: newEvents(2) });
  await until(() => crowd.events.every((count) => count === 100), 60_000);
  // One for each gateway.
  expect(await consumersOf(server.nodes)).toBe(2);
}, 120_000);
