import { once } from 'node:events';
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, nanos, type StreamConfig } from 'nats';
import { uuidV7 } from '../../src/uuid';
import { serves } from '../acceptance/environment';
import { plainEvents } from '../contract/events';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import type { RpcClient } from '../support/rpc-client';

/** The server forgets a commit id too early, and a commit that is sent again still gets the result of the stored one. */

const shortMs = 100;
const longMs = 120_000;
/** A gateway checks the settings of the log once a second. */
const seenMs = 3_000;

async function setWindow(url: string, windowMs: number): Promise<void> {
  const connection = await connect({ servers: url });
  const { streams } = await connection.jetstreamManager();
  const change: Partial<StreamConfig> = { duplicate_window: nanos(windowMs) };
  await streams.update('EVENTS', change);
  await connection.close();
}

/** Appends without an expected version and with new ids; their streams get more commits afterwards. */
class Appends {
  private readonly answers: unknown[] = [];
  private readonly singles;
  private readonly transactions;

  constructor(name: string) {
    this.singles = [1, 2, 3].map((number) => ({
      stream: `${name}.${number}`,
      events: plainEvents(number),
      commitId: uuidV7(),
    }));
    this.transactions = [1, 2, 3].map((number) => ({
      appends: ['a', 'b'].map((part) => ({ stream: `${name}.${number}.${part}`, events: plainEvents(2) })),
      commitId: uuidV7(),
    }));
  }

  async store(client: RpcClient): Promise<void> {
    this.answers.push(...(await this.send(client)));
    for (const { stream } of this.singles.slice(1))
      await client.append({ stream, events: plainEvents(1, 'x') });
  }

  async expectReplays(client: RpcClient): Promise<void> {
    const replays = this.answers.map((answer) => ({ ...(answer as object), replayed: true }));
    expect(await this.send(client)).toEqual(replays);
  }

  private async send(client: RpcClient): Promise<unknown[]> {
    const all = [
      ...this.singles.map((append) => client.append(append)),
      ...this.transactions.map((transaction) => client.appendMulti(transaction)),
    ];
    return Promise.all(all);
  }
}

test('the window of the ids is edited while gateways run', async () => {
  await using nats = await startNats();
  await using one = await startTestGateway([nats.url]);
  await using other = await startTestGateway([nats.url]);
  const [first, second] = [new Appends('first'), new Appends('second')];
  await sleep(seenMs); // ids are left to the server's memory from now on
  await first.store(one.client);
  await setWindow(nats.url, shortMs);
  await sleep(3 * shortMs);
  await first.expectReplays(one.client);
  await sleep(seenMs);
  await first.expectReplays(other.client);
  await second.store(other.client);
  await sleep(3 * shortMs);
  await second.expectReplays(one.client);
  // Ids that were forgotten meanwhile stay forgotten.
  await setWindow(nats.url, longMs);
  await sleep(seenMs);
  for (const { client } of [one, other])
    for (const appends of [first, second]) await appends.expectReplays(client);
}, 60_000);

test('the server has forgotten the ids when a connection comes back', async () => {
  await using nats = await startNats();
  await using one = await startTestGateway([nats.url]);
  await using other = await startTestGateway([nats.url]);
  const appends = new Appends('away');
  await sleep(seenMs);
  await appends.store(one.client);
  await setWindow(nats.url, shortMs);
  await sleep(3 * shortMs);
  await nats.restart();
  await setWindow(nats.url, longMs);
  for (const { client } of [other, one]) {
    await serves(client);
    await appends.expectReplays(client);
  }
}, 60_000);

test('the gateway sends only the headers of its table', async () => {
  await using nats = await startNats({ maxPayloadBytes: 4_096 });
  const names = new Set<string>();
  const relay = createServer((client) => {
    const target = connectTcp(nats.port, '127.0.0.1');
    for (const socket of [client, target]) socket.on('error', () => undefined);
    client.on('close', () => target.destroy());
    target.on('close', () => client.destroy());
    client.on('data', (bytes) => {
      for (const [, name] of bytes.toString('latin1').matchAll(/\r\n(Nats-[A-Za-z-]+):/gi))
        names.add(name ?? '');
      target.write(bytes);
    });
    target.pipe(client);
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  try {
    const url = `nats://127.0.0.1:${(relay.address() as AddressInfo).port}`;
    await using gateway = await startTestGateway([url]);
    const { client } = gateway;
    const appends = new Appends('sent');
    await appends.store(client);
    await appends.expectReplays(client);
    // In parts, checked, refused, and with an id that the server knows from another commit.
    const events = Array.from({ length: 8 }, (_, i) => ({
      ...plainEvents(1, `p${i}`)[0],
      metadata: new Map([['m', 'x'.repeat(1_000)]]),
    }));
    const commitId = uuidV7();
    const parts = { stream: 'sent.parts', events, commitId };
    await client.append(parts);
    await client.append(parts);
    const checks = [{ stream: 'sent.none', expectedVersion: 0n }];
    await client.appendMulti({ appends: [{ stream: 'sent.checked', events: plainEvents(1) }], checks });
    await expect(client.append({ ...parts, commitId: uuidV7(), expectedVersion: 3n })).rejects.toThrow();
    await expect(
      client.appendMulti({
        appends: [{ stream: 'sent.other', events: plainEvents(1) }],
        checks,
        commitId,
      }),
    ).rejects.toThrow();
    await expect(client.append({ ...parts, stream: 'sent.again' })).rejects.toThrow();
  } finally {
    relay.close();
  }
  expect([...names].sort()).toEqual([
    'Nats-Batch-Commit',
    'Nats-Batch-Id',
    'Nats-Batch-Sequence',
    'Nats-Expected-Last-Subject-Sequence',
    'Nats-Expected-Last-Subject-Sequence-Subject',
    'Nats-Msg-Id',
  ]);
}, 60_000);
