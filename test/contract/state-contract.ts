import { setMaxListeners } from 'node:events';
import {
  StateChangedError,
  type StateRecord,
  type StateStore,
  type StateView,
} from '../../src/store/state-store';
import { until } from '../support/nats-server';

/** What every StateStore must do, wherever it keeps the records. */

const call = { signal: new AbortController().signal, deadlineMs: Infinity };
setMaxListeners(0, call.signal);
const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString();

/** `open` resolves with a new store without records, as two gateways have it. */
export function stateContract(
  open: () => Promise<{ readonly one: StateStore; readonly other: StateStore }>,
): void {
  let one: StateStore;
  let other: StateStore;
  const views: StateView[] = [];

  beforeEach(async () => {
    ({ one, other } = await open());
  });

  afterEach(() => {
    for (const view of views.splice(0)) view.close();
  });

  async function watch(...patterns: string[]): Promise<StateView> {
    const view = await one.watch(patterns, call);
    views.push(view);
    return view;
  }

  test('nothing is found before anything was put', async () => {
    expect(await one.get('group.a', call)).toBeUndefined();
    expect(await one.list('group.', call)).toEqual([]);
    await one.remove('group.a', 0n, call);
    await one.remove('group.a', 7n, call);
    expect((await watch('group.*')).records.size).toBe(0);
  });

  test('a record is what was put, for every gateway', async () => {
    const before = BigInt(Date.now() - 60_000) * 1_000_000n;
    const revision = await one.put('group.a', bytes('first'), 0n, call);
    const record = await other.get('group.a', call);
    expect(record).toMatchObject({ key: 'group.a', revision });
    expect(text(record?.value)).toBe('first');
    expect(record?.timeNanos).toBeGreaterThan(before);
    expect(await other.get('group.b', call)).toBeUndefined();
  });

  test('a record is changed only at its revision, and revisions rise', async () => {
    const first = await one.put('lane.a.0', bytes('1'), 0n, call);
    await expect(other.put('lane.a.0', bytes('x'), 0n, call)).rejects.toThrow(StateChangedError);
    const second = await other.put('lane.a.0', bytes('2'), first, call);
    expect(second).toBeGreaterThan(first);
    await expect(one.put('lane.a.0', bytes('x'), first, call)).rejects.toThrow(StateChangedError);
    await expect(one.put('lane.a.1', bytes('x'), second, call)).rejects.toThrow(StateChangedError);
    expect(text((await one.get('lane.a.0', call))?.value)).toBe('2');
    expect(await one.get('lane.a.1', call)).toBeUndefined();
  });

  test('of gateways that change a record at the same revision, one succeeds', async () => {
    const revision = await one.put('lane.a.0', bytes('0'), 0n, call);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? one : other).put('lane.a.0', bytes(`${i}`), revision, call),
      ),
    );
    const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i] : []));
    expect(winners).toHaveLength(1);
    expect(text((await one.get('lane.a.0', call))?.value)).toBe(`${winners[0]}`);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(StateChangedError);
  });

  test('a record is removed only at its revision, and can be put again', async () => {
    const first = await one.put('member.a.m', bytes('1'), 0n, call);
    await expect(one.remove('member.a.m', first + 1n, call)).rejects.toThrow(StateChangedError);
    await expect(one.remove('member.a.m', 0n, call)).rejects.toThrow(StateChangedError);
    await other.remove('member.a.m', first, call);
    expect(await one.get('member.a.m', call)).toBeUndefined();
    expect(await one.list('member.', call)).toEqual([]);
    await one.remove('member.a.m', first, call);
    await expect(one.put('member.a.m', bytes('2'), first, call)).rejects.toThrow(StateChangedError);
    const second = await one.put('member.a.m', bytes('2'), 0n, call);
    expect(second).toBeGreaterThan(first);
    expect(text((await other.get('member.a.m', call))?.value)).toBe('2');
  });

  test('of gateways that put a removed record, one succeeds', async () => {
    await one.remove('lane.a.0', await one.put('lane.a.0', bytes('0'), 0n, call), call);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) => (i % 2 ? one : other).put('lane.a.0', bytes(`${i}`), 0n, call)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('a list has the records under its prefix, by key', async () => {
    const keys = ['parked.a.b', 'parked.a.a', 'parked.ab.a', 'parked.a.c.d', 'group.a'];
    for (const key of keys) await one.put(key, bytes(key), 0n, call);
    const removed = await one.put('parked.a.gone', bytes('gone'), 0n, call);
    await one.remove('parked.a.gone', removed, call);
    const found = await other.list('parked.a.', call);
    expect(found.map(({ key, value }) => [key, text(value)])).toEqual([
      ['parked.a.a', 'parked.a.a'],
      ['parked.a.b', 'parked.a.b'],
      ['parked.a.c.d', 'parked.a.c.d'],
    ]);
    for (const { key, revision } of found) expect((await one.get(key, call))?.revision).toBe(revision);
  });

  test('a list of many records is whole', async () => {
    const count = 300;
    await Promise.all(
      Array.from({ length: count }, (_, i) => one.put(`parked.a.${i}`, bytes(`${i}`), 0n, call)),
    );
    const found = await one.list('parked.a.', call);
    expect(new Set(found.map(({ value }) => text(value))).size).toBe(count);
  });

  test('keys are those that match a pattern', async () => {
    for (const key of ['parked.a.1.b.2', 'parked.a.2.c.2', 'parked.b.1.b.2', 'group.a'])
      await one.put(key, bytes(key), 0n, call);
    const found = async (pattern: string): Promise<string[]> => [...(await other.keys(pattern, call))].sort();
    expect(await found('parked.a.>')).toEqual(['parked.a.1.b.2', 'parked.a.2.c.2']);
    expect(await found('parked.*.*.b.2')).toEqual(['parked.a.1.b.2', 'parked.b.1.b.2']);
    expect(await found('lane.>')).toEqual([]);
  });

  test('a scan visits every record that matches a pattern as it is, and none that was removed', async () => {
    expect(await scan('parked.a.>')).toEqual([]);
    const count = 700;
    const keys = Array.from({ length: count }, (_, i) => `parked.a.${i}`);
    await Promise.all(keys.map((key) => one.put(key, bytes('old'), 0n, call)));
    await one.put('parked.b.0', bytes('of another pattern'), 0n, call);
    const { revision = 0n } = (await other.get('parked.a.0', call)) ?? {};
    await other.put('parked.a.0', bytes('new'), revision, call);
    const removed = (await other.get('parked.a.1', call))?.revision ?? 0n;
    await other.remove('parked.a.1', removed, call);
    const found = await scan('parked.a.>');
    expect(found.map(([key]) => key).sort()).toEqual(keys.filter((key) => key !== 'parked.a.1').sort());
    expect(new Map(found).get('parked.a.0')).toBe('new');

    async function scan(pattern: string): Promise<[string, string | undefined][]> {
      const visited: [string, string | undefined][] = [];
      const visit = ({ key, value }: StateRecord): void => void visited.push([key, text(value)]);
      await one.scan(pattern, visit, call);
      return visited;
    }
  });

  test('a view has at once what there is, and then every change', async () => {
    const first = await one.put('lane.a.0', bytes('0'), 0n, call);
    await one.put('parked.a.x', bytes('not watched'), 0n, call);
    const gone = await one.put('lane.a.1', bytes('gone'), 0n, call);
    await one.remove('lane.a.1', gone, call);
    const view = await watch('lane.*.*', 'group.*');
    expect([...view.records.keys()]).toEqual(['lane.a.0']);
    const seen: string[] = [];
    view.onChange((keys) => seen.push(...keys));
    const second = await other.put('lane.a.0', bytes('1'), first, call);
    await until(() => view.records.get('lane.a.0')?.revision === second);
    expect(text(view.records.get('lane.a.0')?.value)).toBe('1');
    await other.put('group.b', bytes('b'), 0n, call);
    await until(() => view.records.has('group.b'));
    await other.put('parked.a.y', bytes('not watched'), 0n, call);
    await other.remove('lane.a.0', second, call);
    await until(() => !view.records.has('lane.a.0'));
    expect([...view.records.keys()]).toEqual(['group.b']);
    await until(() => seen.length >= 3);
    expect(new Set(seen)).toEqual(new Set(['lane.a.0', 'group.b']));
  });

  test('a view of many records has all of them at once', async () => {
    const keys = Array.from({ length: 6_000 }, (_, i) => (i % 6 === 0 ? `group.${i}` : `lane.${i % 6}.${i}`));
    // A thousand at a time: each has a bound of time.
    for (let i = 0; i < keys.length; i += 1_000)
      await Promise.all(keys.slice(i, i + 1_000).map((key) => one.put(key, bytes(key), 0n, call)));
    await one.put('parked.a.x', bytes('the last one is not watched'), 0n, call);
    for (let i = 0; i < 3; i++) {
      const view = await watch('group.*', 'member.>', 'lane.>', 'replay.*');
      expect(view.records.size).toBe(keys.length);
    }
  });

  test('a view begins before there are records', async () => {
    const view = await watch('group.*');
    await other.put('group.a', bytes('a'), 0n, call);
    await until(() => view.records.has('group.a'));
  });

  test('a view says up to when it has everything', async () => {
    await one.put('group.a', bytes('a'), 0n, call);
    const view = await watch('group.*');
    for (let i = 0; i < 3; i++) {
      const revision = await other.put(`group.n${i}`, bytes('a'), 0n, call);
      const storedMs = performance.now();
      await until(() => view.verifiedMs >= storedMs);
      expect(view.records.get(`group.n${i}`)?.revision).toBe(revision);
      expect(view.verifiedMs).toBeLessThanOrEqual(performance.now());
    }
  });

  test('many changes at once arrive in a view, the last of each record', async () => {
    const view = await watch('lane.a.*');
    const last = new Map<string, bigint>();
    await Promise.all(
      Array.from({ length: 32 }, async (_, lane) => {
        let revision = 0n;
        for (let i = 0; i < 20; i++)
          revision = await one.put(`lane.a.${lane}`, bytes(`${i}`), revision, call);
        last.set(`lane.a.${lane}`, revision);
      }),
    );
    await until(() => [...last].every(([key, revision]) => view.records.get(key)?.revision === revision));
    expect(view.records.size).toBe(32);
  });

  test('a closed view changes no more', async () => {
    const view = await watch('group.*');
    view.close();
    await other.put('group.a', bytes('a'), 0n, call);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(view.records.size).toBe(0);
  });
}
