import { setTimeout as sleep } from 'node:timers/promises';
import {
  connect,
  OutcomeUnknownError,
  UnavailableError,
  VersionConflictError,
  type SluiceClient,
} from '../../src/client/client';
import { startTestGateway } from '../support/gateway';
import { freePorts } from '../support/free-ports';
import { startNats, until } from '../support/nats-server';
import { patience } from '../support/patience';
import { startTcpRelay } from '../support/tcp-relay';
import { failureOf } from './outcomes';

/** Appends that the client sends again are stored once, and have the right result. */

const event = { id: 'e-1', type: 'T' };

test('an append waits for a store that comes back', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  using client = connect(gateway.address);
  await nats.stop();
  expect(await failureOf(client.getVersion('again.1'))).toBeInstanceOf(UnavailableError);
  const appended = client.append('again.1', [event], { expectedVersion: 0 });
  await nats.start();
  expect(await appended).toMatchObject({ version: 1n, replayed: false });
});

test('an append waits through the restart of the only gateway', async () => {
  await using nats = await startNats();
  const [port = 0] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const start = () => startTestGateway([nats.url], [`--listen=${address}`]);
  using client = connect(address);
  const before = await start();
  await client.append('again.5', [event]);
  await before[Symbol.asyncDispose]();
  const appended = client.append('again.5', [event], { expectedVersion: 1 });
  // Longer than three attempts.
  await sleep(5_000);
  await using after = await start();
  expect(await appended).toMatchObject({ version: 2n });
  expect(after.address).toBe(address);
});

describe('when the response is lost', () => {
  interface Loss {
    readonly client: SluiceClient;
    /** Resolves when the append is stored and its response is lost; then the network works again, or never again. */
    readonly lost: (then: 'heal' | 'end') => Promise<void>;
  }
  const withLoss = async (test: (loss: Loss) => Promise<void>, appendAttemptsMax?: number): Promise<void> => {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url]);
    const relay = await startTcpRelay(Number(gateway.address.split(':')[1]));
    let isGone = false;
    const end = async (): Promise<void> => {
      if (!isGone) await relay[Symbol.asyncDispose]();
      isGone = true;
    };
    using client = connect(relay.address, { appendAttemptsMax });
    try {
      await client.getVersion('again.2');
      relay.loseAnswersTo('lose-this');
      await test({
        client,
        lost: async (then) => {
          await until(
            async () =>
              (await gateway.client.getVersion({ stream: 'again.2' })).version === 1n && relay.isLosing,
          );
          if (then === 'heal') relay.heal();
          else await end();
        },
      });
      expect((await gateway.client.readStream({ stream: 'again.2' })).events).toHaveLength(1);
    } finally {
      await end();
    }
  };
  const lostEvent = { id: 'lose-this', type: 'T' };

  test('an append is sent again and has the result of the first time', () =>
    withLoss(async ({ client, lost }) => {
      const appended = client.append('again.2', [lostEvent], { expectedVersion: 0 });
      await lost('heal');
      expect(await appended).toMatchObject({ version: 1n, firstVersion: 1n, replayed: true });
    }));

  test('so is a transaction over several streams', () =>
    withLoss(async ({ client, lost }) => {
      const appended = client.appendMulti([
        { stream: 'again.2', events: [lostEvent] },
        { stream: 'again.3', events: [event] },
      ]);
      await lost('heal');
      expect(await appended).toMatchObject({ replayed: true, streams: [{ version: 1n }, { version: 1n }] });
    }));

  test('it stays in doubt when the gateway is gone', () =>
    withLoss(async ({ client, lost }) => {
      const appending = failureOf(client.append('again.2', [lostEvent], { deadlineMs: 4_000 }));
      await lost('end');
      expect(await appending).toBeInstanceOf(OutcomeUnknownError);
    }));

  test('it is not sent again with a single attempt', () =>
    withLoss(async ({ client, lost }) => {
      const appending = failureOf(client.append('again.2', [lostEvent]));
      await lost('heal');
      expect(await appending).toBeInstanceOf(OutcomeUnknownError);
    }, 1));
});

test('a refused append is not sent again, and no other call is', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  using client = connect(gateway.address);
  await client.append('again.4', [event]);
  const conflict = await failureOf(client.append('again.4', [event], { expectedVersion: 0 }));
  expect(conflict).toBeInstanceOf(VersionConflictError);
  const [port] = await freePorts(1);
  using nowhere = connect(`127.0.0.1:${port}`);
  const beganMs = Date.now();
  expect(await failureOf(nowhere.getVersion('again.4'))).toBeInstanceOf(UnavailableError);
  // A single pause would take at least half a second.
  expect(Date.now() - beganMs).toBeLessThan(450 * patience);
});

test.each([0, -1, NaN])('%s attempts are refused', (appendAttemptsMax) => {
  expect(() => connect('127.0.0.1:1', { appendAttemptsMax })).toThrow(RangeError);
});
