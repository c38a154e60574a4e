import fc from 'fast-check';
import pino from 'pino';
import {
  decodeLane,
  encodeLane,
  encodeLaneWithin,
  holesWithin,
  type StoredLane,
} from '../../src/groups/lane-record';
import { openGroups } from '../../src/groups/open-groups';
import type { Hole } from '../../src/groups/stream-queue';
import { defaultLimits } from '../../src/limits';
import { StoreFullError } from '../../src/store/errors';
import { unixNanos, type StreamName } from '../../src/store/values';
import { MemoryState } from '../support/memory-state';
import { createModelStore } from '../support/model-store';
import { until } from '../support/nats-server';
import {
  append,
  call,
  defaultSettings,
  name,
  patientTimings,
  shortTimings,
  TestMember,
  versionsOf,
} from './groups-setup';

const most = Number.MAX_SAFE_INTEGER;
const longName = 'x'.repeat(defaultLimits.streamNameBytesMax) as StreamName;

function lane(holes: readonly Hole[]): StoredLane {
  return {
    group: 'g'.repeat(36),
    generation: most,
    member: 'm'.repeat(100),
    lease: 'l'.repeat(36),
    cursor: most,
    triedTo: 0,
    floor: most,
    mark: { stream: longName, version: most, position: most, event: 'e'.repeat(defaultLimits.idCharsMax) },
    holes,
    oldestTime: unixNanos(2n ** 63n - 1n),
    streamsWaiting: most,
  };
}

function hole(position: number): Hole {
  const time = unixNanos(2n ** 63n - 1n);
  return { stream: longName, version: most, position, attempts: most, time, wasTried: false, waitMs: most };
}

test('as many holes fit into a record as was promised', () => {
  for (const bytesMax of [5_000, 64 << 10, 1 << 20]) {
    const holes = Array.from({ length: holesWithin(bytesMax) }, () => hole(most));
    expect(encodeLane(lane(holes)).length).toBeLessThanOrEqual(bytesMax);
  }
});

test('a record that is too large has fewer holes, and says nothing is settled that was left out', () => {
  const positions = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 40 });
  fc.assert(
    fc.property(positions, fc.integer({ min: 1_400, max: 20_000 }), (all, bytesMax) => {
      const whole = { ...lane(all.map(hole)), cursor: 60 };
      const value = encodeLaneWithin(whole, bytesMax);
      const { cursor, holes, triedTo } = decodeLane(value);
      expect(value.length).toBeLessThanOrEqual(bytesMax);
      const left = all.filter((position) => position > cursor);
      expect(holes.map(({ position }) => position).sort()).toEqual(
        all.filter((position) => position <= cursor).sort(),
      );
      if (left.length > 0) expect(triedTo).toBe(60);
      else expect(value).toEqual(encodeLane(whole));
    }),
    { numRuns: 30 },
  );
});

test('a lane whose record would be larger than NATS takes stops in time, and goes on', async () => {
  const store = createModelStore();
  const state = new MemoryState();
  const gateway = state.gateway();
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
  gateway.valueBytesMax = 3_000;
  const limits = defaultLimits;
  const groups = openGroups({ store, state: gateway, limits, log, gateway: 'here:1', timings: shortTimings });
  const settings = { ...defaultSettings, lanes: 1, attemptsMax: 0, backoffMinMs: 10, backoffMaxMs: 20 };
  await groups.create({ name: name('g'), settings, start: { kind: 'beginning' } }, call());
  for (let count = 0; count < 100; count++) await append(store, `s${count.toString()}`);
  let mayPass = false;
  const done = new Set<string>();
  const handle = (delivery: Parameters<typeof versionsOf>[0], { membership }: TestMember): void => {
    if (mayPass) for (const event of versionsOf(delivery)) done.add(event);
    if (mayPass) membership.ack([delivery.id]);
    else membership.fail(delivery.id, 0, { kind: 'retry', delayMs: undefined, reason: '' });
  };
  const first = new TestMember(groups, 'g', 'm', handle);
  const waiting = async (): Promise<number> =>
    (await groups.get(name('g'), call())).lanes[0]?.streamsWaiting ?? 0;
  await until(async () => (await waiting()) > 1);
  // The record is written all the time; what was given back says how many there are at most.
  first.caller.abort();
  await first.done;
  mayPass = true;
  const second = new TestMember(groups, 'g', 'n', handle);
  await until(() => done.size === 100);
  await until(async () => (await waiting()) === 0);
  second.caller.abort();
  await second.done;
  await groups.close();
  expect(lines.filter((line) => line.includes('is not written'))).toEqual([]);
  expect(lines.filter((line) => line.includes('max_payload'))).toHaveLength(1);
});

test('that a record is refused is reported once, and again after it was written', async () => {
  const store = createModelStore();
  const state = new MemoryState().gateway();
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
  let isFull = false;
  const put: typeof state.put = (key, value, revision, context) =>
    isFull && key.startsWith('lane.')
      ? Promise.reject(new StoreFullError('no space'))
      : state.put(key, value, revision, context);
  const groups = openGroups({
    ...{ store, state: { ...state, put }, limits: defaultLimits, log, gateway: 'here:1' },
    timings: patientTimings,
  });
  const settings = { ...defaultSettings, lanes: 1 };
  await groups.create({ name: name('g'), settings, start: { kind: 'beginning' } }, call());
  const member = new TestMember(groups, 'g', 'm', ({ id }, { membership }) => {
    membership.ack([id]);
  });
  const floor = async (): Promise<number> =>
    decodeLane((await state.get('lane.g.0', call()))?.value ?? new Uint8Array()).floor;
  await member.ready();
  await until(() => member.lanes().length === 1);
  await append(store, 's');
  await until(async () => (await floor()) === 1);
  for (const expected of [1, 2]) {
    isFull = true;
    await append(store, 's');
    await until(() => lines.length === expected);
    await new Promise((resolve) => setTimeout(resolve, 100));
    isFull = false;
    await until(async () => (await floor()) === expected + 1);
  }
  expect(lines.filter((line) => line.includes('is not written'))).toHaveLength(2);
  member.caller.abort();
  await member.done;
  await groups.close();
});
