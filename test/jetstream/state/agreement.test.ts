import { StateChangedError, type StateStore } from '../../../src/store/state-store';
import { MemoryState } from '../../support/memory-state';
import { startNats, until, type TestNats } from '../../support/nats-server';
import { openNewState, openState } from '../../support/opened-state';
import { randomFrom, type Random } from '../../support/random';

/** Random changes have the same outcome on a real server as in memory, which is the specification. */

const call = { signal: new AbortController().signal, deadlineMs: Infinity };
const keys = ['lane.a.0', 'lane.a.1', 'lane.b.0', 'group.a'];
const changes = 250;

let nats: TestNats;
beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats[Symbol.asyncDispose]();
});

/** One revision in both stores. */
interface Pair {
  readonly memory: bigint;
  readonly real: bigint;
}

const nothing: Pair = { memory: 0n, real: 0n };

async function outcome<T>(promise: Promise<T>): Promise<T | 'changed'> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof StateChangedError) return 'changed';
    throw error;
  }
}

/** What a store has, without revisions and times. */
async function contents(store: StateStore): Promise<unknown> {
  const lists = await Promise.all(['lane.', 'lane.a.', 'group.'].map((prefix) => store.list(prefix, call)));
  const records = await Promise.all(keys.map((key) => store.get(key, call)));
  const plain = (key = '', value: Uint8Array = Buffer.from('')): string[] => [
    key,
    Buffer.from(value).toString(),
  ];
  return [
    lists.map((list) => list.map(({ key, value }) => plain(key, value))),
    records.map((record) => plain(record?.key, record?.value)),
  ];
}

async function changeOne(memory: StateStore, real: StateStore, seen: Pair[], random: Random): Promise<void> {
  const pick = <T>(all: readonly T[]): T | undefined => all[Math.floor(random() * all.length)];
  const key = pick(keys) ?? '';
  // Mostly the newest of the key, which the last pairs are likely to be.
  const pair = random() < 0.3 ? nothing : (pick(random() < 0.7 ? seen.slice(-4) : seen) ?? nothing);
  if (random() < 0.3) {
    const [expected, found] = [
      await outcome(memory.remove(key, pair.memory, call)),
      await outcome(real.remove(key, pair.real, call)),
    ];
    expect(found).toBe(expected);
    return;
  }
  const value = Buffer.from(`${random()}`);
  const [expected, found] = [
    await outcome(memory.put(key, value, pair.memory, call)),
    await outcome(real.put(key, value, pair.real, call)),
  ];
  expect(typeof found).toBe(typeof expected);
  if (typeof expected === 'bigint' && typeof found === 'bigint') seen.push({ memory: expected, real: found });
}

test.each([1, 2, 3, 4])(
  'seed %d',
  async (seed) => {
    const random = randomFrom(seed);
    const memory = new MemoryState();
    await using one = await openNewState(nats.url);
    await using other = await openState(nats.url, one.store);
    const gateways = [
      [memory.gateway(), one.state],
      [memory.gateway(), other.state],
    ] as const;
    const view = await one.state.watch(['lane.*.*', 'group.*'], call);
    const seen: Pair[] = [];
    for (let i = 0; i < changes; i++) {
      const [inMemory, real] = gateways[random() < 0.5 ? 0 : 1];
      await changeOne(inMemory, real, seen, random);
      if (i % 50 === 0) expect(await contents(real)).toEqual(await contents(inMemory));
    }
    expect(seen.length).toBeGreaterThan(20);
    const nowMs = performance.now();
    await until(() => view.verifiedMs >= nowMs);
    const listed = [...(await other.state.list('group.', call)), ...(await other.state.list('lane.', call))];
    expect(new Map(view.records)).toEqual(new Map(listed.map((record) => [record.key, record])));
  },
  60_000,
);
