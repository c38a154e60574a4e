import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ClientReadableStream } from '@grpc/grpc-js';
import { ReadStreamRequest, type ReadStreamResponse } from '../../generated/sluice/v1/event_store_service';
import { serves } from '../acceptance/environment';
import { newEvents } from '../support/attempts';
import { startGatewayProcess, startTestGateway, type GatewayProcess } from '../support/gateway';
import { sumOver } from '../support/monitor';
import { startNats, until, type TestNats } from '../support/nats-server';
import { residentBytes } from '../support/resident-memory';
import { messagesOf, type RpcClient } from '../support/rpc-client';
import { RpcFailure } from '../support/rpc-failure';

/** A read is complete or an error, and stops while its caller does not read. */

const stream = 'long';
const commits = 160;
const eventsPerCommit = 10;
const payloadBytes = 80_000;
const bytesInAll = commits * eventsPerCommit * payloadBytes;

let nats: TestNats;
let gateway: GatewayProcess;
beforeAll(async () => {
  nats = await startNats();
  gateway = await startGatewayProcess([nats.url]);
  for (let commit = 0; commit < commits; commit++) {
    await gateway.client.append({ stream, events: newEvents(eventsPerCommit, payloadBytes) });
  }
}, 60_000);
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

function open({ raw }: RpcClient): ClientReadableStream<ReadStreamResponse> {
  return raw.readStream(ReadStreamRequest.fromPartial({ stream }), { deadline: Date.now() + 60_000 });
}

/** Reads to the end, and resolves with the versions and whether the end came; fails with RpcFailure. */
async function readOn(call: AsyncIterable<unknown>): Promise<{ versions: bigint[]; complete: boolean }> {
  const versions: bigint[] = [];
  let complete = false;
  for await (const { events, end } of messagesOf<ReadStreamResponse>(call)) {
    versions.push(...events.map(({ version }) => version));
    complete = end !== undefined;
  }
  return { versions, complete };
}

/** Waits until the server sends the gateway nothing more for a reader. Resolves with the bytes that it has sent. */
async function untilStalled(): Promise<number> {
  const sent = (): Promise<number> => sumOver([nats], 'read', 'out_bytes');
  let last = -1;
  let sameSince = Date.now();
  await until(async () => {
    const now = await sent();
    // The regular requests of the gateway are far less than a page.
    if (now - last > 100_000) {
      last = now;
      sameSince = Date.now();
    }
    return Date.now() - sameSince > 1_000;
  }, 30_000);
  return sent();
}

test('a slow caller costs the gateway little memory, and gets everything in the end', async () => {
  expect(bytesInAll).toBeGreaterThan(100 << 20);
  const { pid } = gateway.process;
  // A warm-up: one whole read, so that only the waiting read is measured.
  expect((await readOn(open(gateway.client))).versions).toHaveLength(commits * eventsPerCommit);
  const sentBefore = await untilStalled();
  const before = residentBytes(pid);

  const call = open(gateway.client);
  const messages = messagesOf<ReadStreamResponse>(call);
  const first = await messages.next();
  call.pause();
  const held = (await untilStalled()) - sentBefore;
  expect(held).toBeLessThan(16 << 20);
  expect(residentBytes(pid) - before).toBeLessThan(64 << 20);
  // Other callers do not wait.
  expect((await gateway.client.getVersion({ stream })).version).toBe(BigInt(commits * eventsPerCommit));

  if (first.done === true) throw new Error('nothing came');
  const rest = await readOn(messages);
  const versions = [...first.value.events.map(({ version }) => version), ...rest.versions];
  expect(rest.complete).toBe(true);
  expect(versions).toEqual(
    Array.from({ length: commits * eventsPerCommit }, (_, index) => BigInt(index + 1)),
  );
}, 120_000);

test('a caller that never reads gets an error, not an end', async () => {
  await using impatient = await startTestGateway([nats.url], ['--read-stall-timeout-ms=500']);
  const call = open(impatient.client);
  const messages = messagesOf<ReadStreamResponse>(call);
  await messages.next();
  call.pause();
  await sleep(2_000);
  const failure: unknown = await readOn(messages).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(RpcFailure);
  expect(failure).toMatchObject({ code: status.CANCELLED });
}, 60_000);

test.each(['restart', 'kill'] as const)(
  'a read that the server leaves (%s) is complete or an error, and right as far as it came',
  async (fault) => {
    const outcomes: string[] = [];
    for (const pages of [1, 30]) {
      const call = open(gateway.client);
      const messages = messagesOf<ReadStreamResponse>(call);
      const versions: bigint[] = [];
      for (let page = 0; page < pages; page++) {
        const { value } = await messages.next();
        versions.push(...(value?.events ?? []).map(({ version }) => version));
      }
      if (fault === 'kill') {
        await nats.kill();
        await nats.start();
      } else await nats.restart();
      try {
        const rest = await readOn(messages);
        versions.push(...rest.versions);
        expect(rest.complete).toBe(true);
        expect(versions).toHaveLength(commits * eventsPerCommit);
        outcomes.push('complete');
      } catch (error) {
        expect(error).toBeInstanceOf(RpcFailure);
        expect(error).toMatchObject({ code: status.UNAVAILABLE, reason: 'STORE_UNAVAILABLE' });
        outcomes.push('error');
      }
      expect(versions).toEqual(versions.map((_, index) => BigInt(index + 1)));
      await serves(gateway.client);
      expect(await readOn(open(gateway.client))).toMatchObject({ complete: true });
    }
    // The gateway reads from its replica, so the read need not end with the server.
    expect(outcomes).toHaveLength(2);
  },
  120_000,
);
