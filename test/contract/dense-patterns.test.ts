import { connect, type NatsConnection } from 'nats';
import { Direction } from '../../generated/sluice/v1/event_store_service';
import { startNats, type TestNats } from '../support/nats-server';
import { plainEvents, range } from './events';
import { newStore, openJetStream, type OpenedContract } from './open';

/** Where nearly all of the log is wanted the server is not asked to search: what comes out must be the same. */
const names = newStore();
let nats: TestNats;
let raw: NatsConnection;
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
  raw = await connect({ servers: nats.url });
  store = await openJetStream(nats.url, {}, names);
  await stretch(1_500, 50);
  for (const number of range(1, 1_500)) await append(`b.${number % 3}`);
  await stretch(1_500, 50);
}, 60_000);

afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await raw.close();
  await nats[Symbol.asyncDispose]();
});

/** What the batches that are asked for meanwhile search for. */
async function searchesOf(run: () => Promise<unknown>): Promise<string[]> {
  const searches: string[] = [];
  const subscription = raw.subscribe(`$JS.API.DIRECT.GET.${names.name}`, {
    callback: (_error, message) => {
      const { batch = 1, next_by_subj: search } = message.json<{ batch?: number; next_by_subj?: string }>();
      if (batch > 1 && search !== undefined) searches.push(search.replace(names.prefix, 'P'));
    },
  });
  await raw.flush();
  await run();
  await raw.flush();
  subscription.unsubscribe();
  return searches;
}

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

test('the server searches where little is wanted, and only there', async () => {
  const searches = async (...patterns: string[]): Promise<Set<string>> =>
    new Set(await searchesOf(() => store.all({ patterns })));
  expect(await searches('a.*')).toEqual(new Set(['P.a.*', '>']));
  expect(await searches('b.*')).toEqual(new Set(['P.b.*']));
  expect(await searches('a.*', 'b.*')).toEqual(new Set(['>']));
});

test('nothing that is large comes for nothing', async () => {
  await stretch(4_000, 50, 60_000);
  const afterPosition = positions.get('a')?.[3_000];
  const searches = await searchesOf(async () => {
    const { events } = await store.all({ patterns: ['a.*'], afterPosition });
    expect(events).toHaveLength(3_999);
  });
  // Half a megabyte is in a batch, and five are between the commits that are wanted.
  expect(searches.filter((search) => search === '>').length).toBeLessThan(5);
  expect(searches.at(-1)).toBe('P.a.*');
}, 30_000);
