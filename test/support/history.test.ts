import type { RecordedEvent } from '../../generated/sluice/v1/event';
import { historyFaults, type Attempt, type Look, type Outcome } from './history';
import { randomFrom, type Random } from './random';

/** The checker must accept every good history, and name every fault of a history that was spoiled on purpose. */

interface History {
  attempts: Attempt[];
  events: RecordedEvent[];
  looks: Look[];
}

function recordedEvent(id: string, version: bigint, position: bigint): RecordedEvent {
  return {
    id,
    stream: 's',
    version,
    type: 'T',
    payload: undefined,
    contentType: '',
    correlationId: id,
    causationId: id,
    tags: [],
    metadata: new Map(),
    position,
    commitTime: { seconds: 0n, nanos: 0 },
    erased: false,
  };
}

/** Attempts and lookups that overlap. Each takes effect at one moment, in the order of the loop. */
function goodHistory(seed: number): History {
  const random = randomFrom(seed);
  const attempts: Attempt[] = [];
  const events: RecordedEvent[] = [];
  const looks: Look[] = [];
  for (let moment = 1; moment <= 40; moment++) {
    const before = BigInt(events.length);
    const count = 1 + Math.floor(random() * 3);
    const eventIds = Array.from({ length: count }, (_, index) => `e${moment}-${index}`);
    const expectedVersion = [undefined, before, before + 1n, 0n][Math.floor(random() * 4)];
    const fits = expectedVersion === undefined || expectedVersion === before;
    const acknowledged = moment <= 4 || random() < 0.8;
    const stores = fits && (acknowledged || random() < 0.5);
    const position = BigInt(moment * 7);
    let outcome: Outcome = { kind: 'unknown' };
    if (acknowledged && stores) {
      outcome = { kind: 'stored', firstVersion: before + 1n, version: before + BigInt(count), position };
    } else if (acknowledged) outcome = { kind: 'refused', actualVersion: before };
    if (stores)
      events.push(...eventIds.map((id, index) => recordedEvent(id, before + BigInt(index + 1), position)));
    const startedAt = moment - random() * 3;
    attempts.push({ eventIds, expectedVersion, startedAt, endedAt: moment + random() * 3, outcome });
    if (random() < 0.5) looks.push(look(events, moment, moment + random() * 3, random));
  }
  return { attempts, events, looks };
}

/** What is observed a moment after something happened. */
function look(
  events: readonly RecordedEvent[],
  moment: number,
  endedAt: number,
  random: Random = () => 0,
): Look {
  const version = BigInt(events.length);
  const from = Math.floor(random() * events.length);
  const eventIds = events.slice(from).map(({ id }) => id);
  const read = random() < 0.7 ? { fromVersion: BigInt(from + 1), eventIds } : undefined;
  return { startedAt: moment - random() * 3, endedAt: endedAt + 0.5, version, read };
}

/** The lookups of a history with a spoiled one at its end that reads everything. */
function withRead({ looks, events }: History, spoil: (eventIds: string[]) => void): void {
  const last = look(events, 90, 91);
  const eventIds = events.map(({ id }) => id);
  spoil(eventIds);
  looks.push({ ...last, read: { fromVersion: 1n, eventIds } });
}

/** The version with which the first commit ended. */
function firstVersion({ events }: History): bigint {
  return BigInt(events.filter(({ position }) => position === events[0]?.position).length);
}

/** An attempt with several events that is not the first one, and where its events begin. */
function storedAt({ attempts, events }: History): { attempt: Attempt; index: number; at: number } {
  const index = attempts.findIndex(
    ({ outcome, eventIds }) => outcome.kind === 'stored' && outcome.firstVersion > 1n && eventIds.length > 1,
  );
  const attempt = attempts[index] as Attempt;
  return { attempt, index, at: events.findIndex(({ id }) => id === attempt.eventIds[0]) };
}

function renumber({ events }: History): void {
  for (const [index, event] of events.entries()) event.version = BigInt(index + 1);
}

/** Each spoils a good history, and has the fault that must be found. */
const spoilers: readonly (readonly [string, RegExp, (history: History) => void])[] = [
  [
    'a version is there twice',
    /has version/,
    ({ events }) => {
      const [first, second] = events as [RecordedEvent, RecordedEvent];
      second.version = first.version;
    },
  ],
  [
    'a version is missing',
    /has version/,
    (history) => {
      history.events.splice(storedAt(history).at, 1);
    },
  ],
  [
    'an acknowledged append is lost, and the gap closed',
    /was acknowledged, but is lost/,
    (history) => {
      const { attempt, at } = storedAt(history);
      history.events.splice(at, attempt.eventIds.length);
      renumber(history);
    },
  ],
  [
    'an append is stored in part, and the gap closed',
    /stored in part or reordered/,
    (history) => {
      history.events.splice(storedAt(history).at, 1);
      renumber(history);
    },
  ],
  [
    'an append with unknown outcome is stored in part',
    /stored in part or reordered/,
    (history) => {
      const { attempt, index, at } = storedAt(history);
      history.attempts[index] = { ...attempt, outcome: { kind: 'unknown' } };
      history.events.splice(at, 1);
      renumber(history);
    },
  ],
  [
    'events of one append are reordered',
    /stored in part or reordered/,
    (history) => {
      const { at } = storedAt(history);
      const [first, second] = history.events.slice(at) as [RecordedEvent, RecordedEvent];
      [first.id, second.id] = [second.id, first.id];
    },
  ],
  [
    'another event stands between those of one append',
    /is torn apart/,
    (history) => {
      const { at } = storedAt(history);
      const position = (history.events[at] as RecordedEvent).position;
      history.attempts.push({
        eventIds: ['between'],
        expectedVersion: undefined,
        startedAt: 0,
        endedAt: 100,
        outcome: { kind: 'unknown' },
      });
      history.events.splice(at + 1, 0, recordedEvent('between', 0n, position));
      renumber(history);
    },
  ],
  [
    'one append has two positions',
    /more than one position/,
    (history) => {
      const { attempt, at } = storedAt(history);
      (history.events[at + attempt.eventIds.length - 1] as RecordedEvent).position += 1n;
    },
  ],
  [
    'two appends share a position',
    /share position/,
    (history) => {
      const { at } = storedAt(history);
      const before = history.events[at - 1] as RecordedEvent;
      before.position = (history.events[at] as RecordedEvent).position;
    },
  ],
  [
    'positions go down',
    /has a lower position than the one before/,
    ({ events }) => {
      (events[0] as RecordedEvent).position = 1_000n;
    },
  ],
  [
    'an append is stored twice',
    /is stored twice/,
    (history) => {
      const { attempt, at } = storedAt(history);
      history.events.push(
        ...history.events.slice(at, at + attempt.eventIds.length).map((event) => ({ ...event })),
      );
      renumber(history);
    },
  ],
  [
    'an event comes from nowhere',
    /was never sent/,
    ({ events }) => {
      events.push(recordedEvent('stranger', BigInt(events.length + 1), 1_000n));
    },
  ],
  [
    'a refused append is stored',
    /was refused, but is stored/,
    (history) => {
      const { attempt, index } = storedAt(history);
      history.attempts[index] = { ...attempt, outcome: { kind: 'refused', actualVersion: undefined } };
    },
  ],
  [
    'an append is refused although it expected the actual version',
    /refused although it expected the actual version/,
    ({ attempts, events }) => {
      const version = BigInt(events.length);
      attempts.push({
        eventIds: ['never'],
        expectedVersion: version,
        startedAt: 90,
        endedAt: 91,
        outcome: { kind: 'refused', actualVersion: version },
      });
    },
  ],
  [
    'an append that expected another version is stored',
    /expected \d+ and is stored as/,
    (history) => {
      const { attempt, index, at } = storedAt(history);
      history.attempts[index] = { ...attempt, expectedVersion: BigInt(at + 1) };
    },
  ],
  [
    'an append is acknowledged with a wrong version',
    /acknowledged with another place than it has/,
    (history) => {
      const { attempt, index } = storedAt(history);
      if (attempt.outcome.kind !== 'stored') throw new Error('not stored');
      const outcome = { ...attempt.outcome, firstVersion: attempt.outcome.firstVersion + 1n };
      history.attempts[index] = { ...attempt, outcome };
    },
  ],
  [
    'an append is acknowledged with a wrong position',
    /acknowledged with another place than it has/,
    (history) => {
      const { attempt, index } = storedAt(history);
      if (attempt.outcome.kind !== 'stored') throw new Error('not stored');
      const outcome = { ...attempt.outcome, position: attempt.outcome.position + 1n };
      history.attempts[index] = { ...attempt, outcome };
    },
  ],
  [
    'an append that was stored lies before one that had ended',
    /older than/,
    (history) => {
      const { attempt, index } = storedAt(history);
      history.attempts[index] = { ...attempt, startedAt: 90, endedAt: 91 };
    },
  ],
  [
    'a conflict tells of a version that was passed long ago',
    /older than/,
    (history) => {
      history.attempts.push(conflict(90, firstVersion(history)));
    },
  ],
  [
    'a conflict tells of a version that came later',
    /older than/,
    ({ attempts, events }) => {
      attempts.push(conflict(-10, BigInt(events.length)));
    },
  ],
  [
    'a conflict tells of a version that was never there',
    /saw version \d+, with which no commit ended/,
    ({ attempts, events }) => {
      attempts.push(conflict(90, BigInt(events.length) + 1n));
    },
  ],
  [
    'a lookup finds a stream in the middle of a commit',
    /saw version \d+, with which no commit ended/,
    (history) => {
      const { at } = storedAt(history);
      history.looks.push({ ...look(history.events.slice(0, at + 1), 90, 91), read: undefined });
    },
  ],
  [
    'a lookup misses what was acknowledged before it',
    /a lookup of the version came to version \d+, older than/,
    (history) => {
      const version = firstVersion(history);
      history.looks.push({ startedAt: 90, endedAt: 91, version, read: undefined });
    },
  ],
  [
    'a read misses what was acknowledged before it',
    /a read came to version \d+, older than/,
    (history) => {
      const some = history.events.slice(0, Number(firstVersion(history)));
      const read = { fromVersion: 1n, eventIds: some.map(({ id }) => id) };
      history.looks.push({ ...look(some, 90, 91), startedAt: 90, read });
    },
  ],
  [
    'a lookup finds what was not sent yet',
    /older than version \d+ that a lookup of the version had reported before/,
    ({ looks, events }) => {
      const version = BigInt(events.length);
      looks.push({ startedAt: -10, endedAt: -9, version, read: undefined });
    },
  ],
  [
    'a stream that was seen at a version is seen at an older one',
    /older than/,
    (history) => {
      // Nothing was acknowledged in between, so that only these two contradict each other.
      const [first, second] = [firstVersion(history), BigInt(history.events.length)];
      history.attempts = history.attempts.map((attempt) => ({
        ...{ ...attempt, startedAt: 0, endedAt: 100 },
        ...(attempt.outcome.kind === 'refused' ? {} : { outcome: { kind: 'unknown' } }),
      }));
      history.looks = [
        { startedAt: 50, endedAt: 51, version: second, read: undefined },
        { startedAt: 52, endedAt: 53, version: first, read: undefined },
      ];
    },
  ],
  [
    'a read leaves an event out',
    /a read from 1 to \d+ has \d+ events of/,
    (history) => {
      withRead(history, (ids) => ids.splice(1, 1));
    },
  ],
  [
    'a read has an event twice',
    /a read from 1 to \d+ has \d+ events of/,
    (history) => {
      withRead(history, (ids) => ids.push(ids[0] as string));
    },
  ],
  [
    'a read has its events in another order',
    /a read has another event at version 1/,
    (history) => {
      withRead(history, (ids) => ids.reverse());
    },
  ],
  [
    'a read has what is not in the log in the end',
    /a read has another event at version 2/,
    (history) => {
      withRead(history, (ids) => (ids[1] = 'gone'));
    },
  ],
];

/** An append that is refused because the stream is at a version. */
function conflict(startedAt: number, actualVersion: bigint): Attempt {
  const outcome: Outcome = { kind: 'refused', actualVersion };
  return { eventIds: ['never'], expectedVersion: 1_000n, startedAt, endedAt: startedAt + 1, outcome };
}

const seeds = Array.from({ length: 25 }, (_, index) => index + 1);

test('a good history has no fault', () => {
  for (const seed of seeds) {
    const { attempts, events, looks } = goodHistory(seed);
    expect(historyFaults(attempts, events, looks)).toEqual([]);
    expect(new Set(looks.map(({ read }) => read === undefined)).size).toBe(2);
    const kinds = new Set(attempts.map(({ outcome }) => outcome.kind));
    expect(kinds).toEqual(new Set(['stored', 'refused', 'unknown']));
  }
});

test.each(spoilers)('it is found when %s', (_what, fault, spoil) => {
  for (const seed of seeds) {
    const history = goodHistory(seed);
    spoil(history);
    expect(historyFaults(history.attempts, history.events, history.looks).join('\n')).toMatch(fault);
  }
});
