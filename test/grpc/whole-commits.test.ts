import fc from 'fast-check';
import { CommitRecord, type RecordedEvent } from '../../generated/sluice/v1/event';
import { wholeCommits } from '../../src/grpc/whole-commits';
import type { EventRun } from '../../src/store/event-store';
import { position } from '../../src/store/values';
import { bounded, recordedEvent } from '../protobuf/recorded-events';

/** Commits by their events, one after the other in the log. */
const commits = fc.array(fc.array(recordedEvent, { minLength: 1, maxLength: 4 }), {
  minLength: 1,
  maxLength: 8,
});
/** How many commits each run has. */
const lengths = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 8, maxLength: 8 });
const size = fc.record({
  eventsMax: fc.integer({ min: 1, max: 9 }),
  bytesMax: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 3_000 })),
});

function runOf(events: readonly RecordedEvent[]): EventRun {
  const last = events.at(-1)?.position ?? 0n;
  const bytes = CommitRecord.encode({ events: [...events] }).finish();
  return { position: position(last), events: bytes, eventCount: events.length };
}

const decoded = (run: EventRun): RecordedEvent[] => CommitRecord.decode(run.events).events;

test('each group ends with a commit and has its position, and more than one commit only if they fit', () => {
  fc.assert(
    fc.property(commits, lengths, size, (all, perRun, page) => {
      const stored = all.map((events, at) => events.map((event) => ({ ...event, position: BigInt(at + 1) })));
      const runs: EventRun[] = [];
      for (let at = 0, index = 0; at < stored.length; at += perRun[index++] ?? 1)
        runs.push(runOf(stored.slice(at, at + (perRun[index] ?? 1)).flat()));
      const groups = [...wholeCommits(runs, page)];
      const lasts = groups.map((group) => group.flatMap(decoded).at(-1)?.position);
      expect(groups.map((group) => group.at(-1)?.position)).toEqual(lasts);
      expect(groups.flat().flatMap(decoded)).toEqual(runs.flatMap(decoded));
      for (const group of groups) {
        const events = group.flatMap(decoded);
        expect(group.reduce((sum, run) => sum + run.eventCount, 0)).toBe(events.length);
        const bytes = group.reduce((sum, run) => sum + run.events.length, 0);
        if (new Set(events.map((event) => event.position)).size === 1) continue;
        expect([events.length <= page.eventsMax, bytes <= page.bytesMax]).toEqual([true, true]);
      }
      // No commit is divided between two groups.
      expect(new Set(lasts).size).toBe(groups.length);
    }),
    bounded,
  );
});
