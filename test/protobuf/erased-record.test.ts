import fc from 'fast-check';
import { CommitRecord, RecordedEvent } from '../../generated/sluice/v1/event';
import { MalformedRecordError } from '../../src/protobuf/commit-record';
import { endOfEvents, erasedRecord } from '../../src/protobuf/erased-record';
import { recordedEvents } from './recorded-events';

/** What a reader gets in place of an event. */
function stubOf(event: RecordedEvent): RecordedEvent {
  const { id, stream, version, type, position, commitTime } = event;
  const kept = RecordedEvent.fromPartial({ id, stream, version, type, position, commitTime });
  const isBare = Buffer.from(RecordedEvent.encode(kept).finish()).equals(
    Buffer.from(RecordedEvent.encode(event).finish()),
  );
  return { ...kept, erased: !isBare };
}

test('each event becomes a stub with nothing of its contents, and never a longer one', () => {
  fc.assert(
    fc.property(recordedEvents, fc.boolean(), (events, areSent) => {
      const sent = areSent
        ? events.map((event) => ({ ...event, position: 7n, commitTime: { seconds: 9n, nanos: 8 } }))
        : events;
      const record = CommitRecord.encode({ events: sent }).finish();
      const erased = erasedRecord(record);
      expect(erased.length).toBeLessThanOrEqual(record.length);
      expect(CommitRecord.decode(erased).events).toEqual(sent.map(stubOf));
      // Again, it stays as it is.
      expect(Buffer.from(erasedRecord(erased))).toEqual(Buffer.from(erased));
    }),
  );
});

test('a secret in any field is gone', () => {
  const secret = 'planted-secret';
  const event = RecordedEvent.fromPartial({
    id: 'id',
    stream: 's',
    version: 1n,
    type: 'T',
    payload: { $case: 'text', value: secret },
    contentType: secret,
    correlationId: secret,
    causationId: secret,
    tags: [secret],
    metadata: new Map([[secret, secret]]),
  });
  const record = CommitRecord.encode({ events: [event] }).finish();
  expect(Buffer.from(record).includes(secret)).toBe(true);
  expect(Buffer.from(erasedRecord(record)).includes(secret)).toBe(false);
});

test('the stub of a stored event, once it is sent, has the bytes of the stub of the sent event', () => {
  const stored = RecordedEvent.fromPartial({
    id: 'i',
    stream: 's',
    version: 3n,
    type: 'T',
    contentType: 'c',
  });
  const place = RecordedEvent.encode(
    RecordedEvent.fromPartial({ position: 500n, commitTime: { seconds: 5n } }),
  ).finish();
  const framed = (event: Uint8Array): Uint8Array => Buffer.concat([Buffer.of(10, event.length), event]);
  const bytes = RecordedEvent.encode(stored).finish();
  const stub = erasedRecord(framed(bytes));
  const sent = erasedRecord(framed(Buffer.concat([bytes, place])));
  expect(Buffer.from(sent)).toEqual(framed(Buffer.concat([stub.subarray(2), place])));
});

test('the events end where zeros begin', () => {
  const event = RecordedEvent.fromPartial({ id: 'i', stream: 's', version: 3n, type: 'T', contentType: 'c' });
  const record = erasedRecord(CommitRecord.encode({ events: [event, event] }).finish());
  const padded = Buffer.concat([Buffer.alloc(3), record, Buffer.alloc(40)]);
  expect(endOfEvents(padded, 3, 2)).toBe(3 + record.length);
  expect(() => endOfEvents(padded, 3, 3)).toThrow(MalformedRecordError);
});

test('bytes that are not a record are refused', () => {
  expect(() => erasedRecord(Buffer.from([10, 5, 1]))).toThrow(MalformedRecordError);
  expect(() => erasedRecord(Buffer.from([10, 2, 10, 9]))).toThrow(MalformedRecordError);
});
