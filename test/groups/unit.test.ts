import fc from 'fast-check';
import { CommitRecord, type RecordedEvent } from '../../generated/sluice/v1/event';
import { eventMatcher, takeUnits, unitBefore, versionsOf, type Unit } from '../../src/groups/unit';

/** Units are the events of a run, joined by commit and stream, and their bytes are copies. */

interface Commit {
  readonly stream: number;
  readonly types: readonly string[];
  /** Of each event. */
  readonly bytes: number;
  /** Whether it is of the same transaction as the one before. */
  readonly joins: boolean;
}

const commit: fc.Arbitrary<Commit> = fc.record({
  stream: fc.nat(3),
  types: fc.array(fc.constantFrom('A', 'B'), { minLength: 1, maxLength: 4 }),
  bytes: fc.constantFrom(0, 20, 300, 5_000, 20_000),
  joins: fc.boolean(),
});

function eventsOf(commits: readonly Commit[]): RecordedEvent[] {
  const heads = new Map<string, bigint>();
  let position = 2n ** 31n;
  return commits.flatMap(({ stream, types, bytes, joins }) => {
    const name = `group.${stream}`;
    if (!joins) position += 3n;
    return types.map((type) => {
      const version = (heads.get(name) ?? 2n ** 40n) + 1n;
      heads.set(name, version);
      const payload = { $case: 'binary', value: Buffer.alloc(bytes, Number(version % 251n)) } as const;
      const commitTime = { seconds: 1_800_000_000n + position, nanos: Number(version % 1_000n) };
      return CommitRecord.fromPartial({
        events: [{ id: `${name}/${version}`, stream: name, version, position, type, payload, commitTime }],
      }).events[0] as RecordedEvent;
    });
  });
}

/** The events that a unit has, decoded. */
function decoded({ block, start, end }: Unit): RecordedEvent[] {
  return CommitRecord.decode(block.subarray(start, end)).events;
}

test('units have the selected events of a run, each commit and stream together, as copies', () => {
  const isA = eventMatcher({ patterns: ['>'], eventTypes: new Set(['A']), eventTypePrefixes: [] });
  fc.assert(
    fc.property(
      fc.array(commit, { maxLength: 20 }),
      fc.boolean(),
      fc.constantFrom(1_000, 100_000),
      (commits, onlyA, bytesMax) => {
        const all = eventsOf(commits);
        const run = CommitRecord.encode(CommitRecord.fromPartial({ events: all })).finish();
        const targets = [[], [], undefined, []] as const satisfies readonly (readonly Unit[] | undefined)[];
        const got: Unit[][] = [[], [], [], []];
        const numberOf = (stream: string): number => Number(stream.at(-1));
        const selection = {
          targetOf: (stream: string) =>
            targets[numberOf(stream)] === undefined ? undefined : got[numberOf(stream)],
          isWanted: onlyA ? isA : undefined,
          bytesMax,
        };
        takeUnits(run, selection, (target, unit) => target.push(unit));
        // Units must not change with the page that they came from.
        run.fill(0);
        for (const [number, units] of got.entries()) {
          const wanted = all.filter(
            ({ stream, type }) =>
              numberOf(stream) === number && targets[number] !== undefined && (!onlyA || type === 'A'),
          );
          expect(units.flatMap(decoded)).toEqual(wanted);
          for (const unit of units) {
            const events = decoded(unit);
            const [first, last] = [events[0] as RecordedEvent, events.at(-1) as RecordedEvent];
            expect(unit).toMatchObject({
              stream: first.stream,
              firstVersion: Number(first.version),
              lastVersion: Number(last.version),
              position: Number(first.position),
              seconds: Number(first.commitTime?.seconds),
              nanos: first.commitTime?.nanos,
              eventCount: events.length,
            });
            expect(new Set(events.map(({ position }) => position)).size).toBe(1);
            expect(events.length === 1 || unit.end - unit.start <= bytesMax).toBe(true);
            expect(versionsOf(unit)).toEqual(events.map(({ version }) => Number(version)));
            if (events.length > 1) expect(decoded(unitBefore(unit, 1))).toEqual([first]);
          }
        }
      },
    ),
    { numRuns: 20 },
  );
});
