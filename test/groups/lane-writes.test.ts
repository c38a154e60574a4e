import { decodeLane } from '../../src/groups/lane-record';
import { defaultTimings, type GroupTimings } from '../../src/groups/context';
import { openGroups, type OpenGroups } from '../../src/groups/open-groups';
import { defaultLimits } from '../../src/limits';
import type { Delivery } from '../../src/store/consumer-groups';
import { MemoryState } from '../support/memory-state';
import { createModelStore } from '../support/model-store';
import { until } from '../support/nats-server';
import { append, call, defaultSettings, log, name, TestMember, versionsOf } from './groups-setup';

const g = name('g');

/** Two gateways that have a group of one lane, and the floors that were written to its record. */
async function setup(timings: GroupTimings) {
  const store = createModelStore();
  const state = new MemoryState();
  const floors: number[] = [];
  const open = (): OpenGroups => {
    const gateway = state.gateway();
    const put: typeof gateway.put = async (key, value, revision, context) => {
      const stored = await gateway.put(key, value, revision, context);
      if (key === 'lane.g.0') floors.push(decodeLane(value).floor);
      return stored;
    };
    const options = { store, state: { ...gateway, put }, limits: defaultLimits, log, gateway: 'here:1' };
    return openGroups({ ...options, timings });
  };
  const groups = open();
  const settings = { ...defaultSettings, lanes: 1 };
  await groups.create({ name: g, settings, start: { kind: 'beginning' } }, call());
  return { store, floors, groups, other: open() };
}

test('the record of a lane is written at most once a second, however much its member acknowledges', async () => {
  const fromMs = performance.now();
  const { store, floors, groups } = await setup(defaultTimings);
  let acknowledged = 0;
  const member = new TestMember(groups, 'g', 'm', ({ id }, { membership }) => {
    membership.ack([id]);
    acknowledged++;
  });
  // One of them is that the member has got the lane.
  for (let appended = 0; appended < 100 || floors.length < 3; appended++) {
    await append(store, 's');
    await until(() => acknowledged > appended);
  }
  expect(floors.length).toBeLessThanOrEqual(1 + (performance.now() - fromMs) / 1_000);
  member.caller.abort();
  await member.done;
  await groups.close();
});

const ends: readonly (readonly [string, (groups: OpenGroups, member: TestMember) => unknown])[] = [
  [
    'its member leaves',
    (_groups, { membership }) => {
      membership.leave();
    },
  ],
  [
    'the call of its member is cancelled',
    (_groups, { caller }) => {
      caller.abort();
    },
  ],
  [
    'its gateway lets the members finish',
    (_groups, { stop }) => {
      stop.abort();
    },
  ],
  ['its gateway closes', (groups) => groups.close()],
];

test.each(ends)('the last floor of a lane is written when %s: nothing comes again', async (_, end) => {
  // No write is due before.
  const { store, floors, groups, other } = await setup({
    ...defaultTimings,
    tickMs: 5,
    laneWriteMs: 3_600_000,
  });
  const got: string[] = [];
  const acknowledge = (delivery: Delivery, { membership }: TestMember): void => {
    got.push(...versionsOf(delivery));
    membership.ack([delivery.id]);
  };
  for (let appended = 0; appended < 20; appended++) await append(store, 's');
  const member = new TestMember(groups, 'g', 'm', acknowledge);
  await until(() => got.length === 20);
  expect(floors).toEqual([0]);
  void end(groups, member);
  await member.done;
  await until(() => floors.length > 1);
  expect(floors).toEqual([0, 20]);
  await append(store, 's');
  const next = new TestMember(other, 'g', 'n', acknowledge);
  await until(() => got.includes('s 21'));
  expect(got).toHaveLength(21);
  expect(next.updates.some(({ kind }) => kind === 'deliveries')).toBe(true);
  await Promise.all([groups.close(), other.close()]);
});
