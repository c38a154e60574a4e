import pino from 'pino';
import { CommitRecord } from '../../generated/sluice/v1/event';
import { defaultLimits, type Limits } from '../../src/limits';
import { Replica } from '../../src/replica/replica';
import { createReplicaStore } from '../../src/replica/replica-store';
import type { CallContext, EventStore, ReadAllQuery, ReadStreamQuery } from '../../src/store/event-store';
import { position, version, type StreamName } from '../../src/store/values';
import type { MemoryLog } from './memory-log';
import { until } from './nats-server';
import { patience } from './patience';

/** An open replica of a log in memory, and its reads. */

const logger = pino({ level: 'silent' });

export interface Opened extends AsyncDisposable {
  readonly replica: Replica;
  readonly reads: Omit<EventStore, 'append' | 'appendMulti' | 'control' | 'info'>;
}

export async function open(
  log: MemoryLog,
  folder: string,
  limits: Partial<Limits> = {},
  waitMs = 2_000 * patience,
): Promise<Opened> {
  const bounds = { ...defaultLimits, readProgressTimeoutMs: 500 * patience, ...limits };
  const replica = await Replica.open({ folder, log, limits: bounds, logger }, waitMs);
  const { reads } = createReplicaStore(replica);
  return { replica, reads, [Symbol.asyncDispose]: () => replica.close() };
}

export const call = (): CallContext => ({
  signal: new AbortController().signal,
  deadlineMs: performance.now() + 10_000 * patience,
});

export const everything: ReadAllQuery = {
  filter: { patterns: ['>'], eventTypes: new Set(), eventTypePrefixes: [] },
  direction: 'forward',
  afterPosition: undefined,
  afterCount: undefined,
  toPosition: position(0n),
  maxCount: undefined,
  fromTime: undefined,
  toTime: undefined,
  skipUnreadable: false,
  storeId: '',
};

export const wholeStream = {
  direction: 'forward',
  fromVersion: version(0n),
  toVersion: version(0n),
  maxCount: undefined,
  fromTime: undefined,
  toTime: undefined,
  eventTypes: new Set<string>(),
  consistency: 'leader',
} as const satisfies Omit<ReadStreamQuery, 'stream'>;

/** `stream@version` of all events, in order. */
export async function eventsOf({ reads }: Opened, query: Partial<ReadAllQuery> = {}): Promise<string[]> {
  const { pages } = await reads.readAll({ ...everything, ...query }, call());
  const found: string[] = [];
  for await (const { runs } of pages)
    for (const { events } of runs)
      found.push(...CommitRecord.decode(events).events.map(({ stream, version: at }) => `${stream}@${at}`));
  return found;
}

export const storedIn = (log: MemoryLog): string[] =>
  log.commits.map(({ stream, lastVersion }) => `${stream}@${lastVersion}`);

/** The first read that is served must be correct; every read before ends with an error. */
export async function becomesWhole(opened: Opened, log: MemoryLog): Promise<void> {
  await until(() =>
    eventsOf(opened).then(
      (found) => {
        expect(found).toEqual(storedIn(log));
        return true;
      },
      () => false,
    ),
  );
  await expectWhole(opened, log);
}

/** Everything that can be read: each stream, the whole log in both directions, each commit id. */
export async function expectWhole(opened: Opened, log: MemoryLog): Promise<void> {
  const stored = storedIn(log);
  expect(await eventsOf(opened)).toEqual(stored);
  const isTransaction = log.groups.some(({ length }) => length > 1);
  if (!isTransaction) expect(await eventsOf(opened, { direction: 'backward' })).toEqual(stored.toReversed());
  for (const stream of new Set(log.commits.map((commit) => commit.stream))) {
    const head = await opened.reads.getVersion(stream as StreamName, undefined, call());
    expect(head.version).toBe(
      version(log.commits.findLast((one) => one.stream === stream)?.lastVersion ?? 0n),
    );
  }
}
