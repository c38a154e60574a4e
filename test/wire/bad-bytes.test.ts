import fc from 'fast-check';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { connectWire, wireFailureOf, type WireClient, type WireFailure } from '../support/wire-client';
import { requestFields } from './contract-fields';

/** Requests that no client would make: bytes made by hand. */
const status = { ok: 0, invalidArgument: 3, deadlineExceeded: 4, resourceExhausted: 8, aborted: 10 };

let nats: TestNats;
let gateway: TestGateway;
let wire: WireClient;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  wire = connectWire(gateway.address);
});

afterAll(async () => {
  wire[Symbol.dispose]();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const wireType = { varint: 0, bit64: 1, lengthDelimited: 2, startGroup: 3, endGroup: 4, bit32: 5 };

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

function tag(field: number, type: number): Buffer {
  return varint(field * 8 + type);
}

/** A string, bytes or a message as a field. */
function delimited(field: number, content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([tag(field, wireType.lengthDelimited), varint(bytes.length), bytes]);
}

/** A field of a message within a message, and so on. */
function nested(numbers: readonly number[], content: Uint8Array | string): Buffer {
  return numbers.reduceRight<Buffer>((inner, field) => delimited(field, inner), Buffer.from(content));
}

const field = { stream: 1, events: 2, id: 1, type: 2, text: 4, metadata: 9 };
const stream = (name: string): Buffer => delimited(field.stream, name);
const event = (...content: readonly Uint8Array[]): Buffer =>
  delimited(field.events, Buffer.concat([delimited(field.type, 'Fine'), ...content]));

function request(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}

async function refusal(rpc: string, bytes: Uint8Array): Promise<WireFailure> {
  return wireFailureOf(wire.bytes(rpc, bytes));
}

/** That the request as a whole is not readable, which names no field within it. */
function unreadable(reason: string): WireFailure {
  return {
    code: status.invalidArgument,
    message: expect.stringMatching(/^request: is not a valid protobuf message: /) as string,
    details: [
      { '@type': 'google.rpc.ErrorInfo', reason: 'INVALID_REQUEST', domain: 'sluice.v1' },
      {
        '@type': 'google.rpc.BadRequest',
        field_violations: [{ field: 'request', description: expect.stringContaining(reason) as string }],
      },
    ],
  };
}

async function messageCount(): Promise<unknown> {
  const [info] = await wire.stream('GetServerInfo', {});
  return (info as { store: { message_count?: string } }).store.message_count;
}

const invalidUtf8 = {
  'a lone byte': [0xff],
  'a lone continuation': [0x41, 0x80],
  'an overlong NUL': [0xc0, 0x80],
  'half a surrogate pair': [0xed, 0xa0, 0x80],
  'a cut character': [0x41, 0xe2, 0x82],
  'above the last code point of Unicode': [0xf5, 0x80, 0x80, 0x80],
  'after a long text': [...Buffer.alloc(100, 0x41), 0xfe],
};

const stringFields = [...requestFields()].flatMap(([rpc, fields]) =>
  fields.filter(({ kind }) => kind === 'string').map(({ path, numbers }) => [rpc, path, numbers] as const),
);

test.each(stringFields)('%s: %s that is not UTF-8 is refused', async (rpc, _path, numbers) => {
  const before = await messageCount();
  for (const bytes of Object.values(invalidUtf8)) {
    const rest = ['AppendSession', 'AppendMulti'].includes(rpc) ? [] : [stream('utf8.1'), event()];
    const bad = request(...rest, nested(numbers, Buffer.from(bytes)));
    expect(await refusal(rpc, bad)).toEqual(unreadable('text that is not UTF-8'));
  }
  expect(await messageCount()).toBe(before);
});

const otherServices = ['ConsumerGroupService', 'StreamService'] as const;
const otherStringFields = otherServices.flatMap((of) =>
  [...requestFields(of)].flatMap(([rpc, fields]) =>
    fields
      .filter(({ kind }) => kind === 'string')
      .map(({ path, numbers }) => [rpc, path, numbers, `sluice.v1.${of}`] as const),
  ),
);

test.each(otherStringFields)(
  'of other services, %s: %s that is not UTF-8 is refused',
  async (rpc, _path, numbers, service) => {
    using groups = connectWire(gateway.address, { service });
    for (const bytes of Object.values(invalidUtf8)) {
      const bad = nested(numbers, Buffer.from(bytes));
      expect(await wireFailureOf(groups.bytes(rpc, bad))).toEqual(unreadable('text that is not UTF-8'));
    }
  },
);

test('there are strings in most requests', () => {
  expect(new Set(stringFields.map(([rpc]) => rpc)).size).toBe(10);
  expect(stringFields.length).toBeGreaterThan(15);
  expect(new Set(otherStringFields.map(([rpc]) => rpc)).size).toBe(16);
});

test('a replacement character that was sent as such is kept', async () => {
  const text = 'lost \ufffd found';
  await wire.bytes('Append', request(stream('utf8.2'), event(delimited(field.text, text))));
  const [message] = await wire.stream('ReadStream', { stream: 'utf8.2' });
  expect(message).toMatchObject({ events: [{ text }] });
});

describe('bytes that are not protobuf', () => {
  const good = request(stream('bytes.1'), event(delimited(field.id, 'e-1'), delimited(field.text, 'body')));
  const bad = {
    'an end of group that was never begun': request(good, tag(1, wireType.endGroup)),
    'a group that does not end': request(good, tag(1_000, wireType.startGroup)),
    'another group than was begun': request(
      good,
      tag(1_000, wireType.startGroup),
      tag(1_001, wireType.endGroup),
    ),
    'a thousand groups within each other': request(
      good,
      ...Array.from({ length: 1_000 }, () => tag(7, wireType.startGroup)),
    ),
    'field number 0': request(good, tag(0, wireType.varint), varint(1)),
    'wire type 6': request(good, tag(1_000, 6)),
    'a number of 11 bytes': request(good, tag(3, wireType.varint), Buffer.alloc(10, 0xff), varint(1)),
    'a number that is cut off': request(good, tag(3, wireType.varint), Buffer.from([0x80])),
    'a length that exceeds the message': request(good, tag(1_000, wireType.lengthDelimited), varint(1)),
    'a length of 4 GiB': request(
      good,
      tag(1, wireType.lengthDelimited),
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]),
    ),
    'an event that ends within a field': request(
      stream('bytes.1'),
      tag(2, 2),
      varint(2),
      delimited(field.type, 'Fine'),
    ),
    'an event with a text that goes on after its end': request(
      stream('bytes.1'),
      tag(2, 2),
      varint(8),
      delimited(field.type, 'Fine'),
      tag(field.text, 2),
      varint(10),
      stream('bytes.1'),
    ),
    'tag 0 within an event': request(stream('bytes.1'), event(Buffer.from([0]), delimited(field.id, 'e-1'))),
    'an end of group within an event': request(stream('bytes.1'), event(tag(1, wireType.endGroup))),
  };
  test.each(Object.entries(bad))('%s', async (_name, bytes) => {
    expect(await refusal('Append', bytes)).toEqual(unreadable(''));
    expect(await wire.stream('GetVersion', { stream: 'bytes.1' })).toEqual([{}]);
  });

  test('a tag of more than 32 bits ends a session, whose earlier appends are stored, and nothing else', async () => {
    const long = Buffer.from([0x88, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00]);
    const one = delimited(1, delimited(2, request(stream('bytes.long'), event())));
    for (const bytes of [long, Buffer.concat([one, long]), delimited(1, long)])
      expect(await refusal('AppendSession', bytes)).toEqual(unreadable('varint'));
    expect(await wire.unary('GetVersion', { stream: 'bytes.long' })).toMatchObject({ version: '1' });
  });

  test('a request that is cut off anywhere but between its fields', async () => {
    const boundaries = [0, stream('bytes.1').length, good.length];
    for (let length = 1; length < good.length; length++) {
      if (boundaries.includes(length)) continue;
      expect(await refusal('Append', good.subarray(0, length))).toEqual(unreadable(''));
    }
    expect(await wire.stream('GetVersion', { stream: 'bytes.1' })).toEqual([{}]);
  });

  test('any bytes for any RPC are an answer or a refusal, never an error of the gateway', async () => {
    const rpcs = [...requestFields().keys()];
    const mutated = fc
      .tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }))
      .map(([at, byte]) => Buffer.from(good).fill(byte, at, at + 1));
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), mutated);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...rpcs), bytes, async (rpc, input) => {
        const isEndless = rpc === 'Subscribe';
        const code = await wire.bytes(rpc, input, isEndless ? { deadline: Date.now() + 100 } : {}).then(
          () => status.ok,
          (error: unknown) => (error as { code: number }).code,
        );
        const answers = [isEndless ? status.deadlineExceeded : status.ok, status.aborted];
        expect([...answers, status.invalidArgument]).toContain(code);
      }),
      { numRuns: 500 },
    );
  });
});

describe('fields that the gateway does not know', () => {
  const unknown = request(
    tag(1_000, wireType.varint),
    varint(2 ** 40),
    tag(1_001, wireType.bit64),
    Buffer.alloc(8, 1),
    tag(1_002, wireType.bit32),
    Buffer.alloc(4, 1),
    delimited(1_003, Buffer.from([0xff, 0xfe])),
    tag(1_004, wireType.startGroup),
    delimited(1, 'within'),
    tag(1_004, wireType.endGroup),
  );

  test('are ignored wherever they are', async () => {
    const entry = delimited(field.metadata, request(delimited(1, 'key'), delimited(2, 'value'), unknown));
    const bytes = request(
      unknown,
      stream('unknown.1'),
      event(unknown, delimited(field.id, 'e-1'), entry),
      unknown,
    );
    await wire.bytes('Append', bytes);
    const [message] = await wire.stream('ReadStream', { stream: 'unknown.1' });
    expect(message?.['events']).toEqual([
      expect.objectContaining({ id: 'e-1', type: 'Fine', version: '1', metadata: { key: 'value' } }),
    ]);
    const [plain] = await wire.bytes('GetServerInfo', Buffer.alloc(0));
    const [withUnknown] = await wire.bytes('GetServerInfo', unknown);
    expect(withUnknown?.length).toBe(plain?.length);
  });

  test('so is a known number of another wire type, and the last of several values counts', async () => {
    const wrongType = request(tag(field.stream, wireType.varint), varint(1));
    await wire.bytes('Append', request(stream('not this'), stream('unknown.2'), wrongType, event()));
    expect(await wire.stream('GetVersion', { stream: 'unknown.2' })).toMatchObject([{ version: '1' }]);
  });
});

describe('sizes', () => {
  test('an event of exactly the limit is stored, one more byte is refused', async () => {
    const [info] = await wire.stream('GetServerInfo', {});
    const limit = Number((info as { limits: { event_bytes_max: string } }).limits.event_bytes_max);
    const withText = (length: number): Buffer =>
      request(stream('size.1'), event(delimited(field.id, 'e'), delimited(field.text, 'x'.repeat(length))));
    const tooLong = await refusal('Append', withText(limit));
    const found = Number(/has (\d+) bytes as stored/.exec(tooLong.message)?.[1]);
    const longest = limit - (found - limit);
    const described = `has ${limit + 1} bytes as stored, more than the ${limit} of one event`;
    expect((await refusal('Append', withText(longest + 1))).message).toBe(`events[0]: ${described}`);
    await wire.bytes('Append', withText(longest));
    expect(await wire.stream('GetVersion', { stream: 'size.1' })).toMatchObject([{ version: '1' }]);
  });

  test('a request of more than request_bytes_max is refused, and the connection goes on', async () => {
    const tooLong = delimited(1_000, Buffer.alloc(16 << 20));
    const failure = await refusal('Append', request(stream('size.2'), event(), tooLong));
    const description = expect.stringMatching(
      /^has 16777\d{3} bytes, more than the limit of 16777216$/,
    ) as string;
    expect(failure).toMatchObject({
      code: status.invalidArgument,
      details: [
        { '@type': 'google.rpc.ErrorInfo', reason: 'INVALID_REQUEST', domain: 'sluice.v1' },
        { '@type': 'google.rpc.BadRequest', field_violations: [{ field: 'request', description }] },
      ],
    });
    expect(await wire.stream('GetVersion', { stream: 'size.2' })).toEqual([{}]);
    const justFits = delimited(1_000, Buffer.alloc((16 << 20) - 100));
    await wire.bytes('Append', request(stream('size.2'), event(), justFits));
    expect(await wire.stream('GetVersion', { stream: 'size.2' })).toMatchObject([{ version: '1' }]);
  });
});
