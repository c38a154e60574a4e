import {
  Direction,
  type AppendResponse,
  type GetVersionResponse,
  type SubscribeResponse,
} from '../../generated/sluice/v1/event_store_service';
import type { RecordedEvent } from '../../generated/sluice/v1/event';
import { newEvents } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { changeTimes } from '../support/log-blocks';
import { startNats, type TestNats } from '../support/nats-server';
import { failureOf } from '../support/rpc-failure';

/**
 * The times of commits come from the clock of the leader of the log, and a clock may be set back: whether a commit is in a range
 * of times depends only on its own time, not on its neighbours.
 */

const streams = ['clock.a', 'clock.b'] as const;
const commitsPerStream = 30;
const startSeconds = 1_800_000_000;

/** Seconds of the commit at a position: increasing, except that of each ten two are far ahead and three far behind. */
function secondsOf(position: bigint): number {
  const place = Number(position % 10n);
  const shift = place < 2 ? 100 : place > 6 ? -50 : 0;
  return startSeconds + Number(position) + shift;
}

let nats: TestNats;
let gateway: TestGateway;
/** In position order. */
let stored: RecordedEvent[];
beforeAll(async () => {
  nats = await startNats();
  {
    await using first = await startTestGateway([nats.url]);
    for (let commit = 0; commit < commitsPerStream; commit++)
      for (const stream of streams)
        await first.client.append({ stream, events: newEvents(1 + (commit % 3)) });
  }
  await nats.stop();
  changeTimes(nats.dataDir, 'EVENTS', (sequence) => BigInt(secondsOf(sequence)) * 1_000_000_000n);
  await nats.start();
  gateway = await startTestGateway([nats.url]);
  stored = [...(await gateway.client.readAll()).events];
}, 60_000);
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

test('the times of the log jump back and forth', () => {
  expect(stored).toHaveLength(streams.length * 2 * commitsPerStream);
  for (const { position, commitTime } of stored)
    expect(commitTime).toEqual({ seconds: BigInt(secondsOf(position)), nanos: 0 });
});

const at = (seconds: number): { seconds: bigint; nanos: number } => ({ seconds: BigInt(seconds), nanos: 0 });
const idsOf = (events: readonly { id: string }[]): string[] => events.map(({ id }) => id);
/** Before all commits, after all, and between. */
const bounds = Array.from({ length: 24 }, (_, index) => startSeconds - 60 + 10 * index);

test.each(bounds)('from and to %d', async (seconds) => {
  const { client } = gateway;
  const [from, to] = [at(seconds), at(seconds + 40)];
  for (const [range, isIn] of [
    [{ fromTime: from }, (time: bigint) => time >= from.seconds],
    [{ toTime: to }, (time: bigint) => time <= to.seconds],
    [{ fromTime: from, toTime: to }, (time: bigint) => time >= from.seconds && time <= to.seconds],
  ] as const) {
    const expected = stored.filter(({ commitTime }) => isIn(commitTime?.seconds ?? 0n));
    expect(idsOf((await client.readAll(range)).events)).toEqual(idsOf(expected));
    const backward = { ...range, direction: Direction.BACKWARD };
    expect(idsOf((await client.readAll(backward)).events)).toEqual(idsOf(expected).reverse());
    for (const stream of streams) {
      const ids = idsOf(expected.filter((event) => event.stream === stream));
      expect(idsOf((await client.readStream({ ...range, stream })).events)).toEqual(ids);
      expect(idsOf((await client.readStream({ ...backward, stream })).events)).toEqual(ids.reverse());
    }
  }
});

test.each(bounds)('the version as of %d is that of the last commit until then', async (seconds) => {
  for (const stream of streams) {
    const last = stored.findLast(
      (event) => event.stream === stream && (event.commitTime?.seconds ?? 0n) <= BigInt(seconds),
    );
    const found: GetVersionResponse = await gateway.client.getVersion({ stream, asOf: at(seconds) });
    const { version = 0n, position = 0n, commitTime } = last ?? {};
    const shown = version === 0n ? { firstVersion: 0n, state: 0 } : { firstVersion: 1n, state: 1 };
    expect(found).toEqual({ version, position, commitTime, ...shown });
  }
});

test.each(bounds)('a subscription from %d', async (seconds) => {
  const expected = stored.filter(({ commitTime }) => (commitTime?.seconds ?? 0n) >= BigInt(seconds));
  const ids: string[] = [];
  for await (const message of gateway.client.subscribe({ fromTime: at(seconds) })) {
    const { events, notice }: SubscribeResponse = message;
    ids.push(...idsOf(events));
    if (notice?.$case === 'caughtUp') break;
  }
  expect(ids).toEqual(idsOf(expected));
});

test('a condition goes by positions, whatever the times, and the clock is behind the log now', async () => {
  const { client } = gateway;
  const append = (afterPosition: bigint): Promise<AppendResponse> =>
    client.append({
      stream: streams[0],
      events: newEvents(1),
      condition: { query: { items: [{ eventTypes: ['Happened'] }] }, afterPosition },
    });
  const end = stored.at(-1)?.position ?? 0n;
  for (let after = 0n; after < end; after += 7n) {
    const failure = await failureOf(append(after));
    expect(failure.detail('sluice.v1.AppendConditionFailed')?.position).toBe(after + 1n);
  }
  const { position } = await append(end);
  expect(position).toBe(end + 1n);
  const { commitTime } = await client.getVersion({ stream: streams[0] });
  expect(commitTime?.seconds).toBeLessThan(BigInt(startSeconds));
  expect((await failureOf(append(end))).detail('sluice.v1.AppendConditionFailed')).toMatchObject({
    position,
  });
});
