import { setTimeout as sleep } from 'node:timers/promises';
import {
  CancelledError,
  connect,
  InvalidRequestError,
  OutcomeUnknownError,
  OverloadedError,
  UnavailableError,
  VersionConflictError,
  type SluiceClient,
} from '../../src/client/client';
import { startGatewayProcess, startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';

/** Sessions of the TypeScript client. */
const event = { type: 'Happened', data: 'x' };

let nats: TestNats;
let gateway: TestGateway;
let client: SluiceClient;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  client = connect(gateway.address);
});

afterAll(async () => {
  client.close();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => new Error('it went well'),
    (error: unknown) => error,
  );
}

test('appends are stored in the order of the calls, and each has its result', async () => {
  const session = client.appendSession();
  const results = Array.from({ length: 300 }, (_, i) =>
    session.append(`ordered.${i % 3}`, [event], { expectedVersion: Math.floor(i / 3) }),
  );
  const given = session.append('ordered.id', [event], {
    commitId: '0190f3a1-0000-7000-8000-0000000000aa',
    withCommitTime: true,
  });
  await session.close();
  expect((await Promise.all(results)).map(({ version }) => version)).toEqual(
    results.map((_, i) => BigInt(Math.floor(i / 3) + 1)),
  );
  expect(await given).toMatchObject({
    version: 1n,
    firstVersion: 1n,
    replayed: false,
    commitId: '0190f3a1-0000-7000-8000-0000000000aa',
    commitTime: expect.any(Date) as Date,
  });
});

test('errors are those of append, with the error that they follow from as the cause', async () => {
  await using session = client.appendSession();
  const [conflict, after, unlike, wrong, stored] = [
    session.append('errors.1', [event], { expectedVersion: 4 }),
    session.append('errors.1', [event], { expectedVersion: 5 }),
    session.append('errors.1', [event], { expectedVersion: 9 }),
    session.append('no name', [event]),
    session.append('errors.1', [event]),
  ].map((promise) => promise.catch((error: unknown) => error));
  expect(await conflict).toMatchObject({ code: 'VERSION_CONFLICT', expected: 4n, actual: 0n });
  expect(await after).toBeInstanceOf(VersionConflictError);
  expect(((await after) as Error).cause).toBe(await conflict);
  expect(await unlike).toBeInstanceOf(VersionConflictError);
  expect(((await unlike) as Error).cause).toBeUndefined();
  expect(await wrong).toBeInstanceOf(InvalidRequestError);
  expect(await stored).toMatchObject({ version: 1n });
  await expect(session.append('errors.1', [{ type: 'T', data: '\ud800' }])).rejects.toThrow(TypeError);
  await expect(session.append('errors.1', [event], { expectedVersion: -1 })).rejects.toThrow(RangeError);
});

test('at most pendingMax appends are pending, and ready() waits for the next slot', async () => {
  const session = client.appendSession({ pendingMax: 10 });
  const first = Array.from({ length: 10 }, (_, i) => session.append(`bounded.${i}`, [event]));
  expect(await failureOf(session.append('bounded.more', [event]))).toBeInstanceOf(OverloadedError);
  await session.ready();
  const second: Promise<unknown>[] = [];
  for (let i = 0; i < 200; i++) {
    await session.ready();
    second.push(session.append(`bounded.${i}`, [event]));
  }
  await session.close();
  expect((await Promise.all([...first, ...second])).length).toBe(210);
  expect(await failureOf(session.append('bounded.more', [event]))).toBeInstanceOf(CancelledError);
  expect(await failureOf(session.ready())).toBeInstanceOf(CancelledError);
  expect((await client.getVersion('bounded.more')).version).toBe(0n);
});

test('large appends are stored, beside small ones', async () => {
  await using session = client.appendSession();
  const large = Array.from({ length: 100 }, () => ({ type: 'Large', data: new Uint8Array(10_000) }));
  const results = Array.from({ length: 20 }, (_, i) => session.append(`large.${i}`, i % 2 ? [event] : large));
  expect((await Promise.all(results)).map(({ version }) => version)).toEqual(
    results.map((_, i) => (i % 2 ? 1n : 100n)),
  );
});

test('an append that is too large for gRPC ends the session, and leaves the pending ones in doubt', async () => {
  const session = client.appendSession();
  await session.append('huge.1', [event]);
  nats.pause();
  const outcomes = [
    session.append('huge.1', [event]),
    session.append('huge.2', [{ type: 'Huge', data: new Uint8Array(17 << 20) }]),
  ].map(failureOf);
  for (const outcome of await Promise.all(outcomes)) expect(outcome).toBeInstanceOf(OutcomeUnknownError);
  nats.resume();
  const failure = await failureOf(session.close());
  expect(failure).toBeInstanceOf(CancelledError);
  expect((failure as Error).message).toMatch(/\b17\d{6} bytes\b.*\b16777216\b/);
  await until(async () => (await client.getVersion('huge.1')).version === 2n);
  expect((await client.getVersion('huge.2')).version).toBe(0n);
});

test('a signal ends the session with its reason', async () => {
  const controller = new AbortController();
  const session = client.appendSession({ signal: controller.signal });
  await session.append('signal.1', [event]);
  nats.pause();
  const pending = failureOf(session.append('signal.1', [event]));
  await sleep(20);
  const reason = new Error('enough');
  controller.abort(reason);
  expect(await pending).toBe(reason);
  expect(await failureOf(session.close())).toBe(reason);
  expect(await failureOf(session.append('signal.1', [event]))).toBe(reason);
  nats.resume();
  expect(() => client.appendSession({ signal: controller.signal })).toThrow(reason);
});

test('closing the client ends a session without an error', async () => {
  const other = connect(gateway.address);
  const session = other.appendSession();
  const results = Array.from({ length: 100 }, (_, i) => session.append(`closing.${i}`, [event]));
  await results[0];
  const more = session.append('closing.0', [event]);
  other.close();
  expect((await Promise.all(results)).length).toBe(100);
  expect(await more).toMatchObject({ version: 2n });
  await session.close();

  const unconnected = connect(gateway.address);
  const unsent = failureOf(unconnected.appendSession().append('closing.unsent', [event]));
  unconnected.close();
  expect(await unsent).toBeInstanceOf(UnavailableError);
});

test('a gateway that is killed leaves appends in doubt, one that stops does not', async () => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await using own = await startGatewayProcess([nats.url]);
    const other = connect(own.address);
    const session = other.appendSession();
    const outcomes: Promise<unknown>[] = [];
    const stream = `ended.${signal}`;
    let stored = 0;
    const sending = setInterval(() => {
      const outcome = session.append(stream, [event]).then(
        () => (stored++, 'stored'),
        (error: unknown) => error,
      );
      outcomes.push(outcome);
    }, 1);
    await until(() => stored > 100);
    own.process.signal(signal);
    await until(() => failureOf(session.ready()).then((error) => error instanceof UnavailableError));
    clearInterval(sending);
    const failures = (await Promise.all(outcomes)).filter((outcome) => outcome !== 'stored');
    const { version } = await client.getVersion(stream);
    const inDoubt = failures.filter((error) => error instanceof OutcomeUnknownError);
    if (signal === 'SIGTERM') expect(inDoubt).toEqual([]);
    for (const error of failures) expect(error).toBeInstanceOf(Error);
    expect(Number(version)).toBeGreaterThanOrEqual(stored);
    expect(Number(version)).toBeLessThanOrEqual(stored + inDoubt.length);
    other.close();
  }
});
