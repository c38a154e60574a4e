import { predecessorFaults, type LoggedEvent } from './condition-history';

function event(position: number, seen: number | undefined, ...tags: string[]): LoggedEvent {
  return {
    id: `e${position}`,
    position: BigInt(position),
    tags,
    seen: seen === undefined ? undefined : BigInt(seen),
  };
}

test('an event must follow the last one that its writer had seen', () => {
  const log = [
    event(1, 0, 'a'),
    event(2, undefined, 'b'),
    event(4, 1, 'a'),
    event(5, 2, 'b'),
    event(6, 4, 'a'),
  ];
  expect(predecessorFaults(log)).toEqual([]);
  expect(predecessorFaults([...log, event(7, 4, 'a')])).toEqual([
    'event e7 at 7 with a was decided after 4, and follows 6',
  ]);
  expect(predecessorFaults([...log, event(8, undefined, 'a'), event(9, 6, 'a')])).toHaveLength(1);
  expect(predecessorFaults([event(1, 1, 'a')])).toHaveLength(1);
});

test('of several tags, only events with all of them count', () => {
  const log = [event(1, 0, 'a', 'b'), event(2, 0, 'a', 'c'), event(3, 1, 'b', 'a')];
  expect(predecessorFaults(log)).toEqual([]);
  expect(predecessorFaults([...log, event(4, 2, 'a', 'b')])).toHaveLength(1);
});
