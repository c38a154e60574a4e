import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { failureOf } from '../support/rpc-failure';
import { connectRpc, type RpcClient } from '../support/rpc-client';

/** The version of a stream is in its last message, which NATS sends as a whole: megabytes for a small request. */

const maxPayloadBytes = 9 << 20;
const askers = 16;
const phaseMs = 4_000;
const large = newEvents(8, 980_000);

/** nats-server ends a connection for which too much waits. */
async function connectionsCut(nats: TestNats): Promise<unknown> {
  return (await nats.monitor('/varz'))['slow_consumers'];
}

/** Appends to other streams as fast as it can for some time, and counts them. Fails if one fails. */
async function countAppends(client: RpcClient): Promise<number> {
  const untilMs = Date.now() + phaseMs;
  let count = 0;
  while (Date.now() < untilMs) {
    // A version that the gateway knows, and one that it must look up.
    await client.append({ stream: 'small.1', events: newEvents(1) });
    await client.append({ stream: `small.${count.toString()}.${untilMs.toString()}`, events: newEvents(1) });
    count += 2;
  }
  return count;
}

/** The requests that many callers send at the same time, each about its stream. */
type Request = (client: RpcClient, stream: string) => Promise<unknown>;
const getVersion: Request = (client, stream) => client.getVersion({ stream });
const wrongAppend: Request = (client, stream) =>
  failureOf(client.append({ stream, events: newEvents(1), expectedVersion: 3n }));

const requests: readonly [string, number, Request][] = [
  ['GetVersion', 1, getVersion],
  ['ReadStream from its end', 1, (client, stream) => client.readStream({ stream, fromVersion: 9n })],
  ['Append of nothing', 1, (client, stream) => client.append({ stream, events: [] })],
  ['GetVersion', askers, getVersion],
  ['Append with a wrong version', 1, wrongAppend],
  ['Append with a wrong version', askers, wrongAppend],
];

/** Appends while many callers send requests about streams and get answers. */
async function appendsBeside(
  address: string,
  client: RpcClient,
  request: Request,
  streams: readonly string[],
): Promise<number> {
  const stop = new AbortController();
  const asking = Array.from({ length: askers }, async (_, asker) => {
    using own = connectRpc(address);
    let answers = 0;
    for (; !stop.signal.aborted; answers++) await request(own, streams[asker % streams.length] as string);
    return answers;
  });
  const appends = await countAppends(client);
  stop.abort();
  for (const answers of await Promise.all(asking)) expect(answers).toBeGreaterThan(0);
  return appends;
}

test.each(requests)(
  'appends continue while others request by %s %i streams with large last commits',
  async (_name, streams, ask) => {
    await using nats = await startNats({ maxPayloadBytes });
    await using gateway = await startTestGateway([nats.url]);
    const { client, address } = gateway;
    const named = (prefix: string): string[] =>
      Array.from({ length: streams }, (_, index) => `${prefix}.${index.toString()}`);
    for (const stream of named('little')) await client.append({ stream, events: newEvents(8) });
    for (const stream of named('large')) await client.append({ stream, events: large });
    const besideSmall = await appendsBeside(address, client, ask, named('little'));
    const besideLarge = await appendsBeside(address, client, ask, named('large'));
    expect(await connectionsCut(nats)).toBe(0);
    // Before large answers were bounded, 1 to 5 % of the appends were left.
    expect(besideLarge).toBeGreaterThan(besideSmall / 5);
  },
  120_000,
);

test('ListStreams returns every stream, however large its last commit is', async () => {
  await using nats = await startNats({ maxPayloadBytes });
  await using gateway = await startTestGateway([nats.url]);
  const { client } = gateway;
  const names = Array.from({ length: askers }, (_, i) => `large.${(10 + i).toString()}`);
  for (const stream of names) await client.append({ stream, events: large });
  const listed = await Promise.all([client.listStreams(), client.listStreams()]);
  for (const list of listed) expect(list.map(({ stream }) => stream)).toEqual(names);
  for (const list of listed) expect(list.every(({ version }) => version === 8n)).toBe(true);
  expect(await connectionsCut(nats)).toBe(0);
}, 120_000);
