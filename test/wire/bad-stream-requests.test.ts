import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { connectWire, wireFailureOf, type WireClient, type WireMessage } from '../support/wire-client';
import { requestFields } from './contract-fields';

/** Every field of every request of StreamService with values that must be refused, and with the extremes that must not. */
interface FieldCases {
  /** Values, and the field that must be named: the field itself unless it says so. */
  readonly bad: readonly WireMessage[];
  readonly named?: string;
  readonly fine?: readonly WireMessage[];
  /** Why no value is wrong. */
  readonly why?: string;
}

const int64Max = '9223372036854775807';
const uint64Max = '18446744073709551615';
const invalidArgument = 3;

const stream: FieldCases = {
  bad: ['', '.', 'a b', 'a.*', '>', 'a..b', 'ä', 'x'.repeat(201), 'a\r\nPUB es.b 0\r\n'].map((name) => ({
    stream: name,
  })),
};
const commit_id: FieldCases = {
  bad: ['x', '0190f3a1-0000-7000-8000-00000000000', '0190f3a1-0000-7000-8000-00000000000g'].map((id) => ({
    commit_id: id,
  })),
  fine: [{ commit_id: '' }, { commit_id: '0190F3A1-0000-7000-8000-00000000000A' }],
};
const expected_version: FieldCases = {
  bad: [],
  why: 'any number may be the version',
  fine: [{ expected_version: '2' }],
};
const change = { stream, expected_version, commit_id };
const maxAge = (seconds: string, nanos = 0): WireMessage => ({ retention: { max_age: { seconds, nanos } } });
const hundredYears = '3155760000';

const cases: Record<string, Record<string, FieldCases>> = {
  GetStream: { stream },
  TruncateStream: {
    ...change,
    before_version: { bad: [{ before_version: '0' }], fine: [{ before_version: '1' }] },
  },
  SetRetention: {
    ...change,
    retention: { bad: [], why: 'without its parts it is no bound', fine: [{ retention: {} }] },
    'retention.max_count': {
      bad: ['9007199254740992', uint64Max].map((max_count) => ({ retention: { max_count } })),
      fine: ['0', '1', '9007199254740991'].map((max_count) => ({ retention: { max_count } })),
    },
    'retention.max_age': {
      bad: [{ retention: { max_age: {} } }],
      fine: [maxAge('1'), maxAge(hundredYears), maxAge('1', 999_000_000)],
    },
    'retention.max_age.seconds': {
      bad: [maxAge('0'), maxAge('-1'), maxAge('9467280000'), maxAge(int64Max), maxAge(`-${int64Max}`)],
      named: 'retention.max_age',
    },
    'retention.max_age.nanos': {
      bad: [
        maxAge('1', 1),
        maxAge('1', -1_000_000),
        maxAge(hundredYears, 1_000_000),
        maxAge('1', 1_000_000_000),
      ],
      named: 'retention.max_age',
    },
  },
  DeleteStream: change,
  TombstoneStream: change,
  EraseEvents: {
    ...change,
    from_version: {
      bad: [{ from_version: '0' }],
      fine: [{ from_version: '1' }],
    },
    to_version: {
      bad: ['0', '10001', uint64Max].map((to_version) => ({ to_version })),
      fine: [{ to_version: '2' }],
    },
    reason: {
      bad: ['', 'a\nb', '\u0085', 'x'.repeat(257), 'é'.repeat(129)].map((reason) => ({ reason })),
      fine: ['x'.repeat(256), 'é'.repeat(128)].map((reason) => ({ reason })),
    },
  },
};

let nats: TestNats;
let gateway: TestGateway;
let wire: WireClient;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  wire = connectWire(gateway.address, { service: 'sluice.v1.StreamService' });
  for (const rpc of Object.keys(cases))
    await gateway.client.append({ stream: streamOf(rpc), events: [{ type: 'A' }, { type: 'B' }] });
});

afterAll(async () => {
  wire[Symbol.dispose]();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

function streamOf(rpc: string): string {
  return `bad-stream.${rpc}`;
}

/** A request that is right. */
function right(rpc: string): WireMessage {
  const stream = streamOf(rpc);
  if (rpc === 'TruncateStream') return { stream, before_version: '1' };
  return rpc === 'EraseEvents' ? { stream, from_version: '1', to_version: '2', reason: 'asked' } : { stream };
}

test('every field has its cases', () => {
  const inContract = [...requestFields('StreamService')].map(([rpc, fields]) => [
    rpc,
    fields.map(({ path }) => path).sort(),
  ]);
  expect(inContract).toEqual(Object.entries(cases).map(([rpc, fields]) => [rpc, Object.keys(fields).sort()]));
  for (const fields of Object.values(cases))
    for (const { bad, why } of Object.values(fields)) expect(bad.length > 0).toBe(why === undefined);
});

test.each(Object.entries(cases))(
  '%s refuses what is wrong, names the field, and stores nothing',
  async (rpc, fields) => {
    const { position } = await gateway.client.getVersion({ stream: streamOf(rpc) });
    for (const [path, { bad, named = path }] of Object.entries(fields)) {
      for (const request of bad) {
        const failure = await wireFailureOf(wire.unary(rpc, { ...right(rpc), ...request }));
        const violations = failure.details.flatMap((detail) =>
          detail['@type'] === 'google.rpc.BadRequest' ? (detail['field_violations'] as WireMessage[]) : [],
        );
        expect([request, failure.code, violations.map(({ field }) => field)]).toEqual([
          ...[request, invalidArgument, [named]],
        ]);
      }
    }
    expect((await gateway.client.getVersion({ stream: streamOf(rpc) })).position).toBe(position);
  },
);

test.each(Object.entries(cases))('%s takes what is right, up to the extremes', async (rpc, fields) => {
  for (const { fine = [] } of Object.values(fields)) {
    for (const request of fine)
      expect(await wire.unary(rpc, { ...right(rpc), ...request })).toMatchObject({
        stream: { stream: streamOf(rpc), version: '2' },
      });
  }
});
