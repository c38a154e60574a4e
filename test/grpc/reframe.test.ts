import fc from 'fast-check';
import { CommitRecord, type RecordedEvent } from '../../generated/sluice/v1/event';
import {
  ReadByCorrelationResponse,
  ReadEndReason,
  ReadStreamResponse,
} from '../../generated/sluice/v1/event_store_service';
import { reframe, type Surroundings } from '../../src/grpc/reframe';
import { MalformedRecordError } from '../../src/store/commit-record';
import type { PageSize } from '../../src/store/commands';
import type { CommitSlice, Page } from '../../src/store/event-store';
import { position, unixNanos } from '../../src/store/values';
import { bounded, recordedEvent, uint64 } from '../store/recorded-events';

interface Commit {
  readonly slice: CommitSlice;
  /** As they must arrive. */
  readonly events: readonly RecordedEvent[];
}

const time = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  fc.constantFrom(
    0n,
    999_999_999n,
    10n ** 9n,
    127n * 10n ** 9n + 127n,
    128n * 10n ** 9n + 128n,
    2n ** 63n - 1n,
  ),
);

const commit: fc.Arbitrary<Commit> = fc
  .tuple(fc.array(recordedEvent, { minLength: 1, maxLength: 6 }), uint64, time)
  .map(([events, at, nanos]) => ({
    slice: {
      position: position(at),
      commitTime: unixNanos(nanos),
      events: CommitRecord.encode({ events }).finish(),
      eventCount: events.length,
    },
    events: events.map((event) => ({
      ...event,
      position: at,
      commitTime: { seconds: nanos / 1_000_000_000n, nanos: Number(nanos % 1_000_000_000n) },
    })),
  }));

const header = ReadStreamResponse.encode(
  ReadStreamResponse.fromPartial({ header: { stream: 'a.b', version: 7n, position: 9n } }),
).finish();
const end = ReadStreamResponse.encode(
  ReadStreamResponse.fromPartial({ end: { reason: ReadEndReason.COMPLETE, eventCount: 3n } }),
).finish();
const nothing = new Uint8Array(0);
const unbounded: PageSize = { eventsMax: Infinity, bytesMax: Infinity };

function messagesOf(commits: readonly Commit[], size: PageSize, around: Surroundings): Buffer[] {
  const page: Page = { commits: commits.map(({ slice }) => slice), end: undefined };
  return [...reframe(page, size, around)];
}

const commits = fc.array(commit, { maxLength: 5 });
const size = fc.record({
  eventsMax: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 6 })),
  bytesMax: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 2_000 })),
});

test('events arrive as they were stored, with position and commit time, in the order of the page', () => {
  fc.assert(
    fc.property(commits, size, fc.boolean(), fc.boolean(), (given, pageSize, withHeader, withEnd) => {
      const around = { header: withHeader ? header : nothing, end: withEnd ? end : nothing };
      const decoded = messagesOf(given, pageSize, around).map((bytes) => ReadStreamResponse.decode(bytes));
      expect(decoded.flatMap(({ events }) => events)).toEqual(given.flatMap(({ events }) => events));
      const last = decoded.length - 1;
      for (const [index, message] of decoded.entries()) {
        expect(message.header?.version).toBe(withHeader && index === 0 ? 7n : undefined);
        expect(message.end?.eventCount).toBe(withEnd && index === last ? 3n : undefined);
      }
      const isSilent = given.length === 0 && !withHeader && !withEnd;
      expect(decoded.length === 0).toBe(isSilent);
    }),
    { ...bounded, numRuns: 500 },
  );
});

test('a message is as full as it may be, and no fuller, but for one larger event', () => {
  fc.assert(
    fc.property(commits, size, (given, pageSize) => {
      const messages = messagesOf(given, pageSize, { header: nothing, end: nothing });
      const eventsIn = messages.map((bytes) => ReadStreamResponse.decode(bytes).events.length);
      // What each event takes alone, in order.
      const sizes = messagesOf(given, { ...unbounded, eventsMax: 1 }, { header: nothing, end: nothing }).map(
        ({ length }) => length,
      );
      let at = 0;
      for (const [index, { length }] of messages.entries()) {
        const count = eventsIn[index] ?? 0;
        const own = sizes.slice(at, at + count);
        expect(length).toBe(own.reduce((sum, bytes) => sum + bytes, 0));
        expect(count).toBeGreaterThan(0);
        if (count > 1) {
          expect(count).toBeLessThanOrEqual(pageSize.eventsMax);
          expect(length).toBeLessThanOrEqual(pageSize.bytesMax);
        }
        at += count;
        const next = sizes[at];
        if (next === undefined) continue;
        expect(count === pageSize.eventsMax || length + next > pageSize.bytesMax).toBe(true);
      }
      expect(at).toBe(sizes.length);
    }),
    { ...bounded, numRuns: 500 },
  );
});

test('header and end come also without events', () => {
  const [message, ...rest] = messagesOf([], unbounded, { header, end });
  expect(rest).toEqual([]);
  expect(ReadStreamResponse.decode(message as Buffer)).toMatchObject({
    events: [],
    header: { stream: 'a.b' },
    end: { reason: ReadEndReason.COMPLETE },
  });
  expect(messagesOf([], unbounded, { header: nothing, end: nothing })).toEqual([]);
});

test('events and end have the same numbers in every response that has them', () => {
  fc.assert(
    fc.property(commits, (given) => {
      const [message] = messagesOf(given, unbounded, { header: nothing, end });
      expect(ReadByCorrelationResponse.decode(message as Buffer)).toEqual({
        events: given.flatMap(({ events }) => events),
        header: undefined,
        end: { reason: ReadEndReason.COMPLETE, eventCount: 3n, unreadableSkipped: 0n },
        unreadable: [],
      });
    }),
    bounded,
  );
});

test('bytes that are no events are not sent', () => {
  const slice = { position: position(1n), commitTime: unixNanos(1n), eventCount: 1 };
  for (const bytes of [[0x12, 0x00], [0x0a], [0x0a, 0x05, 0x00], [0x0a, 0x00, 0x00]]) {
    const page: Page = { commits: [{ ...slice, events: Uint8Array.from(bytes) }], end: undefined };
    expect(() => [...reframe(page, unbounded, { header, end })]).toThrow(MalformedRecordError);
  }
});
