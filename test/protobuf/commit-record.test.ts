import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { CommitRecord, RecordedEvent } from '../../generated/sluice/v1/event';
import {
  eventCorrelationId,
  eventSpans,
  eventType,
  MalformedRecordError,
  type EventSpan,
} from '../../src/protobuf/commit-record';
import { bounded, recordedEvents } from './recorded-events';

/** Walks over bytes that were stored, by Sluice or by anybody. */
test('the spans of a record are its events, and what is looked up in them is theirs', () => {
  fc.assert(
    fc.property(recordedEvents, (events) => {
      const record = CommitRecord.encode({ events }).finish();
      const spans = eventSpans(record);
      expect(spans.map(({ start, end }) => RecordedEvent.decode(record.subarray(start, end)))).toEqual(
        events,
      );
      expect(
        spans.map(({ frame, end }) => CommitRecord.decode(record.subarray(frame, end)).events[0]),
      ).toEqual(events);
      expect(spans.map((span) => eventType(record, span))).toEqual(events.map(({ type }) => type));
      expect(spans.map((span) => eventCorrelationId(record, span))).toEqual(
        events.map(({ correlationId }) => correlationId),
      );
    }),
    bounded,
  );
});

test('bytes that lie within others are walked like others', () => {
  const events = [{ ...RecordedEvent.fromPartial({ type: 'Größe', correlationId: 'c' }) }];
  const record = CommitRecord.encode({ events }).finish();
  const within = Buffer.concat([Buffer.alloc(7, 0xff), record]).subarray(7);
  const [span] = eventSpans(within) as [EventSpan];
  expect(eventType(within, span)).toBe('Größe');
  expect(eventCorrelationId(within, span)).toBe('c');
});

test('fields of a later version of the contract are skipped, and the last of a repeated field counts', () => {
  const event = new BinaryWriter()
    .tag(4, WireType.LengthDelimited)
    .string('first')
    .tag(100, WireType.Varint)
    .uint64(2n ** 64n - 1n)
    .tag(101, WireType.Bit64)
    .fixed64(4n)
    .tag(102, WireType.Bit32)
    .fixed32(4)
    .tag(103, WireType.LengthDelimited)
    .bytes(Buffer.from([0x22, 0x01, 0x41]))
    .tag(4, WireType.LengthDelimited)
    .string('last')
    .tag(536_870_911, WireType.LengthDelimited)
    .string('x')
    .finish();
  const record = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(event).finish();
  const [span] = eventSpans(record) as [EventSpan];
  expect(eventType(record, span)).toBe('last');
  expect(RecordedEvent.decode(event).type).toBe('last');
  expect(eventCorrelationId(record, span)).toBe('');
});

test('a record that is cut off is malformed, unless the cut is between events', () => {
  fc.assert(
    fc.property(recordedEvents, fc.nat(), (events, at) => {
      const record = CommitRecord.encode({ events }).finish();
      const cut = at % (record.length + 1);
      const ends = [0, ...eventSpans(record).map(({ end }) => end)];
      const whole = ends.indexOf(cut);
      const walk = (): EventSpan[] => eventSpans(record.subarray(0, cut));
      if (whole < 0) expect(walk).toThrow(MalformedRecordError);
      else expect(walk()).toHaveLength(whole);
    }),
    bounded,
  );
});

test('whatever the bytes are, they are walked to their end or malformed', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    // Likelier to get somewhere.
    fc
      .array(fc.constantFrom(0x0a, 0x00, 0x01, 0x02, 0x22, 0x42, 0x7f, 0x80, 0xff), { maxLength: 40 })
      .map((list) => Uint8Array.from(list)),
  );
  fc.assert(
    fc.property(bytes, (record) => {
      try {
        const spans = eventSpans(record);
        let at = 0;
        for (const { frame, start, end } of spans) {
          expect(frame).toBe(at);
          expect(start).toBeGreaterThan(frame + 1);
          expect(end).toBeGreaterThanOrEqual(start);
          at = end;
        }
        expect(at).toBe(record.length);
        for (const span of spans) expect(typeof eventType(record, span)).toBe('string');
      } catch (error) {
        if (!(error instanceof MalformedRecordError)) throw error;
      }
    }),
    { ...bounded, numRuns: 5_000 },
  );
});
