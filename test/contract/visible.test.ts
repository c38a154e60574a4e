import fc from 'fast-check';
import pino from 'pino';
import { CommitRecord } from '../../generated/sluice/v1/event';
import { AppendRequest } from '../../generated/sluice/v1/event_store_service';
import { defaultLimits } from '../../src/limits';
import { openStore } from '../../src/open-store';
import { parseAppend } from '../../src/requests/append';
import { leftToNats } from '../../src/store/durability';
import type { CallContext, EventRun, EventStore, Page } from '../../src/store/event-store';
import type { StreamSelection } from '../../src/store/patterns';
import { createModelStore } from '../support/model-store';
import { startNats, type TestNats } from '../support/nats-server';
import { natsOptions } from '../support/nats-options';
import { makeReplicaDir } from '../support/replica-dir';

/** Streams that are not visible are left out by JetStream as by the model. */

const streams = ['a', 'b', 'a.a', 'a.b', 'b.a', 'a.a.a', 'a.b.a', 'b.a.b'];
const token = fc.constantFrom('a', 'b', '*');
const pattern = fc
  .tuple(fc.array(token, { maxLength: 2 }), fc.constantFrom('>', '*', 'a', 'b'))
  .map(([tokens, last]) => [...tokens, last].join('.'));
/** Up to 40: short lists and long ones are matched in different ways. */
const patterns = fc.oneof(
  fc.array(pattern, { maxLength: 3 }),
  fc.array(pattern, { minLength: 17, maxLength: 40 }),
);
const selection: fc.Arbitrary<StreamSelection> = fc.record({
  patterns,
  visible: fc.option(patterns, { nil: undefined }),
});

const call = (): CallContext => ({
  signal: new AbortController().signal,
  deadlineMs: performance.now() + 10_000,
});

const model = createModelStore();
let nats: TestNats;
let jetstream: EventStore & { close(): Promise<void> };
beforeAll(async () => {
  nats = await startNats();
  jetstream = await openStore({
    address: '',
    nats: natsOptions(nats.url),
    store: { name: 'EVENTS', prefix: 'es', replicas: 1 },
    mayCreate: true,
    limits: defaultLimits,
    durability: leftToNats,
    log: pino({ level: 'silent' }),
    replicaDir: makeReplicaDir(),
  });
  for (const [index, stream] of [...streams, ...streams.toReversed(), ...streams].entries()) {
    const correlationId = index % 3 === 0 ? 'other' : 'one';
    const events = [
      { type: 'A', id: `${index}`, correlationId },
      { type: 'B', id: `${index}b`, correlationId: 'one' },
    ];
    const command = parseAppend(AppendRequest.fromPartial({ stream, events }), defaultLimits);
    for (const store of [model, jetstream]) await store.append(command, call());
  }
}, 60_000);
afterAll(async () => {
  await jetstream.close();
  await nats[Symbol.asyncDispose]();
});

const idsOf = (runs: readonly EventRun[]): string[] =>
  runs.flatMap(({ events }) => CommitRecord.decode(events).events.map(({ id }) => id));

/** The ids of all events, and how the read ended. */
async function collect(pages: AsyncIterable<Page> | readonly Page[]): Promise<unknown> {
  const ids: string[] = [];
  let end: Page['end'];
  for await (const page of pages) {
    ids.push(...idsOf(page.runs));
    end = page.end;
  }
  return { ids, end };
}

/** The same request to both; returns the result. */
async function same(ask: (store: EventStore) => Promise<unknown>): Promise<unknown> {
  const expected = await ask(model);
  expect(await ask(jetstream)).toEqual(expected);
  return expected;
}

const maxCount = fc.option(fc.bigInt({ min: 1n, max: 9n }), { nil: undefined });
const everyType = { eventTypes: new Set<string>(), eventTypePrefixes: [] };

test('by reads of the whole store', async () => {
  let found = 0;
  await fc.assert(
    fc.asyncProperty(
      selection,
      maxCount,
      fc.constantFrom('forward' as const, 'backward' as const),
      async (selected, count, direction) => {
        const query = {
          filter: { ...selected, ...everyType },
          direction,
          afterPosition: undefined,
          afterCount: undefined,
          toPosition: 0n as never,
          maxCount: count,
          fromTime: undefined,
          toTime: undefined,
          skipUnreadable: false,
          storeId: '',
        };
        const { ids } = (await same(async (store) => {
          const { pages } = await store.readAll(query, call());
          return collect(pages);
        })) as { ids: string[] };
        found += ids.length;
      },
    ),
    { numRuns: 200 },
  );
  expect(found).toBeGreaterThan(200);
}, 60_000);

test('by listings', async () => {
  await fc.assert(
    fc.asyncProperty(selection, maxCount, fc.constantFrom('', ...streams), (selected, count, after) =>
      same(async (store) => {
        const names: string[] = [];
        const query = { ...selected, after, maxCount: count, includeDeleted: false };
        for await (const page of store.listStreams(query, call()))
          names.push(...page.map(({ stream }) => stream));
        return names;
      }).then(() => undefined),
    ),
    { numRuns: 300 },
  );
}, 60_000);

test('by reads by correlation id, which count what is visible', async () => {
  await fc.assert(
    fc.asyncProperty(patterns, maxCount, fc.constantFrom('one', 'other'), (visible, count, correlationId) =>
      same(async (store) => {
        const query = {
          correlationId,
          visible,
          eventTypes: new Set<string>(),
          maxCount: count,
          skipUnreadable: false,
        };
        return collect((await store.readByCorrelation(query, call())).pages);
      }).then(() => undefined),
    ),
    { numRuns: 200 },
  );
}, 60_000);

test('by subscriptions', async () => {
  await fc.assert(
    fc.asyncProperty(selection, (selected) =>
      same(async (store) => {
        const stop = new AbortController();
        const ids: string[] = [];
        const query = {
          filter: { ...selected, ...everyType },
          start: {
            kind: 'position' as const,
            after: 0n as never,
            afterCount: undefined,
            fromTime: undefined,
          },
          startMustExist: false,
          heartbeatMs: undefined,
          skipUnreadable: false,
          storeId: '',
        };
        for await (const update of store.subscribe(query, call(), stop.signal)) {
          if (update.kind === 'events') ids.push(...idsOf(update.runs));
          if (update.kind === 'caughtUp') stop.abort('enough');
        }
        return ids;
      }).then(() => undefined),
    ),
    { numRuns: 100 },
  );
}, 60_000);
