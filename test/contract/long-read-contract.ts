import { Direction } from '../../generated/sluice/v1/event_store_service';
import type { ContractStore, StoredEvent } from './contract-store';
import { plainEvents, put, range, versionsOf, type GivenEvent, type Taken } from './events';

const backward = Direction.BACKWARD;

/** Reads that do not fit into one page, of messages or of bytes: nothing may be lost or doubled at the seams. */
export function longReadContract(store: () => ContractStore): void {
  manyCommits(store);
  manyBytes(store);
  oneLargeCommit(store);
}

function manyCommits(store: () => ContractStore): void {
  const stream = 'long.commits';
  const count = 2_500;
  const atOnce = 500;
  const middle: Taken[] = [];

  beforeAll(async () => {
    for (let number = 1; number <= count; number += atOnce) {
      middle.push(await put(store(), stream, [{ id: `e-${number}`, type: 'Odd' }]));
      const foreign = range(1, 40).map(() =>
        store().append({ stream: 'long.foreign', events: plainEvents(1) }),
      );
      await Promise.all(
        range(number + 1, number + atOnce - 1).map((next) => {
          const event = { id: `e-${next}`, type: next % 2 === 0 ? 'Even' : 'Odd' };
          return store().append({ stream, events: [event] });
        }),
      );
      await Promise.all(foreign);
    }
  });

  const read = async (conditions: object): Promise<number[]> => {
    const { events } = await store().read({ stream, ...conditions });
    expect(events.every(({ id, version }) => id === `e-${version}`)).toBe(true);
    return versionsOf(events);
  };

  test('of thousands of commits is complete and in order', async () => {
    expect(await read({})).toEqual(range(1, count));
    expect(await read({ direction: backward })).toEqual(range(count, 1));
  });

  test('of thousands of commits begins and ends where it must', async () => {
    expect(await read({ fromVersion: 777n })).toEqual(range(777, count));
    expect(await read({ fromVersion: 777n, toVersion: 2_222n })).toEqual(range(777, 2_222));
    expect(await read({ fromVersion: 1_000n, toVersion: 1_001n })).toEqual([1_000, 1_001]);
    expect(await read({ direction: backward, fromVersion: 2_222n })).toEqual(range(2_222, 1));
    expect(await read({ direction: backward, fromVersion: 2_222n, toVersion: 777n })).toEqual(
      range(2_222, 777),
    );
    expect(await read({ direction: backward, fromVersion: 3n })).toEqual([3, 2, 1]);
    expect(await read({ maxCount: 1_001n })).toEqual(range(1, 1_001));
    expect(await read({ direction: backward, maxCount: 1_001n })).toEqual(range(count, 1_500));
  });

  test.each([998, 999, 1_000, 1_001, 1_002, 2_000, 2_001])(
    'of about as many commits as one page or two hold: %i',
    async (number) => {
      expect(await read({ toVersion: BigInt(number) })).toEqual(range(1, number));
      expect(await read({ fromVersion: 2n, toVersion: BigInt(number) })).toEqual(range(2, number));
      expect(await read({ maxCount: BigInt(number) })).toEqual(range(1, number));
      const first = count - number + 1;
      expect(await read({ direction: backward, toVersion: BigInt(first) })).toEqual(range(count, first));
      expect(await read({ direction: backward, maxCount: BigInt(number) })).toEqual(range(count, first));
    },
  );

  test('of thousands of commits takes filters', async () => {
    const even = range(1, count / 2).map((half) => 2 * half);
    expect(await read({ eventTypes: ['Even'] })).toEqual(even);
    expect(await read({ eventTypes: ['Even'], direction: backward, maxCount: 600n })).toEqual(
      even.toReversed().slice(0, 600),
    );
    expect(await read({ eventTypes: ['never'] })).toEqual([]);
    const [from, to] = [middle[1], middle[3]].map((commit) => commit?.commitTime ?? 0n);
    const seconds = (time = 0n): object => ({
      seconds: time / 1_000_000_000n,
      nanos: Number(time % 1_000_000_000n),
    });
    const times = { fromTime: seconds(from), toTime: seconds(to) };
    expect(await read(times)).toEqual(range(501, 1_501));
    expect(await read({ ...times, direction: backward })).toEqual(range(1_501, 501));
    expect(await read({ ...times, fromVersion: 1_400n })).toEqual(range(1_400, 1_501));
    expect(await read({ ...times, direction: backward, fromVersion: 600n })).toEqual(range(600, 501));
  });
}

/** An event whose payload says which one it is, all over. */
function heavyEvent(number: number, bytes: number): GivenEvent {
  return {
    id: `e-${number}`,
    type: 'Heavy',
    payload: { $case: 'binary', value: Buffer.alloc(bytes, number) },
  };
}

function expectHeavy(events: readonly StoredEvent[], versions: readonly number[], bytes: number): void {
  expect(versionsOf(events)).toEqual(versions);
  for (const { id, version, payload } of events) {
    expect(id).toBe(`e-${version}`);
    expect((payload?.value as Buffer).equals(Buffer.alloc(bytes, Number(version)))).toBe(true);
  }
}

function manyBytes(store: () => ContractStore): void {
  test('of several MiB is complete, byte by byte', async () => {
    const stream = 'long.bytes';
    const bytes = 150_000;
    const count = 30;
    for (const number of range(1, count / 2)) {
      const events = [heavyEvent(2 * number - 1, bytes), heavyEvent(2 * number, bytes)];
      await store().append({ stream, events });
    }
    const read = async (conditions: object): Promise<readonly StoredEvent[]> =>
      (await store().read({ stream, ...conditions })).events;
    expectHeavy(await read({}), range(1, count), bytes);
    expectHeavy(await read({ direction: backward }), range(count, 1), bytes);
    expectHeavy(await read({ fromVersion: 4n, toVersion: 29n }), range(4, 29), bytes);
    expectHeavy(await read({ direction: backward, fromVersion: 29n, maxCount: 20n }), range(29, 10), bytes);
  });
}

function oneLargeCommit(store: () => ContractStore): void {
  test('of one commit of several MiB is complete, byte by byte', async () => {
    const stream = 'long.commit';
    const bytes = 200_000;
    const count = 24;
    await store().append({ stream, events: plainEvents(1) });
    const events = range(2, count).map((number) => heavyEvent(number, bytes));
    const commit = await put(store(), stream, events, { expectedVersion: 1n });
    expect(commit).toMatchObject({ version: 24n, firstVersion: 2n });
    await store().append({ stream, events: plainEvents(1) });
    const read = async (conditions: object): Promise<readonly StoredEvent[]> => {
      const { events: found } = await store().read({ stream, ...conditions });
      for (const { position, commitTime } of found) {
        expect({ position, commitTime }).toEqual({
          position: commit.position,
          commitTime: commit.commitTime,
        });
      }
      return found;
    };
    const all = { fromVersion: 2n, toVersion: 24n };
    expectHeavy(await read(all), range(2, count), bytes);
    expectHeavy(await read({ fromVersion: 24n, toVersion: 2n, direction: backward }), range(count, 2), bytes);
    expectHeavy(await read({ fromVersion: 11n, toVersion: 13n }), [11, 12, 13], bytes);
    expectHeavy(await read({ ...all, maxCount: 7n }), range(2, 8), bytes);
    expectHeavy(await read({ eventTypes: ['Heavy'] }), range(2, count), bytes);
    expect(versionsOf((await store().read({ stream })).events)).toEqual(range(1, 25));
  });
}
