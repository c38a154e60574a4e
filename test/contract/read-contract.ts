import type { DeepPartial } from '../../generated/sluice/v1/event';
import {
  Consistency,
  Direction,
  type ReadStreamRequest,
} from '../../generated/sluice/v1/event_store_service';
import { problemOf, timestamp, type ContractStore } from './contract-store';
import { put, range, versionsOf, type GivenEvent, type Taken } from './events';

type Conditions = DeepPartial<Omit<ReadStreamRequest, 'stream'>>;

/** What a read must give: versions in order, and how it ended. */
type Expected = readonly [versions: readonly number[], end: 'complete' | 'maxCount'];

const backward = { direction: Direction.BACKWARD };
const stream = 'read.1';
const last = 11;

/** Versions 1; 2 3 4; 5 6; 7; 8 9 10 11. Between them stand commits of other streams. */
const commitTypes = [['A'], ['B', 'A', 'B'], ['C', 'A'], ['B'], ['A', 'B', 'C', 'A']] as const;

/** Reads of one stream by all conditions, in both directions. */
export function readContract(store: () => ContractStore): void {
  let commits: Taken[];
  let given: GivenEvent[];
  beforeAll(async () => {
    [commits, given] = [[], []];
    for (const types of commitTypes) {
      const events = types.map((type, index) => ({ id: `e-${given.length + index + 1}`, type }));
      commits.push(await put(store(), stream, events));
      given.push(...events);
      await store().append({ stream: `${stream}.foreign`, events });
    }
  });

  /** Reads, and checks everything that does not depend on the conditions. */
  const read = async (conditions: Conditions): Promise<Expected> => {
    const { events, end, ...head } = await store().read({ stream, ...conditions });
    const newest = commits.at(-1);
    expect(head).toEqual({ version: 11n, position: newest?.position, commitTime: newest?.commitTime });
    for (const event of events) {
      const { id, type } = given[Number(event.version) - 1] as GivenEvent;
      const { position, commitTime } = commits[commitOf(Number(event.version))] as Taken;
      expect(event).toMatchObject({ id, type, stream, position, commitTime });
    }
    return [versionsOf(events), end];
  };
  const time = (commit: number, offsetNanos = 0n): { seconds: bigint; nanos: number } =>
    timestamp((commits[commit - 1] as Taken).commitTime + offsetNanos);

  byVersion(read);
  byCount(read);
  byType(read);
  byTime(read, time);
  together(read, time);
  refused(store);

  test('of a stream that does not exist is empty, whatever is asked', async () => {
    const nothing = { version: 0n, position: 0n, commitTime: undefined, events: [], end: 'complete' };
    for (const conditions of [
      {},
      backward,
      { fromVersion: 1n, toVersion: 7n },
      { ...backward, fromVersion: 7n, toVersion: 1n },
      { maxCount: 1n, eventTypes: ['A'] },
      { fromTime: timestamp(0n), toTime: timestamp(1n) },
      { consistency: Consistency.ANY_REPLICA },
    ]) {
      expect(await store().read({ stream: 'read.none', ...conditions })).toEqual(nothing);
      expect(await store().read({ stream: 'read', ...conditions })).toEqual(nothing);
    }
  });

  test('is the same however it is packed, and from any replica', async () => {
    for (const conditions of [
      { page: { eventsMax: 1 } },
      { page: { eventsMax: 2, bytesMax: 1 } },
      { page: { bytesMax: 4_294_967_295 }, consistency: Consistency.LEADER },
      { consistency: Consistency.ANY_REPLICA },
    ]) {
      expect(await read(conditions)).toEqual([range(1, last), 'complete']);
      expect(await read({ ...backward, ...conditions })).toEqual([range(last, 1), 'complete']);
      expect(await read({ fromVersion: 3n, toVersion: 9n, ...conditions })).toEqual([
        range(3, 9),
        'complete',
      ]);
      expect(await read({ maxCount: 6n, ...conditions })).toEqual([range(1, 6), 'maxCount']);
    }
  });
}

/** The index of the commit that holds a version. */
function commitOf(version: number): number {
  let before = 0;
  return commitTypes.findIndex((types) => (before += types.length) >= version);
}

type Read = (conditions: Conditions) => Promise<Expected>;
type Time = (commit: number, offsetNanos?: bigint) => { seconds: bigint; nanos: number };

const afterEnd = 2n ** 64n - 1n;

function byVersion(read: Read): void {
  test.each<[from: bigint, to: bigint, versions: number[]]>([
    [0n, 0n, range(1, last)],
    [1n, 0n, range(1, last)],
    [2n, 0n, range(2, last)],
    [3n, 0n, range(3, last)],
    [8n, 0n, range(8, last)],
    [10n, 0n, [10, 11]],
    [11n, 0n, [11]],
    [12n, 0n, []],
    [afterEnd, 0n, []],
    [0n, 1n, [1]],
    [0n, 2n, [1, 2]],
    [0n, 4n, range(1, 4)],
    [0n, 10n, range(1, 10)],
    [0n, 11n, range(1, last)],
    [0n, 12n, range(1, last)],
    [0n, afterEnd, range(1, last)],
    [1n, 1n, [1]],
    [3n, 3n, [3]],
    [3n, 9n, range(3, 9)],
    [5n, 7n, [5, 6, 7]],
    [11n, 11n, [11]],
    [11n, afterEnd, [11]],
    [12n, 12n, []],
    [12n, afterEnd, []],
  ])('forward from version %s to %s', async (fromVersion, toVersion, versions) => {
    expect(await read({ fromVersion, toVersion })).toEqual([versions, 'complete']);
    const direction = Direction.FORWARD;
    expect(await read({ direction, fromVersion, toVersion })).toEqual([versions, 'complete']);
  });

  test.each<[from: bigint, to: bigint, versions: number[]]>([
    [0n, 0n, range(last, 1)],
    [afterEnd, 0n, range(last, 1)],
    [12n, 0n, range(last, 1)],
    [11n, 0n, range(last, 1)],
    [10n, 0n, range(10, 1)],
    [7n, 0n, range(7, 1)],
    [4n, 0n, range(4, 1)],
    [3n, 0n, [3, 2, 1]],
    [1n, 0n, [1]],
    [0n, 1n, range(last, 1)],
    [0n, 2n, range(last, 2)],
    [0n, 9n, [11, 10, 9]],
    [0n, 11n, [11]],
    [0n, 12n, []],
    [0n, afterEnd, []],
    [12n, 12n, []],
    [12n, 11n, [11]],
    [afterEnd, 11n, [11]],
    [afterEnd, afterEnd, []],
    [11n, 11n, [11]],
    [9n, 3n, range(9, 3)],
    [7n, 5n, [7, 6, 5]],
    [3n, 3n, [3]],
    [1n, 1n, [1]],
  ])('backward from version %s to %s', async (fromVersion, toVersion, versions) => {
    expect(await read({ ...backward, fromVersion, toVersion })).toEqual([versions, 'complete']);
  });
}

function byCount(read: Read): void {
  test.each<[count: bigint, conditions: Conditions, expected: Expected]>([
    [1n, {}, [[1], 'maxCount']],
    [2n, {}, [[1, 2], 'maxCount']],
    [4n, {}, [range(1, 4), 'maxCount']],
    [10n, {}, [range(1, 10), 'maxCount']],
    [11n, {}, [range(1, last), 'maxCount']],
    [12n, {}, [range(1, last), 'complete']],
    [afterEnd, {}, [range(1, last), 'complete']],
    [3n, { fromVersion: 3n }, [[3, 4, 5], 'maxCount']],
    [3n, { fromVersion: 3n, toVersion: 5n }, [[3, 4, 5], 'maxCount']],
    [4n, { fromVersion: 3n, toVersion: 5n }, [[3, 4, 5], 'complete']],
    [1n, { fromVersion: 12n }, [[], 'complete']],
    [1n, backward, [[11], 'maxCount']],
    [5n, backward, [range(11, 7), 'maxCount']],
    [11n, backward, [range(last, 1), 'maxCount']],
    [12n, backward, [range(last, 1), 'complete']],
    [3n, { ...backward, fromVersion: 9n }, [[9, 8, 7], 'maxCount']],
    [2n, { ...backward, fromVersion: 9n, toVersion: 9n }, [[9], 'complete']],
  ])('at most %s events of %p', async (maxCount, conditions, expected) => {
    expect(await read({ ...conditions, maxCount })).toEqual(expected);
  });
}

function byType(read: Read): void {
  test.each<[types: string[], conditions: Conditions, expected: Expected]>([
    [['A'], {}, [[1, 3, 6, 8, 11], 'complete']],
    [['B'], {}, [[2, 4, 7, 9], 'complete']],
    [['C', 'B', 'C'], {}, [[2, 4, 5, 7, 9, 10], 'complete']],
    [['A', 'B', 'C'], {}, [range(1, last), 'complete']],
    [['a'], {}, [[], 'complete']],
    [['A', 'never'], backward, [[11, 8, 6, 3, 1], 'complete']],
    [['C'], backward, [[10, 5], 'complete']],
    [['A'], { fromVersion: 3n, toVersion: 8n }, [[3, 6, 8], 'complete']],
    [['A'], { fromVersion: 4n, toVersion: 5n }, [[], 'complete']],
    [['B'], { ...backward, fromVersion: 8n, toVersion: 3n }, [[7, 4], 'complete']],
    [['B'], { maxCount: 2n }, [[2, 4], 'maxCount']],
    [['B'], { maxCount: 4n }, [[2, 4, 7, 9], 'maxCount']],
    [['B'], { maxCount: 5n }, [[2, 4, 7, 9], 'complete']],
    [['A'], { ...backward, maxCount: 3n }, [[11, 8, 6], 'maxCount']],
  ])('only events of types %p of %p', async (eventTypes, conditions, expected) => {
    expect(await read({ ...conditions, eventTypes })).toEqual(expected);
  });
}

function byTime(read: Read, time: Time): void {
  /** Commits that hold to the bounds, both ways. */
  const expectCommits = async (conditions: Conditions, commits: readonly number[]): Promise<void> => {
    const versions = range(1, last).filter((version) => commits.includes(commitOf(version) + 1));
    expect(await read(conditions)).toEqual([versions, 'complete']);
    expect(await read({ ...backward, ...conditions })).toEqual([versions.toReversed(), 'complete']);
  };

  test.each(range(1, 5))('from the time of commit %i, inclusive', async (commit) => {
    await expectCommits({ fromTime: time(commit) }, range(commit, 5));
    await expectCommits({ fromTime: time(commit, -1n) }, range(commit, 5));
    await expectCommits({ fromTime: time(commit, 1n) }, range(1, 5).slice(commit));
  });

  test.each(range(1, 5))('to the time of commit %i, inclusive', async (commit) => {
    await expectCommits({ toTime: time(commit) }, range(1, commit));
    await expectCommits({ toTime: time(commit, 1n) }, range(1, commit));
    await expectCommits({ toTime: time(commit, -1n) }, range(1, 5).slice(0, commit - 1));
  });

  test('from one time to another', async () => {
    await expectCommits({ fromTime: time(2), toTime: time(4) }, [2, 3, 4]);
    await expectCommits({ fromTime: time(2, 1n), toTime: time(4, -1n) }, [3]);
    await expectCommits({ fromTime: time(3), toTime: time(3) }, [3]);
    await expectCommits({ fromTime: time(3, 1n), toTime: time(4, -1n) }, []);
    await expectCommits({ fromTime: time(1), toTime: time(5) }, [1, 2, 3, 4, 5]);
  });

  test('from and to the ends of time', async () => {
    const endOfTime = { seconds: 9_223_372_035n, nanos: 999_999_999 };
    await expectCommits({ fromTime: timestamp(0n), toTime: endOfTime }, [1, 2, 3, 4, 5]);
    await expectCommits({ toTime: timestamp(0n) }, []);
    await expectCommits({ fromTime: endOfTime }, []);
  });
}

function together(read: Read, time: Time): void {
  test('that all conditions hold', async () => {
    const all = { fromTime: time(2), toTime: time(5), eventTypes: ['A', 'B'] };
    expect(await read(all)).toEqual([[2, 3, 4, 6, 7, 8, 9, 11], 'complete']);
    expect(await read({ ...all, fromVersion: 4n, toVersion: 9n })).toEqual([[4, 6, 7, 8, 9], 'complete']);
    expect(await read({ ...all, fromVersion: 4n, toVersion: 9n, maxCount: 3n })).toEqual([
      [4, 6, 7],
      'maxCount',
    ]);
    expect(await read({ ...all, ...backward, fromVersion: 9n, toVersion: 4n, maxCount: 3n })).toEqual([
      [9, 8, 7],
      'maxCount',
    ]);
  });

  test('that the narrower of version and time counts', async () => {
    const third = { fromTime: time(3), toTime: time(3) };
    expect(await read({ ...third, fromVersion: 6n })).toEqual([[6], 'complete']);
    expect(await read({ ...third, toVersion: 5n })).toEqual([[5], 'complete']);
    expect(await read({ ...third, fromVersion: 7n })).toEqual([[], 'complete']);
    expect(await read({ ...third, toVersion: 4n })).toEqual([[], 'complete']);
    expect(await read({ ...third, ...backward, fromVersion: 5n })).toEqual([[5], 'complete']);
    expect(await read({ ...third, ...backward, toVersion: 6n })).toEqual([[6], 'complete']);
    expect(await read({ ...third, ...backward, fromVersion: 4n })).toEqual([[], 'complete']);
    expect(await read({ ...third, ...backward, toVersion: 7n })).toEqual([[], 'complete']);
    expect(await read({ fromVersion: 2n, toTime: time(2) })).toEqual([[2, 3, 4], 'complete']);
    expect(await read({ ...backward, toVersion: 3n, toTime: time(2), maxCount: 2n })).toEqual([
      [4, 3],
      'maxCount',
    ]);
  });
}

function refused(store: () => ContractStore): void {
  test.each<[conditions: Conditions, fields: string[]]>([
    [{ fromVersion: 2n, toVersion: 1n }, ['to_version']],
    [{ ...backward, fromVersion: 1n, toVersion: 2n }, ['to_version']],
    [{ fromTime: timestamp(2n), toTime: timestamp(1n) }, ['to_time']],
    [{ ...backward, fromTime: timestamp(2n), toTime: timestamp(1n) }, ['to_time']],
    [{ fromTime: { seconds: -1n, nanos: 0 }, eventTypes: ['A', ''] }, ['from_time', 'event_types[1]']],
    [
      { direction: Direction.UNRECOGNIZED, consistency: Consistency.UNRECOGNIZED },
      ['direction', 'consistency'],
    ],
  ])('that cannot be meant is refused: %p', async (conditions, fields) => {
    const call = store().read({ stream, ...conditions });
    expect(await problemOf(call)).toEqual({ reason: 'INVALID_REQUEST', fields });
  });
}
