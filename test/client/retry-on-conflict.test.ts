import {
  connect,
  VersionConflictError,
  withRetryOnConflict,
  type AppendResult,
  type SluiceClient,
} from '../../src/client/client';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';

/** The loop of reading, deciding and appending. */
let nats: TestNats;
let gateway: TestGateway;
let client: SluiceClient;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  client = connect(gateway.address);
});

afterAll(async () => {
  client.close();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

interface Counter {
  readonly version: bigint;
  readonly sum: number;
}

async function load(stream: string): Promise<Counter> {
  const read = client.readStream(stream);
  let sum = 0;
  for await (const { type } of read) sum += Number(type);
  return { version: read.head.version, sum };
}

function add(stream: string, { version, sum }: Counter): Promise<AppendResult> {
  // Each event has the number of earlier ones, which would reveal a decision on an old state.
  return client.append(stream, [{ type: '1', metadata: { before: sum.toString() } }], {
    expectedVersion: version,
  });
}

test('lets writers that collide decide again on the new state', async () => {
  const attemptsMax = 1_000;
  const one = async (): Promise<void> => {
    for (let i = 0; i < 5; i++)
      await withRetryOnConflict(
        () => load('counter.1'),
        (counter) => add('counter.1', counter),
        { attemptsMax },
      );
  };
  await Promise.all(Array.from({ length: 8 }, one));
  const before: number[] = [];
  for await (const { metadata } of client.readStream('counter.1'))
    before.push(Number(metadata.get('before')));
  expect(before).toEqual(Array.from({ length: 40 }, (_, i) => i));
});

test('gives up after the last attempt, and at once for any other error', async () => {
  let loads = 0;
  const stale = (): Promise<Counter> => {
    loads++;
    return Promise.resolve({ version: 7n, sum: 0 });
  };
  const conflict = withRetryOnConflict(stale, (counter) => add('counter.2', counter), { attemptsMax: 3 });
  await expect(conflict).rejects.toBeInstanceOf(VersionConflictError);
  expect(loads).toBe(3);
  const other = new Error('not for sale');
  const refused = withRetryOnConflict(stale, () => Promise.reject(other));
  await expect(refused).rejects.toBe(other);
  expect(loads).toBe(4);
  await expect(withRetryOnConflict(stale, () => Promise.reject(other), { attemptsMax: 0 })).rejects.toThrow(
    RangeError,
  );
});

test('ends with the reason of its signal', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const attempts = withRetryOnConflict(
    () => Promise.resolve({ version: 7n, sum: 0 }),
    async (counter) => {
      setTimeout(() => {
        controller.abort(reason);
      });
      return add('counter.3', counter);
    },
    { attemptsMax: Infinity, signal: controller.signal },
  );
  await expect(attempts).rejects.toBe(reason);
});
