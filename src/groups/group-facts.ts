import type { GroupFacts } from '../store/consumer-groups';
import { GroupError } from '../store/group-errors';
import type { UnixNanos } from '../store/values';
import { toPosition } from './group-record';
import type { GroupRunner } from './group-runner';
import { membersOf, statesOf } from './group-state';
import { lanePrefix } from './lane-record';
import { memberPrefix } from './member-record';

/** How a group is doing, as far as its members here and the records tell. */
export function factsOf(runner: GroupRunner): GroupFacts {
  const { name, stored, records, deliveries, memberships, parked, reader } = runner;
  const lanes = new Map(records.under(lanePrefix(name)).map(({ record }) => [record.key, record]));
  const members = membersOf(
    name,
    records.under(memberPrefix(name)).map(({ record }) => record),
  );
  const states = lanesOf(() => statesOf(stored, lanes, members).lanes);
  const floors = states.map(({ number, floor }) => {
    const owner = runner.keeper.owners.get(number);
    return owner === undefined ? Number(floor) : owner.lane.floor;
  });
  const oldest = states.flatMap(({ number, oldestTime }) => {
    const owner = runner.keeper.owners.get(number);
    return (owner === undefined ? oldestTime : owner.lane.oldestTime) ?? [];
  });
  const waiting = states.map(({ number, streamsWaiting }) => {
    const owner = runner.keeper.owners.get(number);
    return owner === undefined ? streamsWaiting : owner.lane.streamsWaiting;
  });
  return {
    name,
    members: memberships.joined.size,
    lanesWithoutOwner: states.filter(({ member }) => member === '').length,
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
