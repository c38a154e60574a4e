import { Direction } from '../../generated/sluice/v1/event_store_service';
import { startNats, type TestNats } from '../support/nats-server';
import { plainEvents, range } from './events';
import { openJetStream, type OpenedContract } from './open';

/** Dense and sparse stretches of a pattern, between any two positions: nothing is left out, and nothing comes twice. */
let nats: TestNats;
let store: OpenedContract;
/** Positions of the commits of each category, in order. */
const positions = new Map<string, bigint[]>();

async function append(stream: string, bytes = 0): Promise<void> {
  const [event] = plainEvents(1);
  const payload = { $case: 'text' as const, value: 'x'.repeat(bytes) };
  const { position } = await store.append({ stream, events: [{ ...event, payload }] });
  const category = stream.slice(0, stream.indexOf('.'));
  positions.set(category, [...(positions.get(category) ?? []), position]);
}

/** `count` commits of category a, every `every`th of which is followed by one of category b. */
async function stretch(count: number, every: number, bytesOfOther = 0): Promise<void> {
  for (const number of range(1, count)) {
    await append(`a.${number % 7}`);
    if (number % every === 0) await append(`b.${number % 3}`, bytesOfOther);
  }
}

beforeAll(async () => {
  nats = await startNats();
  store = await openJetStream(nats.url);
  await stretch(1_500, 50);
  for (const number of range(1, 1_500)) await append(`b.${number % 3}`);
  await stretch(1_500, 50);
}, 60_000);

afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const sorted = (some: readonly bigint[]): bigint[] => [...some].sort((a, b) => (a < b ? -1 : 1));

test.each([
  ['a.*', ['a']],
  ['b.*', ['b']],
  ['>', ['a', 'b']],
] as const)('all of %s is read, both ways and between any two positions', async (pattern, categories) => {
  const all = sorted(categories.flatMap((category) => positions.get(category) ?? []));
  const read = async (conditions: object): Promise<bigint[]> =>
    (await store.all({ patterns: [pattern], ...conditions })).events.map(({ position }) => position);
  expect(await read({})).toEqual(all);
  expect(await read({ direction: Direction.BACKWARD })).toEqual(all.toReversed());
  for (const [from, to] of [
    [10, 1_490],
    [700, 2_900],
    [1_400, 1_600],
    [100, 3_100],
  ] as const) {
    const [afterPosition, toPosition] = [BigInt(from), BigInt(to)];
    const between = all.filter((position) => position > afterPosition && position <= toPosition);
    expect(await read({ afterPosition, toPosition })).toEqual(between);
  }
});
