import type { RecordedEvent } from '../../generated/sluice/v1/event';
import { controlledFaults, type ControlledHistory } from './control-history';

/** The checker accepts a good history, and names every fault of one that was spoiled on purpose. */

function event(id: string, version: bigint, position: bigint): RecordedEvent {
  const texts = { contentType: '', correlationId: id, causationId: id, tags: [], metadata: new Map() };
  const commitTime = { seconds: 0n, nanos: 0 };
  const erased = false;
  return { id, stream: 's', version, type: 'T', payload: undefined, ...texts, position, commitTime, erased };
}

/** Three appends, a truncate before 3 after two of them, and a tombstone at the end; each takes from n to n + 0.5. */
const good: ControlledHistory = {
  appends: [
    append('a', 1, { kind: 'stored', firstVersion: 1n, version: 1n, position: 10n }),
    append('b', 2, { kind: 'stored', firstVersion: 2n, version: 2n, position: 20n }),
    append('c', 4, { kind: 'stored', firstVersion: 3n, version: 3n, position: 40n }),
  ],
  tombstoned: [{ eventIds: ['d'], startedAt: 8, endedAt: 8.5 }],
  controls: [
    control('truncate', 3, { kind: 'holds', changed: true, version: 2n, firstVersion: 3n }),
    control('delete', 3.1, { kind: 'refused', reason: 'VERSION_CONFLICT', actualVersion: 2n }),
    control('tombstone', 7, { kind: 'holds', changed: true, version: 3n, firstVersion: 4n }),
  ],
  looks: [
    { startedAt: 2.6, endedAt: 2.8, version: 2n, firstVersion: 1n, eventIds: ['a', 'b'] },
    { startedAt: 3.1, endedAt: 3.2, version: 2n, firstVersion: 3n, eventIds: [] },
    { startedAt: 5, endedAt: 5.5, version: 3n, firstVersion: 3n, eventIds: ['c'] },
    { startedAt: 8, endedAt: 8.5, version: 3n, firstVersion: 4n, eventIds: undefined },
  ],
  events: [event('a', 1n, 10n), event('b', 2n, 20n), event('c', 3n, 40n)],
  logged: [
    { kind: 'truncate', commitId: 'truncate', position: 30n, version: 2n, firstVersion: 3n },
    { kind: 'tombstone', commitId: 'tombstone', position: 50n, version: 3n, firstVersion: 4n },
  ],
};

function append(
  id: string,
  startedAt: number,
  outcome: ControlledHistory['appends'][number]['outcome'],
): ControlledHistory['appends'][number] {
  return { eventIds: [id], expectedVersion: undefined, startedAt, endedAt: startedAt + 0.5, outcome };
}

function control(
  kind: ControlledHistory['controls'][number]['kind'],
  startedAt: number,
  outcome: ControlledHistory['controls'][number]['outcome'],
): ControlledHistory['controls'][number] {
  return { kind, commitId: kind, startedAt, endedAt: startedAt + 0.5, outcome };
}

/** The array with another element at a place. */
function withAt<T>(all: readonly T[], index: number, changes: Partial<T>): T[] {
  return all.map((one, at) => (at === index ? { ...one, ...changes } : one));
}

test('a good history has no faults', () => {
  expect(controlledFaults(good)).toEqual([]);
});

/** The good history, in which version 3 was erased before the tombstone. */
const range = { from: 3n, to: 3n };
const erasing: ControlledHistory = {
  ...good,
  controls: [
    ...good.controls,
    { ...control('erase', 5.6, { kind: 'holds', changed: true, version: 3n, firstVersion: 3n }), range },
  ],
  looks: [
    ...good.looks,
    { startedAt: 5.7, endedAt: 6, version: 3n, firstVersion: 3n, eventIds: ['c'], erased: [] },
    { startedAt: 5.7, endedAt: 5.9, version: 3n, firstVersion: 3n, eventIds: ['c'], erased: [3n] },
    { startedAt: 6.2, endedAt: 6.3, version: 3n, firstVersion: 3n, eventIds: ['c'], erased: [3n] },
  ],
  logged: [
    ...good.logged.slice(0, 1),
    { kind: 'erase', commitId: 'erase', position: 45n, version: 3n, firstVersion: 3n, range },
    ...good.logged.slice(1),
  ],
};

test('a good history with an erasure has no faults', () => {
  expect(controlledFaults(erasing)).toEqual([]);
});

const [cut, erasure, end] = erasing.logged as [Logged, Logged, Logged];
type Logged = ControlledHistory['logged'][number];
test.each<[string, Partial<ControlledHistory>, string]>([
  [
    'an erased event that a later read has',
    { looks: withAt(erasing.looks, 6, { erased: [] }) },
    'a read that began later had the contents of version 3, which was erased',
  ],
  [
    'a stub that comes too early',
    { looks: withAt(erasing.looks, 2, { erased: [3n] }) },
    'a read had a stub of version 3, which nobody had erased',
  ],
  [
    'contents after a stub',
    { looks: withAt(erasing.looks, 4, { startedAt: 5.95 }) },
    'a read had the contents of version 3 after one that had a stub',
  ],
  [
    'an erasure of a part of a commit',
    { events: withAt(erasing.events, 2, { position: 20n }) },
    'an erasure of versions 3 to 3 covers no whole commits',
  ],
  ['an erasure that is lost', { logged: [cut, end] }, 'an erase was acknowledged, but is lost'],
  [
    'an erasure of what there was not yet',
    { logged: [cut, { ...erasure, position: 35n }, end] },
    'an erasure of versions 3 to 3 covers no whole commits',
  ],
])('%s is a fault', (_what, spoiled, fault) => {
  expect(controlledFaults({ ...erasing, ...spoiled })).toContain(fault);
});

test('a control whose outcome is unknown may be stored or not', () => {
  const unknown = { ...good, controls: withAt(good.controls, 0, { outcome: { kind: 'unknown' } }) };
  expect(controlledFaults(unknown)).toEqual([]);
  const looks = good.looks.map((look) => ({ ...look, firstVersion: 1n })).slice(0, 1);
  const without = { ...unknown, looks, logged: good.logged.slice(1) };
  expect(controlledFaults(without)).toEqual([]);
});

const [truncate, tombstone] = good.logged as [
  ControlledHistory['logged'][number],
  (typeof good.logged)[number],
];
test.each<[string, Partial<ControlledHistory>, string]>([
  ['versions that restart', { events: withAt(good.events, 2, { version: 1n }) }, 'event 3 has version 1'],
  [
    'an event after a tombstone',
    { logged: [truncate, { ...tombstone, position: 35n, version: 2n }] },
    'version 3 follows a tombstone',
  ],
  [
    'an acknowledged control that is lost',
    { logged: [tombstone] },
    'a truncate was acknowledged, but is lost',
  ],
  [
    'a refused control that is stored',
    { logged: [truncate, { ...truncate, kind: 'delete', commitId: 'delete', position: 31n }, tombstone] },
    'a delete was refused (VERSION_CONFLICT), but is stored',
  ],
  [
    'a control that is stored twice',
    { logged: [truncate, { ...truncate, position: 31n }, tombstone] },
    'control truncate is stored twice',
  ],
  [
    'a control that changes the version',
    { logged: [{ ...truncate, version: 1n }, tombstone] },
    'a truncate at version 2 says version 1',
  ],
  [
    'a control that brings events back',
    { logged: [truncate, { ...tombstone, firstVersion: 2n }] },
    'a tombstone brings back versions before 3',
  ],
  [
    'a hidden event that is seen later',
    { looks: withAt(good.looks, 2, { firstVersion: 2n, eventIds: ['b', 'c'] }) },
    'a read that began later saw version 2, although those before 3 were hidden',
  ],
  [
    'an event that is hidden too early',
    { looks: withAt(good.looks, 0, { firstVersion: 2n, eventIds: ['b'] }) },
    'a read began at version 2, although only those before 1 were hidden',
  ],
  [
    'a read without one of its events',
    { looks: withAt(good.looks, 2, { eventIds: [] }) },
    'a read from 3 to 3 has 0 events of 1',
  ],
  [
    'a tombstone before it was asked for',
    { tombstoned: [{ eventIds: ['d'], startedAt: 6, endedAt: 6.5 }] },
    'the append of d met a tombstone that was not there',
  ],
  [
    'an append that began after a tombstone',
    { appends: withAt(good.appends, 2, { startedAt: 7.6, endedAt: 7.8 }) },
    'the append of c began after a tombstone',
  ],
  [
    'a control at a version of the past',
    { controls: withAt(good.controls, 1, { startedAt: 5, endedAt: 5.5 }) },
    'a lookup of the version came to version 2, older than version 3 that a lookup of the version had reported before',
  ],
])('%s is a fault', (_what, spoiled, fault) => {
  const found = controlledFaults({ ...good, ...spoiled });
  if (fault.includes('came to')) expect(found.join('\n')).toMatch(/came to version/);
  else expect(found).toContain(fault);
});
