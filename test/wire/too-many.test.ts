import { setTimeout as sleep } from 'node:timers/promises';
import { startSluice, type SluiceProcess } from '../cli/process';
import { startNats, type TestNats } from '../support/nats-server';
import { connectWire, wireFailureOf, type WireClient, type WireMessage } from '../support/wire-client';
import { requestFields, type FieldPath } from './contract-fields';

/**
 * Requests with more elements than may be, and as many as fit into a message. The gateway is a process with a small heap,
 * which has to go on answering others.
 */
let nats: TestNats;
let gateway: SluiceProcess;
let wire: WireClient;
let other: WireClient;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startSluice(['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, '--create-store'], {
    NODE_OPTIONS: '--max-old-space-size=512',
  });
  const address = await gateway.serving();
  wire = connectWire(address);
  other = connectWire(address);
});

afterAll(async () => {
  wire[Symbol.dispose]();
  other[Symbol.dispose]();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const invalidArgument = 3;
const resourceExhausted = 8;
const requestBytesMax = 16 << 20;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

function delimited(field: number, content: Uint8Array): Buffer {
  return Buffer.concat([varint(field * 8 + 2), varint(content.length), content]);
}

/** A number of empty elements of a field within a request. */
function withElements(numbers: readonly number[], count: number): Buffer {
  const innermost = numbers.at(-1) as number;
  const elements = Buffer.alloc(2 * count, delimited(innermost, Buffer.alloc(0)));
  return numbers.slice(0, -1).reduceRight<Buffer>((inner, field) => delimited(field, inner), elements);
}

/** The longest time that another caller waited for an answer while `work` was done. */
async function longestWaitDuring(work: () => Promise<void>): Promise<number> {
  const over = new AbortController();
  let longest = 0;
  const asking = (async () => {
    while (!over.signal.aborted) {
      const asked = performance.now();
      await other.unary('GetVersion', { stream: 'calm.1' });
      longest = Math.max(longest, performance.now() - asked);
    }
  })();
  await work().finally(() => {
    over.abort();
  });
  await asking;
  return longest;
}

/** Nobody waits longer, on a machine that has nothing else to do for a moment. */
const waitMaxMs = 100;
/** How long it is tried again; a machine may be busy for some seconds. */
const triedMs = 40_000;

/** How long others wait at most in one of some attempts: other work on the machine makes a wait longer, never shorter. */
async function expectNobodyWaits(work: () => Promise<void>): Promise<void> {
  const giveUpMs = performance.now() + triedMs;
  let shortest = await longestWaitDuring(work);
  while (shortest >= waitMaxMs && performance.now() < giveUpMs) {
    await sleep(500);
    shortest = Math.min(shortest, await longestWaitDuring(work));
  }
  expect(shortest).toBeLessThan(waitMaxMs);
}

const fields = [...requestFields()].flatMap(([rpc, all]) =>
  all.map((field) => [rpc, field.path, field] as const),
);
const repeated = fields.filter(([, , { isRepeated }]) => isRepeated);

async function refusal(
  rpc: string,
  bytes: Buffer,
): Promise<{ code: number; field: unknown; message: string }> {
  const { code, message, details } = await wireFailureOf(wire.bytes(rpc, bytes));
  const violations = details[1]?.['field_violations'] as { field: string }[] | undefined;
  return { code, message, field: violations?.[0]?.field };
}

/** The path of `events.tags` of the contract in an error. */
function pathIn(path: string): RegExp {
  const [first = '', ...within] = path.split('.').reverse();
  return new RegExp(`^${[first, ...within.map((name) => `${name}(\\[\\d+\\])?`)].reverse().join('\\.')}$`);
}

const maxima: Readonly<Record<string, number>> = {
  tags: 16,
  items: 64,
  metadata: 64,
  appends: 100,
  checks: 100,
  event_types: 64,
  event_type_prefixes: 64,
  patterns: 16,
  events: 10_000,
};

function maxOf(rpc: string, path: string): number {
  return rpc === 'AppendSession' && path === 'appends'
    ? 10_000
    : (maxima[path.split('.').at(-1) ?? ''] as number);
}

test('there are repeated fields in most requests', () => {
  expect(new Set(repeated.map(([rpc]) => rpc)).size).toBe(7);
});

/** Within a session an append is refused alone; see the tests of sessions. */
const counted = repeated.filter(([rpc, path]) => rpc !== 'AppendSession' || path === 'appends');

test.each(counted)('%s: one element of %s too many is refused by name', async (rpc, path, { numbers }) => {
  const max = maxOf(rpc, path);
  expect(await refusal(rpc, withElements(numbers, max + 1))).toEqual({
    code: invalidArgument,
    field: expect.stringMatching(pathIn(path)) as string,
    message: expect.stringContaining(`has more than the limit of ${max}`) as string,
  });
});

test.each(repeated)('%s: 16 MiB of %s make nobody wait', async (rpc, _path, field: FieldPath) => {
  const bytes = withElements(field.numbers, (requestBytesMax - 100) / 2);
  await expectNobodyWaits(async () => {
    const { code } = await wireFailureOf(wire.bytes(rpc, bytes)).catch(() => ({ code: 0 }));
    // An append of a session fails within the session.
    if (rpc !== 'AppendSession') expect([invalidArgument, resourceExhausted]).toContain(code);
  });
});

test('16 MiB of unknown fields make nobody wait', async () => {
  await expectNobodyWaits(async () => {
    expect(await refusal('Append', Buffer.alloc(requestBytesMax - 100, Buffer.from([15 * 8, 1])))).toEqual({
      code: invalidArgument,
      field: 'request',
      message: 'request: has more than the limit of 500000 fields',
    });
  });
});

test('events of all appends of a transaction count together', async () => {
  const appends = Array.from({ length: 3 }, () => delimited(1, withElements([2], 4_000)));
  expect(await refusal('AppendMulti', Buffer.concat(appends))).toEqual({
    code: invalidArgument,
    field: 'appends',
    message: 'appends: has more than the limit of 10000 events',
  });
});

test('an append of a session with too many events is refused alone', async () => {
  const session = wire.duplex('AppendSession');
  const some = (count: number): WireMessage[] => Array.from({ length: count }, () => ({ type: 'Fine' }));
  const appends = [10_001, 2].map((count, i) => ({
    tag: `${i + 1}`,
    append: { stream: `many.${i}`, events: some(count) },
  }));
  session.end({ appends });
  const answers: WireMessage[] = [];
  for await (const { answers: more } of session as AsyncIterable<{ answers: WireMessage[] }>)
    answers.push(...more);
  const error = expect.objectContaining({
    code: invalidArgument,
    message: 'events: has more than the limit of 10000 events',
  }) as unknown;
  expect(answers.map(({ tag, error, result }) => ({ tag, error, result }))).toEqual([
    { tag: '1', error, result: undefined },
    { tag: '2', error: undefined, result: expect.objectContaining({ version: '2' }) as unknown },
  ]);
});
