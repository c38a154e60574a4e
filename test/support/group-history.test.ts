import { groupFaults, type GroupHistory, type ObservedDelivery } from './group-history';

type Row = Partial<ObservedDelivery> & Pick<ObservedDelivery, 'versions' | 'startedAt'>;

function history(rows: readonly Row[], more: Partial<GroupHistory> = {}): GroupHistory {
  const deliveries = rows.map((row): ObservedDelivery => {
    const endedAt = row.endedAt ?? row.startedAt + 1;
    const defaults = { member: 'm', stream: 's', redelivered: false, replayed: false } as const;
    return { ...defaults, outcome: 'acknowledged', ...row, endedAt };
  });
  return { log: new Map([['s', [1, 2, 3]]]), deliveries, parked: new Set(), isComplete: true, ...more };
}

const good: readonly Row[] = [
  { versions: [1], startedAt: 10 },
  { versions: [2, 3], startedAt: 20, outcome: 'retried', handled: 1 },
  { versions: [3], startedAt: 30, redelivered: true, outcome: 'lost' },
  { versions: [3], startedAt: 40, redelivered: true },
];

test('nothing is found in a history without faults', () => {
  expect(groupFaults(history(good))).toEqual([]);
  expect(groupFaults(history(good.slice(0, 2), { isComplete: false }))).toEqual([]);
  expect(groupFaults(history(good.slice(0, 2), { parked: new Set(['s 3']) }))).toEqual([]);
});

test.each<[string, readonly Row[], string]>([
  [
    'an event that is left out',
    [
      { versions: [1], startedAt: 10 },
      { versions: [3], startedAt: 20 },
    ],
    's 3 was delivered before 2',
  ],
  ['an event that is never settled', good.slice(0, 2), 's 3 was neither settled nor parked'],
  [
    'a stream with two members',
    [
      { versions: [1], startedAt: 10, endedAt: 15 },
      { ...good[0], versions: [1], startedAt: 12, redelivered: true },
      ...good.slice(1),
    ],
    's 1 went to m while m had the stream',
  ],
  [
    'an event that comes again as if it were new',
    [{ versions: [1], startedAt: 10 }, { versions: [1], startedAt: 15 }, ...good.slice(1)],
    's 1 was settled, and came again as if it were new',
  ],
  ['the wrong order within a delivery', [{ versions: [1, 3, 2], startedAt: 10 }], 's 1,3,2 is out of order'],
  [
    'an event that is not there',
    [...good, { versions: [4], startedAt: 50 }],
    's 4 was delivered and is not in the log',
  ],
  [
    'an event delivered while the one before is with a member that was lost',
    [
      { versions: [1], startedAt: 10, outcome: 'lost' },
      { versions: [2], startedAt: 20 },
    ],
    's 2 was delivered before 1',
  ],
])('%s is found', (_, rows, fault) => {
  expect(groupFaults(history(rows))).toContain(fault);
});

test('an event that is both acknowledged and parked is found, unless one of its deliveries failed', () => {
  const parked = new Set(['s 3']);
  const acknowledged: readonly Row[] = [{ versions: [1, 2, 3], startedAt: 10 }];
  expect(groupFaults(history(acknowledged, { parked }))).toEqual(['s 3 was acknowledged, and is parked too']);
  expect(groupFaults(history(good, { parked }))).toEqual([]);
});
