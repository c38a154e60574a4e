import type { Delivery } from '../../generated/sluice/v1/consumer_group_service';
import { Delivery as DeliveryMessage } from '../../generated/sluice/v1/consumer_group_service';
import { DeliveryQueue, Task, type Settling } from '../../src/client/delivery-queue';
import type { EventHandler } from '../../src/client/client';

/** Notes what becomes of deliveries. */
class Settled implements Settling {
  readonly acked: bigint[] = [];
  readonly failed: [id: bigint, handled: number, error: unknown][] = [];

  ack({ id }: Task): void {
    this.acked.push(id);
  }

  fail({ id }: Task, handled: number, error: unknown): void {
    this.failed.push([id, handled, error]);
  }

  extend(): void {
    // Not of interest here.
  }
}

function delivery(id: number, stream: string, versions: readonly number[] = [1]): Delivery {
  const events = versions.map((version) => ({ stream, version: BigInt(version) }));
  return DeliveryMessage.fromPartial({ id: BigInt(id), events, attempt: 1 });
}

function fill(
  handler: EventHandler,
  concurrency: number,
  deliveries: readonly Delivery[],
  ackTimeoutMs = 30_000,
): Settled & { readonly queue: DeliveryQueue } {
  const queue = new DeliveryQueue(handler, concurrency);
  const settled = Object.assign(new Settled(), { queue });
  for (const one of deliveries) queue.add(new Task(one, settled, ackTimeoutMs, performance.now()));
  return settled;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const ids = (count: number): bigint[] => Array.from({ length: count }, (_, at) => BigInt(at));

test('handlers that return at once let the event loop turn, so that what is done can be acknowledged', async () => {
  const all = Array.from({ length: 150 }, (_, at) => delivery(at, `s.${at}`));
  const settled = fill(() => undefined, 1, all);
  const counts = [settled.acked.length];
  while (settled.acked.length < all.length) {
    await turn();
    counts.push(settled.acked.length);
  }
  expect(counts).toEqual([64, 128, 150]);
  expect(settled.acked).toEqual(ids(150));
});

test('a stream has one handler at a time, whether it returns at once or takes time, and keeps its order', async () => {
  const running = new Set<string>();
  const seen: string[] = [];
  const handler: EventHandler = ({ stream, version }) => {
    expect(running.has(stream)).toBe(false);
    seen.push(`${stream} ${version}`);
    if (version % 2n === 0n) return;
    running.add(stream);
    return turn().then(() => {
      running.delete(stream);
    });
  };
  const all = Array.from({ length: 300 }, (_, at) => {
    const first = 2 * Math.floor(at / 3) + 1;
    return delivery(at, `s.${at % 3}`, [first, first + 1]);
  });
  const settled = fill(handler, 8, all);
  while (settled.acked.length < all.length) await turn();
  for (const stream of ['s.0', 's.1', 's.2']) {
    const own = seen.filter((one) => one.startsWith(stream)).map((one) => Number(one.split(' ')[1]));
    expect(own).toEqual(Array.from({ length: 200 }, (_, at) => at + 1));
  }
});

test('what is thrown, at once or later, fails the event, and the rest of its delivery is not handled', async () => {
  const handler: EventHandler = ({ stream, version }) => {
    if (version < 2n) return;
    const error = new Error(stream);
    if (stream === 'now') throw error;
    return Promise.reject(error);
  };
  const settled = fill(handler, 2, [delivery(1, 'now', [1, 2, 3]), delivery(2, 'later', [1, 2, 3])]);
  while (settled.failed.length < 2) await turn();
  expect(settled.failed).toEqual([
    [1n, 1, new Error('now')],
    [2n, 1, new Error('later')],
  ]);
  expect(settled.acked).toEqual([]);
});

test('a handler learns that its delivery is lost, also if it asks for the signal only then', async () => {
  const reason = new Error('another member gets the lane');
  const signals: AbortSignal[] = [];
  let goOn = (): void => undefined;
  const wait = new Promise<void>((resolve) => (goOn = resolve));
  const settled = fill(
    async ({ stream }, context) => {
      if (stream === 'a') signals.push(context.signal);
      await wait;
      if (stream === 'b') signals.push(context.signal);
    },
    2,
    [delivery(1, 'a'), delivery(2, 'b'), delivery(3, 'c')],
  );
  settled.queue.lose(() => true, reason);
  goOn();
  while (signals.length < 2) await turn();
  for (const { aborted, reason: found } of signals) expect([aborted, found]).toEqual([true, reason]);
  expect(settled.queue.unstarted).toEqual([]);
  expect(settled.acked).toEqual([]);
});

test('each handler has its own time, whichever began first', async () => {
  const aborted: string[] = [];
  const handler: EventHandler = ({ stream }, { signal }) =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        aborted.push(stream);
        resolve();
      });
    });
  const queue = new DeliveryQueue(handler, 3);
  const settled = new Settled();
  for (const [id, [stream, ms]] of Object.entries({ slow: 150, fast: 30, middle: 80 }).entries())
    queue.add(new Task(delivery(id, stream), settled, ms, performance.now()));
  while (settled.acked.length < 3) await turn();
  expect(aborted).toEqual(['fast', 'middle', 'slow']);
  expect(settled.acked).toEqual([1n, 2n, 0n]);
});
