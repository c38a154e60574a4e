import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status, type ClientDuplexStream } from '@grpc/grpc-js';
import { startGatewayProcess, startTestGateway, withGateway, type TestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { wholeOf } from '../support/one-process';
import { natsServerPath } from '../support/tools';
import {
  connectWire,
  failureWithin,
  wireFailureOf,
  type WireClient,
  type WireMessage,
} from '../support/wire-client';

/** AppendSession: order, errors, bounds and ends. */

const event = { type: 'Happened' };

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

type Call = ClientDuplexStream<WireMessage, WireMessage>;

function append(tag: number, stream: string, more: WireMessage = {}): WireMessage {
  return { tag, append: { stream, events: [event], ...more } };
}

function answersOf(message: WireMessage): WireMessage[] {
  return message['answers'] as WireMessage[];
}

/** The next answers, in the order in which they come. */
async function take(call: Call, count: number): Promise<WireMessage[]> {
  const answers: WireMessage[] = [];
  while (answers.length < count) {
    const [message] = (await once(call, 'data')) as [WireMessage];
    answers.push(...answersOf(message));
  }
  return answers;
}

/** Ends the requests; all answers that come until the call has ended well. */
async function drain(call: Call): Promise<WireMessage[]> {
  call.end();
  return ((await call.toArray()) as WireMessage[]).flatMap(answersOf);
}

function byTag(answers: readonly WireMessage[]): Map<number, WireMessage> {
  return new Map(answers.map((answer) => [Number(answer['tag']), answer]));
}

function versionOf(answer: WireMessage | undefined): unknown {
  return (answer?.['result'] as WireMessage | undefined)?.['version'];
}

describe('a session', () => {
  test('appends in the order sent to each stream, also when many are in one message', async () => {
    const call = wire.duplex('AppendSession');
    const expected = (i: number): WireMessage => ({ expected_version: i.toString() });
    const ofStream = (stream: string, tagBase: number): WireMessage[] =>
      Array.from({ length: 50 }, (_, i) => append(tagBase + i, stream, expected(i)));
    call.write({ appends: [...ofStream('session.a', 100), ...ofStream('session.b', 200)] });
    for (const one of ofStream('session.c', 300)) call.write({ appends: [one] });
    const answers = byTag(await drain(call));
    expect(answers.size).toBe(150);
    for (const [tag, answer] of answers) expect(versionOf(answer)).toBe(((tag % 100) + 1).toString());
    for (const stream of ['session.a', 'session.b', 'session.c'])
      expect(await wire.unary('GetVersion', { stream })).toMatchObject({ version: '50' });
  });

  test('answers as Append does, each request with its tag', async () => {
    const call = wire.duplex('AppendSession');
    const commit_id = '0190f3a1-0000-7000-8000-00000000000a';
    const request = { expected_version: '0', commit_id, with_commit_time: true };
    call.write({
      appends: [append(7, 'session.same', request), { tag: 8, append: { stream: 'session.same' } }],
    });
    const answers = byTag(await take(call, 2));
    expect(answers.get(7)?.['result']).toMatchObject({ version: '1', first_version: '1', commit_id });
    expect((answers.get(7)?.['result'] as WireMessage)['commit_time']).toBeDefined();
    call.write({ appends: [append(0, 'session.same', request)] });
    const [replayed] = await take(call, 1);
    expect(replayed).toMatchObject({ result: { version: '1', replayed: true } });
    expect(await drain(call)).toEqual([]);
  });

  test('with a failed append goes on, and tells which others had counted on it', async () => {
    const call = wire.duplex('AppendSession');
    const stream = 'session.failures';
    call.write({
      appends: [
        append(1, stream, { expected_version: '0' }),
        append(2, stream, { expected_version: '7' }),
        append(3, stream, { expected_version: '8', events: [event, event] }),
        append(4, stream, { expected_version: '10' }),
        append(5, stream, { expected_version: '3' }),
        append(6, stream, { events: [{ type: '' }] }),
        { tag: 7 },
        append(8, stream),
        append(9, 'session.failures-not', { expected_version: '0' }),
      ],
    });
    const answers = byTag(await drain(call));
    const errorOf = (tag: number): ReturnType<typeof failureWithin> =>
      failureWithin(answers.get(tag)?.['error'] as WireMessage);
    expect([1, 8, 9].map((tag) => versionOf(answers.get(tag)))).toEqual(['1', '2', '1']);
    for (const [tag, expected] of [2, 3, 4, 5].map(
      (number, i) => [number, ['7', '8', '10', '3'][i]] as const,
    )) {
      const { code, details } = errorOf(tag);
      expect(code).toBe(status.ABORTED);
      expect(details[0]).toMatchObject({
        reason: 'VERSION_CONFLICT',
        metadata: { stream, expected, actual: '1' },
      });
    }
    expect([2, 3, 4, 5].map((tag) => answers.get(tag)?.['failed_tag'])).toEqual([
      undefined,
      '2',
      '3',
      undefined,
    ]);
    expect(errorOf(6)).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: [{}, { field_violations: [{ field: 'events[0].type' }] }],
    });
    expect(errorOf(7)).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: [{}, { field_violations: [{ field: 'append', description: 'is required' }] }],
    });
  });

  test('reports the failed append that would have made a stream exist', async () => {
    const call = wire.duplex('AppendSession');
    const stream = 'session.exists';
    call.write({
      appends: [
        append(1, stream, { expected_version: '7' }),
        append(2, stream, { must_exist: true }),
        append(3, 'session.exists-not', { must_exist: true }),
        append(4, stream),
        append(5, stream, { must_exist: true }),
      ],
    });
    const answers = byTag(await drain(call));
    for (const [tag, failedTag] of [
      [2, '1'],
      [3, undefined],
    ] as const) {
      expect(failureWithin(answers.get(tag)?.['error'] as WireMessage).details[0]).toMatchObject({
        metadata: { expected: 'exists', actual: '0' },
      });
      expect(answers.get(tag)?.['failed_tag']).toBe(failedTag);
    }
    expect([4, 5].map((tag) => versionOf(answers.get(tag)))).toEqual(['1', '2']);
  });

  test('names only an append that was sent before and would have stored events', async () => {
    const call = wire.duplex('AppendSession');
    const exists = { must_exist: true };
    const invalid = [{ type: '' }];
    call.write({
      appends: [
        append(1, 'named.any', { events: invalid }),
        append(2, 'named.any', exists),
        append(3, 'named.checked', { expected_version: '7', events: [] }),
        append(4, 'named.checked', exists),
        append(5, 'named.checked', { expected_version: '7' }),
        append(6, 'named.later', exists),
        append(7, 'named.later', { expected_version: '7' }),
        append(8, 'named.later', { expected_version: '6', events: invalid }),
        append(9, 'named.counted', { expected_version: '0', events: invalid }),
        append(10, 'named.counted', { expected_version: '1' }),
      ],
    });
    const answers = byTag(await drain(call));
    const named = [...answers].flatMap(([tag, { failed_tag: failed }]) =>
      failed === undefined ? [] : [[tag, failed]],
    );
    expect(named.sort()).toEqual([
      [10, '9'],
      [2, '1'],
    ]);
    for (const tag of [2, 4, 5, 6, 7, 10]) {
      const { details } = failureWithin(answers.get(tag)?.['error'] as WireMessage);
      expect(details[0]).toMatchObject({ reason: 'VERSION_CONFLICT' });
    }
  });

  test('that is broken by a message that cannot be decoded has responded to what came before', async () => {
    const call = wire.duplex('AppendSession');
    const messages: WireMessage[] = [];
    call.on('data', (message: WireMessage) => messages.push(message));
    const failure = wireFailureOf(once(call, 'end')); // rejects with the error of the call
    call.write({ appends: [append(1, 'session.broken')] });
    call.write({ appends: [append(2, '\ud800')] }); // half a pair, which is not UTF-8
    call.write({ appends: [append(3, 'session.broken')] });
    expect(await failure).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: [{}, { field_violations: [{ field: 'request' }] }],
    });
    expect(messages.flatMap(answersOf)).toMatchObject([{ tag: '1', result: { version: '1' } }]);
    expect(await wire.unary('GetVersion', { stream: 'session.broken' })).toMatchObject({ version: '1' });
  });

  test('has a deadline and can be cancelled, and what had begun is stored', async () => {
    const late = wire.duplex('AppendSession', { deadline: Date.now() + 500 });
    late.write({ appends: [append(1, 'session.late')] });
    expect(await take(late, 1)).toHaveLength(1);
    expect(await wireFailureOf(late.toArray())).toMatchObject({ code: status.DEADLINE_EXCEEDED });

    const gone = wire.duplex('AppendSession');
    gone.write({ appends: [append(1, 'session.gone')] });
    await take(gone, 1);
    gone.cancel();
    expect(await wireFailureOf(gone.toArray())).toMatchObject({ code: status.CANCELLED });
    expect(await wire.unary('GetVersion', { stream: 'session.gone' })).toMatchObject({ version: '1' });
  });
});

describe('appends in order', () => {
  const inOrder = (tag: number, stream: string, more: WireMessage = {}): WireMessage => ({
    ...append(tag, stream, more),
    in_order: true,
  });
  const errorOf = (answer: WireMessage | undefined): ReturnType<typeof failureWithin> =>
    failureWithin(answer?.['error'] as WireMessage);

  test('are stored in the order sent over all streams, also those that take several messages', async () => {
    const call = wire.duplex('AppendSession');
    const large = Array.from({ length: 3 }, () => ({ ...event, text: 'x'.repeat(500_000) }));
    const count = 400;
    const versions = new Map<string, number>();
    const appends = Array.from({ length: count }, (_, i) => {
      const tag = i + 1;
      const stream = `ordered.${Math.floor(Math.sqrt(tag))}`;
      const expected_version = (versions.get(stream) ?? 0).toString();
      const events = tag % 100 === 50 ? large : [event];
      versions.set(stream, Number(expected_version) + events.length);
      // An id that says nothing of its time is looked for before anything is stored.
      const commit_id = `0190f3a1-0000-8000-8000-${tag.toString().padStart(12, '0')}`;
      return inOrder(tag, stream, { expected_version, events, commit_id });
    });
    for (let i = 0; i < count; i += 40) call.write({ appends: appends.slice(i, i + 40) });
    const answers = byTag(await drain(call));
    const positions = appends.map(({ tag }) =>
      Number((answers.get(Number(tag))?.['result'] as WireMessage)['position']),
    );
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    expect(new Set(positions).size).toBe(count);
  }, 60_000);

  test('say behind which one they were, after it, also where its error waits for the disk', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'sluice-ordered-'));
    try {
      const own = [`--data-dir=${dataDir}`, `--nats-server=${natsServerPath()}`];
      await using gateway = await startTestGateway([], own);
      using client = connectWire(gateway.address);
      const call = client.duplex('AppendSession');
      call.write({
        appends: [
          inOrder(1, 'own.a'),
          inOrder(2, 'own.b', { expected_version: '7' }),
          inOrder(3, 'own.c'),
          inOrder(4, 'own.d'),
        ],
      });
      const answers = (await drain(call)).map(({ tag, failed_tag }) => [tag, failed_tag]);
      expect(answers.filter(([tag]) => tag !== '1')).toEqual([
        ['2', undefined],
        ['3', '2'],
        ['4', '2'],
      ]);
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  }, 30_000);

  test('are not stored behind one that failed, while others are', async () => {
    const call = wire.duplex('AppendSession');
    call.write({
      appends: [
        inOrder(1, 'broken.a', { expected_version: '0' }),
        inOrder(2, 'broken.b', { expected_version: '7' }),
        inOrder(3, 'broken.c', { expected_version: '0' }),
        append(4, 'broken.d'),
        inOrder(5, 'broken.e', { events: [] }),
      ],
    });
    const answers = byTag(await take(call, 5));
    expect([1, 4].map((tag) => versionOf(answers.get(tag)))).toEqual(['1', '1']);
    expect(errorOf(answers.get(2))).toMatchObject({ code: status.ABORTED });
    call.write({ appends: [inOrder(6, 'broken.f'), append(7, 'broken.g')] });
    const later = byTag(await drain(call));
    for (const answer of [answers.get(3), answers.get(5), later.get(6)]) {
      expect(errorOf(answer)).toMatchObject({ code: status.CANCELLED, details: [{ reason: 'CANCELLED' }] });
      expect(answer?.['failed_tag']).toBe('2');
    }
    expect(answers.get(2)?.['failed_tag']).toBeUndefined();
    expect(versionOf(later.get(7))).toBe('1');
    for (const stream of ['broken.c', 'broken.f'])
      expect(await wire.unary('GetVersion', { stream })).toEqual({}); // version 0
  });

  test('are stored before one that is refused at once, and not behind it', async () => {
    const call = wire.duplex('AppendSession');
    const before = Array.from({ length: 50 }, (_, i) =>
      inOrder(i + 1, 'refused.a', { expected_version: i.toString() }),
    );
    call.write({ appends: [...before, inOrder(51, 'no name'), inOrder(52, 'refused.b')] });
    const answers = byTag(await drain(call));
    expect(before.map(({ tag }) => versionOf(answers.get(Number(tag))))).toEqual(
      before.map(({ tag }) => Number(tag).toString()),
    );
    expect(errorOf(answers.get(51))).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(errorOf(answers.get(52))).toMatchObject({ code: status.CANCELLED });
    expect(answers.get(52)?.['failed_tag']).toBe('51');
    expect(await wire.unary('GetVersion', { stream: 'refused.b' })).toEqual({});
  });

  test('are not stored behind one for which the connection has no room', () =>
    withGateway(['--append-bytes-max=4000', '--connection-appends-bytes-max=20000'], async (client, own) => {
      const large = (bytes: number): WireMessage[] => [{ ...event, text: 'x'.repeat(bytes) }];
      const call = client.duplex('AppendSession');
      call.write({ appends: [append(1, 'warm')] });
      await take(call, 1);
      own.pause();
      const others = [1, 2, 3, 4, 5].map((i) =>
        client.unary('Append', { stream: `other.${i}`, events: large(3_700) }),
      );
      // The gateway responds without NATS, after all of these.
      await wireFailureOf(client.unary('Append', { stream: 'no name' }));
      call.write({ appends: [inOrder(2, 'full.a', { events: large(3_000) }), inOrder(3, 'full.b')] });
      const answers = byTag(await take(call, 2));
      own.resume();
      await Promise.all(others);
      expect(errorOf(answers.get(2))).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
      expect(errorOf(answers.get(3))).toMatchObject({ code: status.CANCELLED });
      expect(answers.get(3)?.['failed_tag']).toBe('2');
      expect(await client.unary('GetVersion', { stream: 'full.b' })).toEqual({});
      call.on('error', () => undefined).cancel();
    }));
});

describe('the bounds of a session', () => {
  test('leave with the caller what exceeds the bounds of the gateway, and refuse nothing', () =>
    // More than one session takes, less than what is sent.
    withGateway(['--appends-max=600'], async (client, own) => {
      const call = client.duplex('AppendSession');
      call.write({ appends: [append(0, 'many.0')] });
      await take(call, 1);
      own.pause();
      for (let i = 0; i < 20; i++) {
        const appends = Array.from({ length: 100 }, (_, k) => append(i * 100 + k + 1, `many.${k}`));
        call.write({ appends });
      }
      const read = drain(call);
      // The gateway responds without NATS, after all that the session has sent.
      for (let i = 0; i < 10; i++) await wireFailureOf(client.unary('Append', { stream: 'no name' }));
      own.resume();
      const answers = await read;
      expect(answers.filter((answer) => answer['error'] !== undefined)).toEqual([]);
      expect(byTag(answers).size).toBe(2_000);
    }));

  // Each bound, far below what the session sends.
  test.each([
    ['the queue of a stream', ['--stream-queue-max=8']],
    ['appends of a connection', ['--connection-appends-max=8']],
    ['appends of the gateway', ['--appends-max=8']],
    ['bytes of a connection', ['--append-bytes-max=20000', '--connection-appends-bytes-max=20000']],
    ['bytes of the gateway', ['--append-bytes-max=20000', '--appends-bytes-max=20000']],
  ])('refuse nothing that a session sends: %s', (_name, flags) =>
    withGateway(flags, async (client) => {
      const call = client.duplex('AppendSession');
      // Small on the wire, several times as large once they are stored.
      const events = Array.from({ length: 10 }, () => ({ type: 'a' }));
      call.write({ appends: Array.from({ length: 300 }, (_, tag) => append(tag, 'pipelined', { events })) });
      call.end();
      const answers = await drain(call);
      expect(answers.filter((answer) => answer['error'] !== undefined)).toEqual([]);
      expect(byTag(answers).size).toBe(300);
    }),
  );

  test('end a session whose answers nobody takes', () =>
    withGateway(['--sessions-max=1', '--read-stall-timeout-ms=3000'], async (client) => {
      const call = client.duplex('AppendSession');
      call.write({ appends: [append(0, 'stalled')] });
      await take(call, 1);
      call.pause();
      // Errors are long, and 64 KiB of them fill the window of the caller.
      for (let i = 0; i < 100; i++) {
        const appends = Array.from({ length: 100 }, (_, k) =>
          append(k, 'stalled', { expected_version: '9' }),
        );
        call.write({ appends });
      }
      // Its slot becomes free when it ends; it is reset when nobody takes the rest for that time again.
      await until(async () => {
        const next = client.duplex('AppendSession');
        next.write({ appends: [append(0, 'next')] });
        const outcome = await new Promise((resolve) => next.once('data', resolve).once('error', resolve));
        next.on('error', () => undefined).cancel();
        return !(outcome instanceof Error);
      }, 25_000);
      const failure = await wireFailureOf(call.toArray());
      expect(failure).toMatchObject({
        code: status.CANCELLED,
        message: expect.stringMatching(
          /^the caller took \d+ bytes .* in 3000 ms, fewer than 384 \(/,
        ) as string,
      });
    }));

  test('hold for all sessions together', () =>
    withGateway(
      [`--sessions-max=${wholeOf(2)}`, `--connection-sessions-max=${wholeOf(2)}`],
      async (client) => {
        const calls = [1, 2, 3].map(() => client.duplex('AppendSession'));
        for (const [i, call] of calls.entries()) call.write({ appends: [append(i, `sessions.${i}`)] });
        const outcomes = await Promise.allSettled(calls.map((call) => take(call, 1)));
        const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome] : []));
        expect(refused).toHaveLength(1);
        expect(await wireFailureOf(Promise.reject(refused[0]?.reason as Error))).toMatchObject({
          code: status.RESOURCE_EXHAUSTED,
          message: '2 sessions are under way, as many as sessions_max allows',
        });
        for (const call of calls) call.on('error', () => undefined).cancel();
      },
    ));
});

test('a gateway that stops answers what it has taken, and has stored nothing else', async () => {
  await using own = await startNats();
  await using stopping = await startGatewayProcess([own.url]);
  using client = connectWire(stopping.address);
  const call = client.duplex('AppendSession');
  const answers: WireMessage[] = [];
  call.on('data', (message: WireMessage) => answers.push(...answersOf(message)));
  const failure = wireFailureOf(once(call, 'end'));
  let sent = 0;
  const send = (): void => {
    const appends = Array.from({ length: 20 }, (_, k) => append(sent + k, `stopping.${k}`));
    sent += appends.length;
    call.write({ appends });
  };
  const sending = setInterval(send, 2);
  await until(() => answers.length > 500);
  stopping.process.signal('SIGTERM');
  expect(await failure).toMatchObject({ code: status.UNAVAILABLE, message: 'the gateway is stopping' });
  clearInterval(sending);
  expect(await stopping.process.ended()).toBe(0);
  expect(answers.filter((answer) => answer['error'] !== undefined)).toEqual([]);
  await using after = await startTestGateway([own.url]);
  using reader = connectWire(after.address);
  const streams = (await reader.stream('ListStreams', {})).flatMap(
    (message) => message['streams'] as WireMessage[],
  );
  const stored = streams.reduce((sum, { version }) => sum + Number(version), 0);
  expect(stored).toBe(answers.length);
  expect(sent).toBeGreaterThan(answers.length - 1);
});
