import type { GroupFacts } from '../store/consumer-groups';
import { GroupError } from '../store/group-errors';
import type { UnixNanos } from '../store/values';
import { toPosition } from './group-record';
import type { GroupRunner } from './group-runner';
import { membersOf, statesOf } from './group-state';
import { laneKey, lanePrefix } from './lane-record';
import { memberPrefix } from './member-record';

/** How a group is doing, as far as its members here and the records tell. */
export function factsOf(runner: GroupRunner): GroupFacts {
  const { name, stored, records, deliveries, memberships, parked, reader } = runner;
  const { owners } = runner.keeper;
  const lanes = new Map(records.under(lanePrefix(name)).map(({ record }) => [record.key, record]));
  // These say themselves how they are doing; to read their records, which may be long, would take much of the time of a busy group.
  for (const number of owners.keys()) lanes.delete(laneKey(name, number));
  const members = membersOf(
    name,
    records.under(memberPrefix(name)).map(({ record }) => record),
  );
  const others = lanesOf(() => statesOf(stored, lanes, members).lanes).filter(
    ({ number }) => !owners.has(number),
  );
  const here = Array.from(owners.values(), ({ lane }) => lane);
  const floors = [...others.map(({ floor }) => Number(floor)), ...here.map(({ floor }) => floor)];
  const oldest = [...others, ...here].flatMap(({ oldestTime }) => oldestTime ?? []);
  const waiting = [...others, ...here].map(({ streamsWaiting }) => streamsWaiting);
  return {
    name,
    members: memberships.joined.size,
    lanesWithoutOwner: others.filter(({ member }) => member === '').length,
    floor: toPosition(Math.min(reader.head, ...floors)),
    head: toPosition(reader.head),
    oldestTime: lowest(oldest),
    streamsWaiting: waiting.reduce((sum, count) => sum + count, 0),
    parked: parked.count,
    deliveries: deliveries.count,
    redeliveries: deliveries.redeliveries,
    outcomes: { ...deliveries.outcomes },
  };
}

function lowest(times: readonly UnixNanos[]): UnixNanos | undefined {
  const [first, ...others] = times;
  return first === undefined ? undefined : others.reduce((low, time) => (time < low ? time : low), first);
}

/** Metrics have what can be read. */
function lanesOf<Lanes>(read: () => readonly Lanes[]): readonly Lanes[] {
  try {
    return read();
  } catch (error) {
    if (error instanceof GroupError) return [];
    throw error;
  }
}
