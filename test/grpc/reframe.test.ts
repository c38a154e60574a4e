import fc from 'fast-check';
import { CommitRecord, type RecordedEvent } from '../../generated/sluice/v1/event';
import {
  ReadByCorrelationResponse,
  ReadEndReason,
  ReadStreamResponse,
} from '../../generated/sluice/v1/event_store_service';
import { reframe, type Surroundings } from '../../src/grpc/reframe';
import type { PageSize } from '../../src/requests/page-size';
import type { EventRun, Page } from '../../src/store/event-store';
import { position } from '../../src/store/values';
import { bounded, recordedEvent, uint64 } from '../protobuf/recorded-events';

interface Run {
  readonly run: EventRun;
  /** As they must arrive. */
  readonly events: readonly RecordedEvent[];
}

/** The bytes with a number of free bytes after them; all other bytes have a value of their own. */
function withRoom(bytes: Uint8Array, spareBytes: number): Uint8Array {
  const buffer = Buffer.alloc(bytes.length + spareBytes + 60, 0xa5);
  buffer.set(bytes, 10);
  return buffer.subarray(10, 10 + bytes.length);
}

const run: fc.Arbitrary<Run> = fc
  .tuple(fc.array(recordedEvent, { minLength: 1, maxLength: 6 }), uint64, fc.constantFrom(0, 3, 40))
  .map(([stored, at, spareBytes]) => {
    const events = stored.map((event) => ({ ...event, position: at }));
    return {
      run: {
        position: position(at),
        events: withRoom(CommitRecord.encode({ events }).finish(), spareBytes),
        eventCount: events.length,
        spareBytes,
      },
      events,
    };
  });

const header = ReadStreamResponse.encode(
  ReadStreamResponse.fromPartial({ header: { stream: 'a.b', version: 7n, position: 9n } }),
).finish();
const end = ReadStreamResponse.encode(
  ReadStreamResponse.fromPartial({ end: { reason: ReadEndReason.COMPLETE, eventCount: 3n } }),
).finish();
const nothing = new Uint8Array(0);
const unbounded: PageSize = { eventsMax: Infinity, bytesMax: Infinity };

function messagesOf(given: readonly Run[], size: PageSize, around: Surroundings): Buffer[] {
  const page: Page = { runs: given.map((one) => one.run), end: undefined };
  return [...reframe(page, size, around)];
}

const runs = fc.array(run, { maxLength: 5 });
const size = fc.record({
  eventsMax: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 6 })),
  bytesMax: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 2_000 })),
});

test('events arrive as they are, in the order of the page', () => {
  fc.assert(
    fc.property(runs, size, fc.boolean(), fc.boolean(), (given, pageSize, withHeader, withEnd) => {
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
      for (const { run: one } of given) {
        const { buffer, byteOffset, length } = one.events;
        const behind = new Uint8Array(buffer, byteOffset + length + (one.spareBytes ?? 0));
        expect(behind.every((byte) => byte === 0xa5)).toBe(true);
      }
    }),
    { ...bounded, numRuns: 500 },
  );
});

test('no two messages fit into one, and none exceeds the size, except for one larger event', () => {
  fc.assert(
    fc.property(runs, size, (given, pageSize) => {
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
        const next = messages[index + 1];
        if (next === undefined) continue;
        const both = count + (eventsIn[index + 1] ?? 0);
        expect(both > pageSize.eventsMax || length + next.length > pageSize.bytesMax).toBe(true);
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
    fc.property(runs, (given) => {
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
