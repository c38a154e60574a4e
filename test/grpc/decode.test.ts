import fc from 'fast-check';
import { AppendRequest, ReadStreamRequest } from '../../generated/sluice/v1/event_store_service';
import { decodeRequest } from '../../src/grpc/decode';
import { defaultLimits } from '../../src/limits';
import { InvalidRequestError } from '../../src/store/errors';
import { bounded, recordedEvent } from '../protobuf/recorded-events';

const appendPath = '/sluice.v1.EventStoreService/Append';
const readPath = '/sluice.v1.EventStoreService/ReadStream';

const texts = fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 2 });
const condition = fc.record(
  {
    query: fc.option(
      fc.record({
        items: fc.array(fc.record({ eventTypes: texts, tags: texts }, { noNullPrototype: true }), {
          maxLength: 2,
        }),
      }),
      { nil: undefined },
    ),
    afterPosition: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    withinStream: fc.string(),
  },
  { noNullPrototype: true },
);

const appendRequest: fc.Arbitrary<AppendRequest> = fc.record(
  {
    stream: fc.string({ unit: 'grapheme' }),
    events: fc.array(
      recordedEvent.map(({ id, type, payload, contentType, correlationId, causationId, tags, metadata }) => ({
        ...{ id, type, payload, contentType, correlationId, causationId, tags, metadata },
      })),
      { maxLength: 4 },
    ),
    expectedVersion: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: undefined }),
    mustExist: fc.boolean(),
    commitId: fc.string(),
    withCommitTime: fc.boolean(),
    condition: fc.option(condition, { nil: undefined }),
    validateOnly: fc.boolean(),
  },
  { noNullPrototype: true },
);

/** The request, or the fields at fault. */
function decodeAppend(bytes: Uint8Array): AppendRequest | readonly string[] {
  try {
    return decodeRequest(AppendRequest, bytes, appendPath, defaultLimits);
  } catch (error) {
    if (!(error instanceof InvalidRequestError)) throw error;
    return error.violations.map(({ field }) => field);
  }
}

test('a request is decoded as it was encoded, though it lies within other bytes', () => {
  fc.assert(
    fc.property(appendRequest, fc.uint8Array({ maxLength: 9 }), (request, before) => {
      const bytes = Buffer.concat([before, AppendRequest.encode(request).finish()]).subarray(before.length);
      expect(decodeAppend(bytes)).toEqual(request);
    }),
    bounded,
  );
});

test('a request that is cut off is refused, or is the beginning of the whole', () => {
  fc.assert(
    fc.property(appendRequest, fc.nat(), (request, at) => {
      const bytes = AppendRequest.encode(request).finish();
      const decoded = decodeAppend(bytes.subarray(0, at % (bytes.length + 1)));
      if (!('events' in decoded)) {
        expect(decoded).toEqual(['request']);
        return;
      }
      // Cut between two fields: what is there is whole.
      expect(decoded.events).toEqual(request.events.slice(0, decoded.events.length));
      expect(['', request.stream]).toContain(decoded.stream);
      expect(['', request.commitId]).toContain(decoded.commitId);
      expect([undefined, request.expectedVersion]).toContain(decoded.expectedVersion);
    }),
    { ...bounded, numRuns: 500 },
  );
});

test('text that is not UTF-8 is refused, wherever it stands', () => {
  const invalid = fc.constantFrom(
    [0xff],
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xe2, 0x82],
    [0x80],
    [0xf5, 0x80, 0x80, 0x80],
  );
  fc.assert(
    fc.property(
      invalid,
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.string(),
      (wrong, before, after) => {
        const text = Buffer.concat([Buffer.from(before), Buffer.from(wrong), Buffer.from(after)]);
        // A stream: field 1, length-delimited.
        const bytes = Buffer.concat([Buffer.from([0x0a, text.length]), text]);
        expect(decodeAppend(bytes)).toEqual(['request']);
      },
    ),
  );
  const kept = AppendRequest.fromPartial({ stream: 'a\ufffdb' });
  expect(decodeAppend(AppendRequest.encode(kept).finish())).toEqual(kept);
});

test('whatever the bytes are, they are a request or refused', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 50 }),
    fc
      .array(fc.constantFrom(0x00, 0x01, 0x02, 0x08, 0x0a, 0x12, 0x1a, 0x22, 0x2b, 0x2c, 0x7f, 0x80, 0xff), {
        maxLength: 30,
      })
      .map((list) => Uint8Array.from(list)),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const decoded = decodeAppend(given);
      if (!('events' in decoded)) expect(decoded).toEqual(['request']);
      // What was taken is what a strict encoder gives back.
      else expect(decodeAppend(AppendRequest.encode(decoded).finish())).toEqual(decoded);
    }),
    { ...bounded, numRuns: 3_000 },
  );
});

test('numbers of enums that are unknown are kept for the parser to refuse', () => {
  const bytes = ReadStreamRequest.encode(
    ReadStreamRequest.fromPartial({ direction: -1, consistency: -1 }),
  ).finish();
  expect(decodeRequest(ReadStreamRequest, bytes, readPath, defaultLimits)).toMatchObject({
    direction: -1,
    consistency: -1,
  });
});
