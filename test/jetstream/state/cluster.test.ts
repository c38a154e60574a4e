import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, headers } from 'nats';
import { isStoreError } from '../../../src/store/errors';
import { StateChangedError, type StateStore } from '../../../src/store/state-store';
import { streamInfo } from '../../../src/jetstream/nats/api';
import { startCluster, until, type TestCluster, type TestNats } from '../../support/nats-server';
import { openNewState, openState, type OpenedState } from '../../support/opened-state';
import { randomFrom } from '../../support/random';

/**
 * Gateways change the same records on three servers, while the leader is killed or stands still again and again. Each change adds its
 * id to the ids that the record had, so that a change that is lost or stored twice is missing or twice in the end.
 */

const call = { signal: new AbortController().signal, deadlineMs: Infinity };
setMaxListeners(0, call.signal);
const keys = ['lane.a.0', 'lane.a.1', 'lane.a.2', 'group.a'];
const gatewayCount = 3;
const writersPerGateway = 3;
const strikes = 4;

let cluster: TestCluster;
const opened: OpenedState[] = [];

beforeAll(async () => {
  cluster = await startCluster(3);
}, 120_000);

afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]();
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

interface Attempt {
  readonly id: string;
  readonly key: string;
  outcome: 'stored' | 'changed' | 'unknown';
  revision: bigint;
}

const idsIn = (value: Uint8Array | undefined): string[] =>
  value === undefined ? [] : (JSON.parse(Buffer.from(value).toString()) as string[]);

async function attemptOne(state: StateStore, id: string, key: string): Promise<Attempt | undefined> {
  const attempt: Attempt = { id, key, outcome: 'unknown', revision: 0n };
  const limited = { ...call, deadlineMs: performance.now() + 8_000 };
  let record;
  try {
    record = await state.get(key, limited);
  } catch (error) {
    if (!isStoreError(error)) throw error;
    return undefined;
  }
  try {
    const value = Buffer.from(JSON.stringify([...idsIn(record?.value), id]));
    attempt.revision = await state.put(key, value, record?.revision ?? 0n, limited);
    attempt.outcome = 'stored';
  } catch (error) {
    if (error instanceof StateChangedError) attempt.outcome = 'changed';
    else if (!isStoreError(error)) throw error;
  }
  return attempt;
}

async function leader({ pool, name }: OpenedState): Promise<TestNats | undefined> {
  const info = await streamInfo(pool.append(), name, undefined, { timeoutMs: 10_000 });
  return cluster.nodes.find(({ port }) => info.cluster?.leader === `n${port}`);
}

test.each([
  ['killed', 1],
  ['stopped for some seconds', 2],
] as const)(
  'the leader is %s: no change is lost, none is stored twice',
  async (how, seed) => {
    const random = randomFrom(seed);
    const first = await openNewState(cluster.urls, 3);
    opened.push(first);
    for (let i = 1; i < gatewayCount; i++) opened.push(await openState(cluster.urls, first.store, 3));
    const attempts: Attempt[] = [];
    let isOver = false;
    let struck = 0;
    const views = await Promise.all(opened.map(({ state }) => state.watch(['lane.>', 'group.>'], call)));
    await first.state.put('lane.a.0', Buffer.from('[]'), 0n, call);
    const writers = opened.flatMap(({ state }, gateway) =>
      Array.from({ length: writersPerGateway }, async (_, writer) => {
        for (let i = 0; !isOver; i++) {
          const key = keys[Math.floor(random() * keys.length)] ?? '';
          const attempt = await attemptOne(state, `${gateway}.${writer}.${i}`, key);
          if (attempt !== undefined) attempts.push(attempt);
          await sleep(random() * 40);
        }
      }),
    );
    for (let i = 0; i < strikes; i++) {
      await sleep(2_000);
      const node = await leader(opened[i % gatewayCount] as OpenedState);
      if (node === undefined) continue;
      struck++;
      if (how === 'killed') await node.kill();
      else node.pause();
      await sleep(1_000 + random() * 6_000);
      if (how === 'killed') await node.start();
      else node.resume();
      await cluster.settled();
    }
    isOver = true;
    await Promise.all(writers);
    const stored = attempts.filter(({ outcome }) => outcome === 'stored');
    expect(struck).toBeGreaterThan(1);
    expect(stored.length).toBeGreaterThan(100);
    // Many gateways wanted the same record.
    expect(attempts.filter(({ outcome }) => outcome === 'changed').length).toBeGreaterThan(10);
    for (const key of keys) {
      const record = await first.state.get(key, call);
      const ids = idsIn(record?.value);
      expect(new Set(ids).size).toBe(ids.length);
      const there = new Map(ids.map((id, index) => [id, index]));
      const ours = stored.filter((attempt) => attempt.key === key);
      expect(ours.filter(({ id }) => !there.has(id))).toEqual([]);
      const inOrder = ours.sort((a, b) => (there.get(a.id) ?? 0) - (there.get(b.id) ?? 0));
      const revisions = inOrder.map(({ revision }) => revision);
      expect(revisions).toEqual([...revisions].sort((a, b) => (a < b ? -1 : 1)));
      // Nothing is there that nobody tried.
      const tried = new Set(attempts.filter((attempt) => attempt.key === key).map(({ id }) => id));
      expect(ids.filter((id) => !tried.has(id))).toEqual([]);
    }
    const nowMs = performance.now();
    const listed = [...(await first.state.list('lane.', call)), ...(await first.state.list('group.', call))];
    for (const view of views) {
      await until(() => view.verifiedMs >= nowMs, 30_000);
      expect(new Map(view.records)).toEqual(new Map(listed.map((record) => [record.key, record])));
      view.close();
    }
  },
  240_000,
);

test('what marks a removed record goes away on all servers', async () => {
  const first = await openNewState(cluster.urls, 3);
  opened.push(first);
  const { state, name, pool } = first;
  await state.remove('lane.a.0', await state.put('lane.a.0', Buffer.from('1'), 0n, call), call);
  const connection = await connect({ servers: [...cluster.urls] });
  const soon = headers();
  soon.set('Nats-TTL', '1s');
  await connection.jetstream().publish(`${name}.lane.a.0`, '', { headers: soon });
  await connection.close();
  const messages = async (): Promise<number> =>
    (await streamInfo(pool.append(), name, undefined, { timeoutMs: 10_000 })).state.messages;
  await until(async () => (await messages()) === 0, 15_000);
  const node = await leader(first);
  await node?.kill();
  await until(
    () =>
      messages().then(
        (count) => count === 0,
        () => false,
      ),
    30_000,
  );
  await state.put('lane.a.0', Buffer.from('2'), 0n, call);
  await node?.start();
  await cluster.settled();
  expect(Buffer.from((await state.get('lane.a.0', call))?.value ?? '').toString()).toBe('2');
}, 120_000);
