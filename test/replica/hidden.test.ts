import { CommitRecord, type RecordedEvent } from '../../generated/sluice/v1/event';
import { isControl, isDamage, type LogCommit } from '../../src/store/log';
import type { AllPage, Page, ReadAllQuery, ReadStreamQuery } from '../../src/store/event-store';
import type { StreamControl } from '../../src/store/stream-rules';
import { position, unixNanos, version, type CommitId, type StreamName } from '../../src/store/values';
import { MemoryLog } from '../support/memory-log';
import { readAllOf } from '../support/model-follow';
import type { Commit } from '../support/model-log';
import { correlated, listPages, pages, readCommits } from '../support/model-read';
import { descriptionOf, headNow } from '../support/model-rules';
import { call, everything, open, wholeStream, type Opened } from '../support/opened-replica';
import { randomFrom, type Random } from '../support/random';
import { makeReplicaDir } from '../support/replica-dir';

/** What the reads of a replica leave out, compared with the model: random logs, random controls, random reads. */

const seed = Number(process.env['TEST_SEED'] ?? Date.now());
const streams = [
  'a',
  'a.b',
  'order.00000001',
  'order.00000002',
  'long.name.of.a.stream.00000001',
] as StreamName[];

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[Math.floor(random() * items.length)] as Item;
}

function upTo(random: Random, max: bigint | number): bigint {
  return BigInt(Math.floor(random() * (Number(max) + 1)));
}

function someControl(random: Random, end: bigint): StreamControl {
  const kind = pick(random, [
    'truncate',
    'truncate',
    'retain',
    'retain',
    'retain',
    'delete',
    'tombstone',
  ] as const);
  switch (kind) {
    case 'truncate':
      return { kind, before: version(1n + upTo(random, end)) };
    case 'retain': {
      const maxCount = random() < 0.4 ? undefined : 1n + upTo(random, 30);
      const maxAgeNanos = random() < 0.5 ? undefined : 1_000_000_000n * (1n + upTo(random, 150));
      return { kind, retention: { maxCount, maxAgeNanos } };
    }
    default:
      return { kind };
  }
}

/** Commits of one event and of several, of one stream and of several, and controls. */
function someLog(random: Random, turns: number): MemoryLog {
  const log = new MemoryLog();
  const ended = new Set<StreamName>();
  for (let turn = 0; turn < turns; turn++) {
    const open = streams.filter((one) => !ended.has(one));
    const stream = pick(random, open);
    const kind = random();
    if (kind < 0.4) log.appendLarge(3_000, stream);
    else if (kind < 0.75) log.appendEvents(2 + Math.floor(random() * 6), stream);
    else if (kind < 0.85)
      appendToSeveral(
        log,
        open.filter((one) => one === stream || random() < 0.4),
      );
    else {
      const end = log.commits.findLast((commit) => commit.stream === stream)?.lastVersion;
      const control = someControl(random, end ?? 0n);
      // Some streams live on.
      const isEnd = control.kind === 'tombstone';
      if (end === undefined || (isEnd && (open.length < 4 || turn < turns / 2))) continue;
      log.control(stream, control);
      if (isEnd) ended.add(stream);
    }
  }
  return log;
}

/** One transaction, whose commits have one time. */
function appendToSeveral(log: MemoryLog, names: readonly StreamName[]): void {
  const commits = log.append(...names);
  const timeNanos = commits.at(-1)?.timeNanos ?? 0n;
  log.groups[log.groups.length - 1] = commits.map((commit) => ({ ...commit, timeNanos }));
}

/** The same log as the model has it. */
function modelOf(log: MemoryLog): Commit[] {
  return log.groups.flat().flatMap((entry): Commit[] => {
    if (isDamage(entry)) return [];
    const { position: at, timeNanos, commitId } = entry;
    const common = { id: commitId as CommitId, stream: entry.stream as StreamName, position: at };
    const time = unixNanos(timeNanos);
    if (isControl(entry))
      return [
        {
          ...common,
          time,
          firstVersion: entry.version + 1n,
          lastVersion: entry.version,
          events: [],
          control: entry.control,
        },
      ];
    const { events } = CommitRecord.decode(entry.record);
    return [{ ...common, time, firstVersion: entry.firstVersion, lastVersion: entry.lastVersion, events }];
  });
}

function shown(events: Uint8Array): string[] {
  return CommitRecord.decode(events).events.map(
    ({ stream, version: at }: RecordedEvent) => `${stream}@${at}`,
  );
}

async function collect<P extends Page>(
  found: AsyncIterable<P> | readonly P[],
): Promise<{ readonly events: string[]; readonly end: P['end']; readonly at: unknown }> {
  const events: string[] = [];
  for await (const page of found) {
    for (const run of page.runs) events.push(...shown(run.events));
    const at = (page as Partial<AllPage>).position;
    if (page.end !== undefined) return { events, end: page.end, at };
  }
  throw new Error('a read has no end');
}

function someRead(random: Random, stream: StreamName, end: bigint): ReadStreamQuery {
  const [one, other] = [upTo(random, end + 2n), upTo(random, end + 2n)];
  const [low, high] = one < other || other === 0n ? [one, other] : [other, one];
  const direction = pick(random, ['forward', 'backward'] as const);
  const [fromVersion, toVersion] = direction === 'forward' ? [low, high] : [high, low];
  return {
    ...wholeStream,
    stream,
    direction,
    fromVersion: version(fromVersion),
    toVersion: version(toVersion),
    maxCount: random() < 0.5 ? undefined : 1n + upTo(random, 20),
    fromTime: random() < 0.8 ? undefined : unixNanos(upTo(random, 200) * 1_000_000_000n),
    eventTypes: random() < 0.8 ? new Set() : new Set(['T', 'U']),
    consistency: pick(random, ['leader', 'anyReplica'] as const),
  };
}

function someReadAll(random: Random, end: bigint): ReadAllQuery {
  const direction = pick(random, ['forward', 'backward'] as const);
  const after = random() < 0.5 ? undefined : position(upTo(random, end));
  return {
    ...everything,
    filter: { ...everything.filter, patterns: pick(random, [['>'], ['>'], ['order.*'], ['a', 'long.>']]) },
    direction,
    afterPosition: after,
    afterCount: after === undefined || random() < 0.5 ? undefined : upTo(random, 5),
    maxCount: random() < 0.6 ? undefined : 1n + upTo(random, 20),
    fromTime: random() < 0.8 ? undefined : unixNanos(upTo(random, end) * 1_000_000_000n),
  };
}

const bounds = {
  'in memory': {},
  // A segment has at least one block.
  'in many segments': { segmentBytesMax: 64 << 10, tailBytesMax: 0 },
  'in the log again': { segmentBytesMax: 64 << 10, tailBytesMax: 0, replicaBytesMax: 100 << 10 },
};

describe.each(Object.entries(bounds))('a replica that is %s', (_name, limits) => {
  const random = randomFrom(seed);
  const log = someLog(random, 400);
  const model = modelOf(log);
  const end = model.at(-1)?.position ?? position(0n);
  /** Some ages are over, others are not. */
  const now = (): bigint => (end + 20n) * 1_000_000_000n;
  let opened: Opened;

  beforeAll(async () => {
    opened = await open(log, makeReplicaDir(), limits, 20_000);
    jest.spyOn(Date, 'now').mockReturnValue(Number(now() / 1_000_000n));
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await opened[Symbol.asyncDispose]();
  });

  test('reads of a stream', async () => {
    for (let round = 0; round < 300; round++) {
      const stream = pick(random, streams);
      const commits = model.filter((commit) => commit.stream === stream);
      const query = someRead(random, stream, commits.at(-1)?.lastVersion ?? 0n);
      const { head, pages: found } = await opened.reads.readStream(query, call());
      const expected = await collect(pages(readCommits(model, query, now), query.maxCount, call()));
      expect({ query, ...(await collect(found)) }).toEqual({ query, ...expected });
      expect(head).toEqual(headNow(model, stream, now));
    }
  });

  test('reads of the whole store', async () => {
    for (let round = 0; round < 300; round++) {
      const query = someReadAll(random, end);
      const { pages: found } = await opened.reads.readAll(query, call());
      const { events, end: ended } = await collect(found);
      const expected = await collect(readAllOf(model, query, now, call()).pages);
      expect({ query, events, ended }).toEqual({ query, events: expected.events, ended: expected.end });
    }
  });

  test('reads by correlation', async () => {
    const query = {
      correlationId: 'all',
      eventTypes: new Set<string>(),
      maxCount: undefined,
      skipUnreadable: false,
    };
    const { pages: found } = await opened.reads.readByCorrelation(query, call());
    const expected = await collect(pages(correlated(model, query, now), undefined, call()));
    expect(await collect(found)).toEqual(expected);
  });

  test('subscriptions that catch up', async () => {
    for (const patterns of [['>'], ['order.*'], ...streams.map((stream) => [stream])]) {
      for (const after of [0n, upTo(random, end), upTo(random, end)]) {
        const start = {
          kind: 'position',
          after: position(after),
          afterCount: undefined,
          fromTime: undefined,
        } as const;
        const filter = { ...everything.filter, patterns };
        const events = await caughtUp(opened, { ...follow, filter, start });
        const query = { ...everything, filter, afterPosition: position(after) };
        expect(events).toEqual((await collect(readAllOf(model, query, now, call()).pages)).events);
      }
    }
  });

  test('subscriptions that begin after a version', async () => {
    for (const stream of streams) {
      const last = model.findLast((commit) => commit.stream === stream)?.lastVersion ?? 0n;
      for (const after of [0n, 1n, upTo(random, last), last]) {
        const start = { kind: 'version', stream, after: version(after) } as const;
        const filter = { ...everything.filter, patterns: [stream] };
        const events = await caughtUp(opened, { ...follow, filter, start });
        const query = { ...wholeStream, stream, fromVersion: version(after + 1n) };
        const expected = await collect(pages(readCommits(model, query, now), undefined, call()));
        expect(events).toEqual(expected.events);
      }
    }
  });

  test('removed segments are read from the log', () => {
    expect(log.reads > 0).toBe('replicaBytesMax' in limits);
  });

  test('heads, descriptions and listings', async () => {
    for (const stream of streams) {
      expect(await opened.reads.getVersion(stream, undefined, call())).toEqual(headNow(model, stream, now));
      const commits = model.filter((commit) => commit.stream === stream);
      expect(await opened.reads.getStream(stream, call())).toEqual(descriptionOf(stream, commits, now()));
      for (const at of [commits[0]?.position ?? 1n, upTo(random, end), upTo(random, end)]) {
        const asOf = unixNanos(at * 1_000_000_000n);
        const last = commits.findLast(({ time }) => time <= asOf);
        expect(await opened.reads.getVersion(stream, asOf, call())).toMatchObject({
          version: last?.lastVersion ?? 0n,
          position: last?.position ?? 0n,
        });
      }
    }
    for (const includeDeleted of [false, true]) {
      const query = { patterns: ['>'], after: '', maxCount: undefined, includeDeleted };
      const found = await all(opened.reads.listStreams(query, call()));
      expect(found).toEqual(await all(listPages(model, query, now, call())));
    }
  });
});

async function all<Item>(listed: AsyncIterable<readonly Item[]>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const page of listed) items.push(...page);
  return items;
}

const follow = {
  startMustExist: false,
  heartbeatMs: undefined,
  skipUnreadable: false,
  storeId: '',
} as const;

/** What a subscriber gets until it has caught up. */
async function caughtUp(
  { reads }: Opened,
  query: Parameters<Opened['reads']['subscribe']>[0],
): Promise<string[]> {
  const events: string[] = [];
  for await (const update of reads.subscribe(query, call(), new AbortController().signal)) {
    if (update.kind === 'events') for (const run of update.runs) events.push(...shown(run.events));
    if (update.kind === 'caughtUp') return events;
  }
  throw new Error('a subscription has ended');
}

test('after a time far in the future a first version is found all the same, with few lookups', async () => {
  const log = new MemoryLog();
  log.append('ahead');
  const [ahead] = log.groups[0] as [LogCommit];
  log.groups[0] = [{ ...ahead, timeNanos: BigInt(Date.now()) * 1_000_000n + 3_600_000_000_000n }];
  for (let i = 0; i < 3_000; i++) log.append('old');
  const retention = { maxCount: undefined, maxAgeNanos: 60_000_000_000n };
  log.control('old', { kind: 'retain', retention });
  await using opened = await open(log, makeReplicaDir());
  const { index } = opened.replica.files;
  const forward = index.forward.bind(index);
  let lookups = 0;
  jest.spyOn(index, 'forward').mockImplementation(function* (...range) {
    for (const entry of forward(...range)) {
      lookups++;
      yield entry;
    }
  });
  const described = await opened.reads.getStream('old' as StreamName, call());
  expect(lookups).toBeLessThan(1_200);
  expect([described.version, described.firstVersion <= 3_001n]).toEqual([3_000n, true]);
  const { pages: read } = await opened.reads.readStream(
    { ...wholeStream, stream: 'old' as StreamName },
    call(),
  );
  expect((await collect(read)).events).toEqual([]);
});

test('subscriptions judge a retention once, and one that begins later judges it again', async () => {
  const log = new MemoryLog();
  for (let i = 0; i < 400; i++) log.appendLarge(3_000, 'kept', 'other');
  log.control('kept', { kind: 'retain', retention: { maxCount: 300n, maxAgeNanos: undefined } });
  await using opened = await open(log, makeReplicaDir(), { tailBytesMax: 0 });
  const head = jest.spyOn(opened.replica.files.index, 'head');
  const start = {
    kind: 'position',
    after: position(0n),
    afterCount: undefined,
    fromTime: undefined,
  } as const;
  const first = async (): Promise<string | undefined> =>
    (await caughtUp(opened, { ...follow, filter: everything.filter, start })).find((event) =>
      event.startsWith('kept'),
    );
  expect(await first()).toBe('kept@101');
  expect(head.mock.calls.filter(([stream]) => stream === 'kept')).toHaveLength(1);
  log.append('kept');
  expect(await first()).toBe('kept@102');
});

/** The first and the last version of a stream that a read of the whole store gets; undefined: none. */
async function shownOf(opened: Opened, stream: string): Promise<readonly [string, string] | undefined> {
  const { pages: found } = await opened.reads.readAll(everything, call());
  const events = (await collect(found)).events.filter((event) => event.startsWith(`${stream}@`));
  const [first, last] = [events[0], events.at(-1)].map((event) => event?.slice(stream.length + 1));
  return first === undefined || last === undefined ? undefined : [first, last];
}

test('each control of a stream holds for the next read, and so does what the stream has got since', async () => {
  const log = new MemoryLog();
  for (let i = 0; i < 40; i++) log.append('kept', 'other');
  await using opened = await open(log, makeReplicaDir());
  const retain = (maxCount: bigint | undefined): void => {
    log.control('kept', { kind: 'retain', retention: { maxCount, maxAgeNanos: undefined } });
  };
  const changes: readonly (readonly [() => void, readonly [string, string] | undefined])[] = [
    [() => undefined, ['1', '40']],
    [
      () => {
        retain(40n);
      },
      ['1', '40'],
    ],
    // What was judged a moment ago: that all is shown.
    [() => log.append('kept'), ['2', '41']],
    [() => log.append('other'), ['2', '41']],
    [
      () => {
        log.appendEvents(5, 'kept');
      },
      ['7', '46'],
    ],
    [() => log.control('kept', { kind: 'truncate', before: version(20n) }), ['20', '46']],
    [
      () => {
        retain(1_000n);
      },
      ['20', '46'],
    ],
    [
      () => {
        retain(3n);
      },
      ['44', '46'],
    ],
    [
      () => {
        retain(undefined);
      },
      ['20', '46'],
    ],
    [() => log.control('kept', { kind: 'delete' }), undefined],
    [() => log.append('kept'), ['47', '47']],
    [() => log.control('kept', { kind: 'tombstone' }), undefined],
  ];
  for (const [change, expected] of changes) {
    change();
    expect([change.toString(), await shownOf(opened, 'kept')]).toEqual([change.toString(), expected]);
    expect((await shownOf(opened, 'other'))?.[0]).toBe('1');
  }
});

test('an age passes between reads, to the millisecond', async () => {
  const log = new MemoryLog();
  const startMs = 1_796_000_000_123;
  for (let i = 0; i < 3; i++) {
    const [commit] = log.append('kept') as [LogCommit];
    log.groups[i] = [{ ...commit, timeNanos: BigInt(startMs + i) * 1_000_000n }];
  }
  const ageMs = 7 * 86_400_000;
  log.control('kept', {
    kind: 'retain',
    retention: { maxCount: undefined, maxAgeNanos: BigInt(ageMs) * 1_000_000n },
  });
  await using opened = await open(log, makeReplicaDir());
  const clock = jest.spyOn(Date, 'now');
  try {
    for (const [afterMs, first] of [
      [-ageMs, '1'],
      [-1, '1'],
      [0, '1'],
      [1, '2'],
      [2, '3'],
      [3, undefined],
      [1_000_000, undefined],
    ] as const) {
      clock.mockReturnValue(startMs + ageMs + afterMs);
      expect([afterMs, (await shownOf(opened, 'kept'))?.[0]]).toEqual([afterMs, first]);
    }
  } finally {
    clock.mockRestore();
  }
});

test('a control that arrives during a read does not show what the read has left out so far', async () => {
  const log = new MemoryLog();
  for (let i = 0; i < 400; i++) log.appendLarge(3_000, 'kept', 'other');
  const retain = (maxCount: bigint | undefined): void => {
    log.control('kept', { kind: 'retain', retention: { maxCount, maxAgeNanos: undefined } });
  };
  retain(10n);
  await using opened = await open(log, makeReplicaDir());
  const { pages: found } = await opened.reads.readAll({ ...everything, direction: 'backward' }, call());
  const events: string[] = [];
  let isChanged = false;
  for await (const { runs } of found) {
    for (const run of runs) events.push(...shown(run.events));
    if (isChanged || events.length < 100) continue;
    isChanged = true;
    retain(undefined);
    expect(await shownOf(opened, 'kept')).toEqual(['1', '400']);
  }
  expect(events.filter((event) => event.startsWith('other'))).toHaveLength(400);
  const newest = Array.from({ length: 10 }, (_, index) => `kept@${400 - index}`);
  expect([isChanged, events.filter((event) => event.startsWith('kept'))]).toEqual([true, newest]);
});
