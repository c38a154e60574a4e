import fc from 'fast-check';
import { defaultLimits, type Limits } from '../../src/limits';
import type { Event } from '../../generated/sluice/v1/event';
import {
  AppendRequest,
  GetVersionRequest,
  ReadByCorrelationRequest,
  ReadStreamRequest,
} from '../../generated/sluice/v1/event_store_service';
import { parseAppend } from '../../src/requests/append';
import { parseGetVersion } from '../../src/requests/get-version';
import { parseListStreams } from '../../src/requests/list-streams';
import { parsePageHint } from '../../src/requests/page-size';
import { parseReadByCorrelation } from '../../src/requests/read-by-correlation';
import { parseReadStream } from '../../src/requests/read-stream';
import { encodeEvent } from '../../src/jetstream/append/encode-event';
import { framingBytesMax } from '../../src/jetstream/log/commit-codec';
import { InvalidRequestError } from '../../src/store/errors';

/** Parsers of requests: all that is wrong is named, by its path, and nothing that is right. */
const limits: Limits = {
  ...defaultLimits,
  appendEventsMax: 5,
  eventBytesMax: 600,
  appendBytesMax: 1_500,
  metadataBytesMax: 60,
  metadataEntriesMax: 3,
  tagsMax: 3,
  tagBytesMax: 22,
  labelBytesMax: 20,
  idCharsMax: 24,
  filterTypesMax: 3,
};

/** The paths that a parser finds fault with. */
function faultsOf(parse: () => unknown): string[] {
  try {
    parse();
    return [];
  } catch (error) {
    if (!(error instanceof InvalidRequestError)) throw error;
    for (const { description } of error.violations) expect(description).not.toBe('');
    return error.violations.map(({ field }) => field);
  }
}

function anEvent(more: Partial<Event> = {}): Event {
  return {
    id: '',
    type: 'T',
    payload: undefined,
    contentType: '',
    correlationId: '',
    causationId: '',
    tags: [],
    metadata: new Map(),
    ...more,
  };
}

function anAppend(more: Partial<AppendRequest> = {}): AppendRequest {
  return AppendRequest.fromPartial({ stream: 'a.b', events: [anEvent()], ...more });
}

/** Texts of exactly this many bytes of UTF-8, in characters of one to four bytes. */
const fits = (bytes: number): string[] =>
  ['x', 'é', '€', '👍'].map((char) => {
    const size = Buffer.byteLength(char);
    return char
      .repeat(Math.floor(bytes / size))
      .padEnd(Math.floor(bytes / size) * char.length + (bytes % size), 'x');
  });

/** What can be wrong with one event, and the path within it. */
const eventFaults: readonly (readonly [fault: Partial<Event>, path: string])[] = [
  [{ type: '' }, '.type'],
  [{ type: 'a\nb' }, '.type'],
  [{ type: 'x'.repeat(21) }, '.type'],
  [{ contentType: 'x'.repeat(21) }, '.content_type'],
  [{ id: 'has space' }, '.id'],
  [{ id: 'x'.repeat(25) }, '.id'],
  [{ correlationId: 'ä' }, '.correlation_id'],
  [{ causationId: 'a\u007f' }, '.causation_id'],
  [{ tags: ['t', ''] }, '.tags[1]'],
  [{ tags: ['x'.repeat(23), 't'] }, '.tags[0]'],
  [{ tags: ['t', 'a\u0007'] }, '.tags[1]'],
  [{ tags: ['a', 'b', 'c', 'd'] }, '.tags'],
  [{ metadata: new Map([['', 'v']]) }, '.metadata'],
  [{ metadata: new Map([['k', 'v'.repeat(60)]]) }, '.metadata'],
  [{ metadata: new Map(['a', 'b', 'c', 'd'].map((key) => [key, ''])) }, '.metadata'],
  [{ metadata: new Map([['k'.repeat(21), '']]) }, `.metadata["${'k'.repeat(21)}"]`],
  [{ payload: { $case: 'text', value: 'x'.repeat(600) } }, ''],
];
const fieldOf = (fault: Partial<Event>): string => Object.keys(fault)[0] as string;

const requestFaults: readonly (readonly [fault: Partial<AppendRequest>, path: string])[] = [
  [{ stream: '' }, 'stream'],
  [{ stream: 'a..b' }, 'stream'],
  [{ expectedVersion: -1n }, 'expected_version'],
  [{ expectedVersion: 2n ** 64n }, 'expected_version'],
  [{ commitId: 'x' }, 'commit_id'],
];

describe('an append', () => {
  test('with any faults names each of them, and nothing else', () => {
    // At most one fault for each field of an event, and few enough bytes in all.
    const faultsOfEvent = fc.uniqueArray(fc.constantFrom(...eventFaults), {
      maxLength: 4,
      selector: ([fault]) => fieldOf(fault),
    });
    const faultsOfRequest = fc.uniqueArray(fc.constantFrom(...requestFaults), {
      selector: ([, path]) => path,
    });
    fc.assert(
      fc.property(faultsOfRequest, fc.tuple(faultsOfEvent, faultsOfEvent), (ofRequest, ofEvents) => {
        const request = ofRequest.reduce<AppendRequest>(
          (wrong, [fault]) => ({ ...wrong, ...fault }),
          anAppend({
            events: ofEvents.map((faults, index) => {
              const event = faults.reduce((wrong, [fault]) => ({ ...wrong, ...fault }), anEvent());
              // No id twice, which would be another fault.
              return { ...event, id: `${event.id}${index}` };
            }),
          }),
        );
        const expected = [
          ...ofRequest.map(([, path]) => path),
          ...ofEvents.flatMap((faults, index) => faults.map(([, path]) => `events[${index}]${path}`)),
        ];
        expect(faultsOf(() => parseAppend(request, limits)).sort()).toEqual(expected.sort());
      }),
      { numRuns: 500 },
    );
  });

  test('is bounded exactly', () => {
    const event = (more: Partial<Event>): string[] =>
      faultsOf(() => parseAppend(anAppend({ events: [anEvent(more)] }), limits));
    for (const label of fits(20)) {
      expect(event({ type: label, contentType: label })).toEqual([]);
      expect(event({ metadata: new Map([[label, '']]) })).toEqual([]);
      const long = `${label}x`;
      expect(event({ type: long, contentType: long })).toEqual(['events[0].type', 'events[0].content_type']);
    }
    for (const tag of fits(22)) {
      expect(event({ tags: [tag, tag, tag] })).toEqual([]);
      expect(event({ tags: ['t', `${tag}x`, 't'] })).toEqual(['events[0].tags[1]']);
    }
    for (const value of fits(57)) {
      expect(event({ metadata: new Map([['€', value]]) })).toEqual([]);
      expect(event({ metadata: new Map([['€', `${value}x`]]) })).toEqual(['events[0].metadata']);
    }
    const id = '!'.repeat(24);
    expect(event({ id, correlationId: id, causationId: id })).toEqual([]);
    const events = (count: number): string[] =>
      faultsOf(() =>
        parseAppend(anAppend({ events: Array.from({ length: count }, () => anEvent()) }), limits),
      );
    expect(events(5)).toEqual([]);
    expect(events(6)).toEqual(['events']);
    expect(events(100_000)).toEqual(['events']);
    const heavy = anEvent({ payload: { $case: 'binary', value: Buffer.alloc(350) } });
    expect(faultsOf(() => parseAppend(anAppend({ events: [heavy, heavy, heavy] }), limits))).toEqual([]);
    expect(faultsOf(() => parseAppend(anAppend({ events: [heavy, heavy, heavy, heavy] }), limits))).toEqual([
      'events',
    ]);
  });

  test('names at most 32 faults', () => {
    const events = Array.from({ length: 50 }, () => anEvent({ type: '' }));
    const found = faultsOf(() => parseAppend(anAppend({ stream: '', events }), defaultLimits));
    expect(found).toEqual(['stream', ...Array.from({ length: 31 }, (_, index) => `events[${index}].type`)]);
  });

  test('has each event id once', () => {
    const ids = ['a', 'b', '', 'a', '', 'a'].map((id) => anEvent({ id }));
    const call = (): unknown => parseAppend(anAppend({ events: ids }), defaultLimits);
    expect(faultsOf(call)).toEqual(['events[3].id', 'events[5].id']);
  });

  test('that is right comes out as it went in, with its defaults', () => {
    const ascii = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)),
      maxLength: 24,
    });
    const label = fc.string({ unit: 'binary', minLength: 1, maxLength: 5 });
    const printable = label.filter((text) => !/\p{Cc}/u.test(text));
    const anyEvent = fc.record({
      id: fc.constant(''),
      type: printable,
      payload: fc.option(
        fc.oneof(
          fc.record({
            $case: fc.constant('binary' as const),
            value: fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
          }),
          fc.record({ $case: fc.constant('text' as const), value: fc.string({ maxLength: 10 }) }),
        ),
        { nil: undefined },
      ),
      contentType: fc.oneof(fc.constant(''), label),
      correlationId: ascii,
      causationId: ascii,
      tags: fc.array(printable, { maxLength: 3 }),
      metadata: fc
        .array(fc.tuple(label, fc.string({ maxLength: 3 })), { maxLength: 2 })
        .map((pairs) => new Map(pairs)),
    });
    fc.assert(
      fc.property(
        fc.array(anyEvent, { maxLength: 4 }),
        fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
        (events, expected) => {
          const request = anAppend({
            events,
            expectedVersion: expected ?? undefined,
            commitId: '0190F3A1-0000-7000-8000-00000000ABCD',
            withCommitTime: true,
            validateOnly: true,
          });
          const parsed = parseAppend(request, limits);
          const ids = parsed.events.map(({ id }) => id);
          expect(new Set(ids).size).toBe(events.length);
          for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/);
          expect(parsed).toEqual({
            stream: 'a.b',
            commitId: '0190f3a1-0000-7000-8000-00000000abcd',
            expected: expected ?? undefined,
            withCommitTime: true,
            validateOnly: true,
            bytes: expect.any(Number) as number,
            events: events.map((event, index) => ({
              ...event,
              id: ids[index],
              hasGivenId: false,
              correlationId: event.correlationId || ids[index],
              causationId: event.causationId || ids[index],
            })),
          });
        },
      ),
    );
  });
});

/** As decoded: an enum may have any number. */
interface ReadFields extends Partial<Omit<ReadStreamRequest, 'direction' | 'consistency'>> {
  readonly direction?: number;
  readonly consistency?: number;
}

function aRead(more: ReadFields = {}): ReadStreamRequest {
  return Object.assign(ReadStreamRequest.fromPartial({ stream: 'a.b' }), more);
}

describe('a read', () => {
  test('of nothing but a stream is the whole stream, forward, from the leader', () => {
    expect(parseReadStream(aRead(), limits)).toEqual({
      stream: 'a.b',
      direction: 'forward',
      fromVersion: 0n,
      toVersion: 0n,
      maxCount: undefined,
      fromTime: undefined,
      toTime: undefined,
      eventTypes: new Set(),
      consistency: 'leader',
    });
  });

  test('takes the numbers of the contract for direction and consistency', () => {
    const parsed = [0, 1, 2].map((number) =>
      parseReadStream(aRead({ direction: number, consistency: number }), limits),
    );
    expect(parsed.map(({ direction }) => direction)).toEqual(['forward', 'forward', 'backward']);
    expect(parsed.map(({ consistency }) => consistency)).toEqual(['leader', 'leader', 'anyReplica']);
    for (const number of [-1, 3, 2_147_483_647]) {
      const call = (): unknown => parseReadStream(aRead({ direction: number, consistency: number }), limits);
      expect(faultsOf(call)).toEqual(['direction', 'consistency']);
    }
  });

  test('may not be reversed', () => {
    const version = fc.oneof(
      fc.constant(0n),
      fc.bigInt({ min: 0n, max: 5n }),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    );
    fc.assert(
      fc.property(version, version, fc.constantFrom(0, 1, 2), (fromVersion, toVersion, direction) => {
        const isBounded = fromVersion !== 0n && toVersion !== 0n;
        const isReversed = direction === 2 ? fromVersion < toVersion : fromVersion > toVersion;
        const faults = faultsOf(() => parseReadStream(aRead({ fromVersion, toVersion, direction }), limits));
        expect(faults).toEqual(isBounded && isReversed ? ['to_version'] : []);
      }),
      { numRuns: 500 },
    );
  });

  test('has times in nanoseconds, the first not after the last', () => {
    const time = fc.record({
      seconds: fc.oneof(
        fc.bigInt({ min: 0n, max: 3n }),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.constantFrom(-1n, 9_223_372_035n, 9_223_372_036n),
      ),
      nanos: fc.oneof(fc.constantFrom(0, 1, 999_999_999), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    });
    const isTime = ({ seconds, nanos }: { seconds: bigint; nanos: number }): boolean =>
      seconds >= 0n && seconds <= 9_223_372_035n && nanos >= 0 && nanos <= 999_999_999;
    fc.assert(
      fc.property(time, time, (fromTime, toTime) => {
        const nanosOf = ({ seconds, nanos }: typeof fromTime): bigint =>
          seconds * 1_000_000_000n + BigInt(nanos);
        const wrong = [...(isTime(fromTime) ? [] : ['from_time']), ...(isTime(toTime) ? [] : ['to_time'])];
        if (wrong.length === 0 && nanosOf(toTime) < nanosOf(fromTime)) wrong.push('to_time');
        const parse = (): unknown => parseReadStream(aRead({ fromTime, toTime }), limits);
        expect(faultsOf(parse)).toEqual(wrong);
        if (wrong.length > 0) return;
        expect(parse()).toMatchObject({ fromTime: nanosOf(fromTime), toTime: nanosOf(toTime) });
      }),
      { numRuns: 1_000 },
    );
    expect(faultsOf(() => parseReadStream(aRead({ fromTime: { seconds: 0n, nanos: 0.5 } }), limits))).toEqual(
      ['from_time'],
    );
  });

  test('names everything at once', () => {
    const request = aRead({
      stream: 'a b',
      direction: 7,
      consistency: 7,
      fromVersion: -1n,
      toVersion: 2n ** 64n,
      fromTime: { seconds: -1n, nanos: 0 },
      toTime: { seconds: 0n, nanos: -1 },
      eventTypes: ['', 'T', 'x'.repeat(21)],
      maxCount: -1n,
    });
    expect(faultsOf(() => parseReadStream(request, limits))).toEqual([
      'stream',
      'direction',
      'consistency',
      'from_version',
      'to_version',
      'from_time',
      'to_time',
      'event_types[0]',
      'event_types[2]',
      'max_count',
    ]);
    const many = aRead({ eventTypes: ['', '', '', ''] });
    expect(faultsOf(() => parseReadStream(many, limits))).toEqual(['event_types']);
  });
});

test('a version is asked for by stream and time', () => {
  expect(parseGetVersion(GetVersionRequest.fromPartial({ stream: 'a' }))).toEqual({
    stream: 'a',
    asOf: undefined,
  });
  const asOf = { seconds: 1n, nanos: 2 };
  expect(parseGetVersion({ stream: 'a', asOf })).toEqual({ stream: 'a', asOf: 1_000_000_002n });
  const wrong = { stream: '', asOf: { seconds: 0n, nanos: 1_000_000_000 } };
  expect(faultsOf(() => parseGetVersion(wrong))).toEqual(['stream', 'as_of']);
});

test('a read by correlation needs its id', () => {
  const parse = (correlationId: string, eventTypes: string[] = [], maxCount = 0n): unknown =>
    parseReadByCorrelation(
      ReadByCorrelationRequest.fromPartial({ correlationId, eventTypes, maxCount }),
      limits,
    );
  expect(parse('!', ['A', 'A'], 7n)).toEqual({
    correlationId: '!',
    eventTypes: new Set(['A']),
    maxCount: 7n,
    skipUnreadable: false,
  });
  for (const id of ['', ' ', 'ä', '\n', 'x'.repeat(25)]) {
    expect(faultsOf(() => parse(id, [''], 2n ** 64n))).toEqual([
      'correlation_id',
      'event_types[0]',
      'max_count',
    ]);
  }
});

test('a listing is of all names unless it says which', () => {
  const parse = (pattern: string, after = '', maxCount = 0n, includeDeleted = false): unknown =>
    parseListStreams({ pattern, after, maxCount, permittedOnly: false, includeDeleted });
  const first = { after: '', maxCount: undefined, includeDeleted: false };
  expect(parse('')).toEqual({ ...first, patterns: ['>'] });
  expect(parse('', '', 0n, true)).toEqual({ ...first, patterns: ['>'], includeDeleted: true });
  expect(parse('a.*', 'a.b', 3n)).toEqual({
    ...{ patterns: ['a.*'], after: 'a.b', maxCount: 3n, includeDeleted: false },
  });
  expect(faultsOf(() => parse('a..*', 'a.*', -1n))).toEqual(['pattern', 'after', 'max_count']);
});

test('a hint for packing cannot be wrong', () => {
  const { pageBytesMax } = defaultLimits;
  const none = { eventsMax: Infinity, bytesMax: pageBytesMax };
  expect(parsePageHint(undefined, defaultLimits)).toEqual(none);
  expect(parsePageHint({ eventsMax: 0, bytesMax: 0 }, defaultLimits)).toEqual(none);
  expect(parsePageHint({ eventsMax: 1, bytesMax: 1 }, defaultLimits)).toEqual({ eventsMax: 1, bytesMax: 1 });
  const most = 2 ** 32 - 1;
  expect(parsePageHint({ eventsMax: most, bytesMax: most }, defaultLimits)).toEqual({
    eventsMax: most,
    bytesMax: pageBytesMax,
  });
});

test('the bytes of a command are at least those of its events as they are stored', () => {
  const label = fc.string({ minLength: 1, maxLength: 8, unit: 'binary' }).map((text) => `a${text}`);
  const event = fc.record({
    id: fc.constantFrom('', 'x'),
    tags: fc.array(
      label.filter((text) => !/\p{Cc}/u.test(text)),
      { maxLength: 16 },
    ),
    metadata: fc
      .array(fc.tuple(label, fc.constantFrom('', 'value')), { maxLength: 64 })
      .map((entries) => new Map(entries)),
    payload: fc.constantFrom(
      undefined,
      { $case: 'text' as const, value: 'text' },
      { $case: 'binary' as const, value: Buffer.alloc(300) },
    ),
  });
  fc.assert(
    fc.property(event, (more) => {
      const { stream, events, bytes } = parseAppend(anAppend({ events: [anEvent(more)] }), defaultLimits);
      const stored = events.reduce((sum, one) => sum + encodeEvent(stream, one).length + framingBytesMax, 0);
      expect(bytes).toBeGreaterThanOrEqual(stored);
    }),
  );
});
