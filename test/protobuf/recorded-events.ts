import fc from 'fast-check';
import type { RecordedEvent } from '../../generated/sluice/v1/event';

/** For properties of large values: to find a smaller one that fails, too, might take for ever. */
export const bounded = { interruptAfterTimeLimit: 20_000 };

/** Numbers around those at which a varint needs one byte more, and others. */
export const uint64 = fc.oneof(
  fc.nat(62).chain((bits) => fc.constantFrom(2n ** BigInt(bits + 1) - 1n, 2n ** BigInt(bits + 1))),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);

const text = fc.string({ unit: 'grapheme', maxLength: 12 });

/** Any event as it is stored: complete except for position and commit time. */
export const recordedEvent: fc.Arbitrary<RecordedEvent> = fc.record(
  {
    id: text,
    stream: text,
    version: uint64,
    type: text,
    payload: fc.option(
      fc.oneof(
        fc.record({
          $case: fc.constant('binary' as const),
          value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
        }),
        fc.record({
          $case: fc.constant('text' as const),
          value: fc.string({ unit: 'grapheme', maxLength: 200 }),
        }),
      ),
      { nil: undefined },
    ),
    contentType: text,
    correlationId: text,
    causationId: text,
    tags: fc.array(text, { maxLength: 3 }),
    metadata: fc
      .array(fc.tuple(fc.oneof(text, fc.constant('__proto__')), text), { maxLength: 3 })
      .map((pairs) => new Map(pairs)),
    position: fc.constant(0n),
    commitTime: fc.constant(undefined),
    erased: fc.constant(false),
  },
  { noNullPrototype: true },
);

export const recordedEvents = fc.array(recordedEvent, { maxLength: 8 });
