import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Metadata, status } from '@grpc/grpc-js';
import { connect as connectNats } from 'nats';
import {
  CancelledError,
  CommitIdReuseError,
  connect,
  InvalidRequestError,
  isSluiceError,
  NotPermittedError,
  OutcomeUnknownError,
  OverloadedError,
  SluiceError,
  UnavailableError,
  UnreadableCommitError,
  VersionConflictError,
  type SluiceClient,
} from '../../src/client/client';
import { startSluice } from '../cli/process';
import { startTestGateway } from '../support/gateway';
import { freePorts } from '../support/free-ports';
import { startNats, type TestNats } from '../support/nats-server';
import { all, failureOf } from './outcomes';

/** Every error of a gateway, as a user of the client gets it. */
const event = { type: 'Happened' };
const appendTimeoutMs = 700;
/** With more, each append that fails takes the default deadline of 15 s. */
const appendAttemptsMax = 3;

async function withClient(test: (client: SluiceClient, nats: TestNats) => Promise<void>): Promise<void> {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], [`--append-timeout-ms=${appendTimeoutMs}`]);
  using client = connect(gateway.address, { appendAttemptsMax });
  await test(client, nats);
}

/** Each kind of call once. */
function everyCall(client: SluiceClient): Promise<unknown>[] {
  return [
    client.append('any.1', [event], { expectedVersion: 0 }),
    client.append('any.1', []),
    client.getVersion('any.1'),
    client.serverInfo(),
    all(client.readStream('any.1')),
    all(client.readByCorrelation('any')),
    all(client.listStreams()),
  ];
}

test('an error has the id of its request, the own one if there is one', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  using client = connect(gateway.address, { metadata: { 'x-request-id': 'mine' } });
  using other = connect(gateway.address);
  const append = (by: SluiceClient): Promise<unknown> => by.append('a.1', [event], { expectedVersion: 7 });
  expect(await failureOf(append(client))).toHaveProperty('requestId', 'mine');
  const made = expect.stringMatching(/^[\w-]{8}-[0-9a-z]+$/) as unknown;
  expect(await failureOf(append(other))).toHaveProperty('requestId', made);
});

test('a version conflict has both versions', () =>
  withClient(async (client) => {
    await client.append('conflict.1', [event, event]);
    const largest = 2n ** 64n - 1n;
    for (const expected of [0n, largest]) {
      const error = await failureOf(client.append('conflict.1', [event], { expectedVersion: expected }));
      expect(error).toBeInstanceOf(VersionConflictError);
      expect(error).toBeInstanceOf(SluiceError);
      expect(error).toMatchObject({
        name: 'VersionConflictError',
        code: 'VERSION_CONFLICT',
        status: status.ABORTED,
        message: `stream conflict.1 is at version 2, not at the expected ${expected.toString()}`,
        stream: 'conflict.1',
        expected,
        actual: 2n,
        cause: { code: status.ABORTED },
      });
    }
    expect(await client.getVersion('conflict.1')).toMatchObject({ version: 2n });
  }));

test('a stream that must exist and does not is a version conflict', () =>
  withClient(async (client) => {
    const expectedVersion = 'exists';
    const conflict = { stream: 'conflict.none', expected: 'exists', actual: 0n };
    const one = await failureOf(client.append('conflict.none', [event], { expectedVersion }));
    expect(one).toBeInstanceOf(VersionConflictError);
    expect(one).toMatchObject(conflict);
    const checks = [{ stream: 'conflict.none', expectedVersion } as const];
    const two = await failureOf(client.appendMulti([{ stream: 'conflict.3', events: [event] }], { checks }));
    expect(two).toMatchObject({ ...conflict, conflicts: [conflict] });
    await client.append('conflict.none', [event]);
    expect(await client.append('conflict.none', [event], { expectedVersion })).toMatchObject({ version: 2n });
  }));

test('an error has the stack of the call, and the error of gRPC as its cause', () =>
  withClient(async (client) => {
    const calls = [
      async () => await client.append('where.1', [event], { expectedVersion: 7 }),
      async () => await client.getVersion('no name'),
      async () => await all(client.readStream('no name')),
    ];
    for (const call of calls) {
      const error = (await failureOf(call())) as SluiceError;
      expect(error.stack).toContain(__filename);
      expect(error.cause).toMatchObject({
        message: expect.stringMatching(/^\d+ [A-Z_]+: ./) as string,
        code: error.status,
        metadata: expect.any(Metadata) as Metadata,
      });
    }
  }));

test('an invalid request names every field that is not valid', () =>
  withClient(async (client) => {
    const events = [{ type: '' }, { type: 'T', id: 'with space', contentType: 'c'.repeat(201) }];
    const error = await failureOf(client.append('no such name', events, { commitId: 'none' }));
    expect(error).toBeInstanceOf(InvalidRequestError);
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', status: status.INVALID_ARGUMENT });
    const { violations } = error as InvalidRequestError;
    expect(violations.map(({ field }) => field)).toEqual([
      'stream',
      'commit_id',
      'events[0].type',
      'events[1].content_type',
      'events[1].id',
    ]);
    expect(violations[3]?.description).toBe('has 201 bytes, more than the limit of 200');
    const read = await failureOf(all(client.readStream('range.1', { fromVersion: 2, toVersion: 1 })));
    expect((read as InvalidRequestError).violations).toMatchObject([{ field: 'to_version' }]);
  }));

test('the error for a reused commit id has the stream and position of its commit', () =>
  withClient(async (client) => {
    const commitId = randomUUID();
    const { position } = await client.append('reuse.1', [event], { commitId });
    const error = await failureOf(client.append('reuse.2', [event], { commitId }));
    expect(error).toBeInstanceOf(CommitIdReuseError);
    expect(error).toMatchObject({ code: 'COMMIT_ID_REUSE', commitId, stream: 'reuse.1', position });
  }));

test('the error for an unreadable commit has its stream and position', () =>
  withClient(async (client, nats) => {
    await client.append('loss.1', [event]);
    const connection = await connectNats({ servers: nats.url });
    const { seq } = await connection.jetstream().publish('es.loss.1', 'not a commit');
    await connection.close();
    const expected = { code: 'UNREADABLE_COMMIT', stream: 'loss.1', position: BigInt(seq) };
    const calls = [
      client.append('loss.1', [event]),
      client.getVersion('loss.1'),
      all(client.readStream('loss.1')),
    ];
    for (const error of await Promise.all(calls.map(failureOf))) {
      expect(error).toBeInstanceOf(UnreadableCommitError);
      expect(error).toMatchObject(expected);
    }
    expect(await all(client.listStreams())).toMatchObject([
      { stream: 'loss.1', version: 0n, unreadable: true },
    ]);
  }));

test('without NATS every call is unavailable, with a retry delay', () =>
  withClient(async (client, nats) => {
    await nats.stop();
    for (const error of await Promise.all(everyCall(client).map(failureOf))) {
      expect(error).toBeInstanceOf(UnavailableError);
      expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', status: 14, retryDelayMs: 1_000 });
    }
  }));

test('without a gateway every call is unavailable, and no append is in doubt', async () => {
  const [port] = await freePorts(1);
  using client = connect(`127.0.0.1:${String(port)}`, { appendAttemptsMax });
  for (const error of await Promise.all(everyCall(client).map(failureOf))) {
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', status: 14, retryDelayMs: 1_000 });
    expect(isSluiceError(error)).toBe(true);
    expect((error as Error).message).toContain('ECONNREFUSED');
    expect((error as Error).message).not.toContain('Resolution note');
  }
});

test('an append that NATS does not permit is not permitted', async () => {
  const permissions = 'permissions: { publish: { deny: ["es.denied.>"], allow: [">"] } }';
  const user = `{ user: gateway, password: secret, ${permissions} }`;
  await using nats = await startNats({ extraConfig: `authorization { users: [${user}] }` });
  await using gateway = await startTestGateway([nats.url], ['--nats-user=gateway', '--nats-password=secret']);
  using client = connect(gateway.address);
  const error = await failureOf(client.append('denied.1', [event]));
  expect(error).toBeInstanceOf(NotPermittedError);
  expect(error).toMatchObject({ code: 'NOT_PERMITTED', status: status.PERMISSION_DENIED });
  expect(await client.append('allowed.1', [event])).toMatchObject({ version: 1n });
});

test('a limit of the gateway is an overload, with a retry delay', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], ['--appends-max=1']);
  using client = connect(gateway.address, { appendAttemptsMax: 1 });
  const appends = Array.from({ length: 50 }, (_, index) => client.append(`busy.${index}`, [event]));
  const outcomes = await Promise.allSettled(appends);
  const refused = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
  );
  expect(refused.length).toBeGreaterThan(0);
  for (const error of refused) {
    expect(error).toBeInstanceOf(OverloadedError);
    expect(error).toMatchObject({ code: 'OVERLOADED', retryDelayMs: 250 });
  }
  expect(await all(client.listStreams())).toHaveLength(appends.length - refused.length);
});

test('a request of more than request_bytes_max is refused, not in doubt', () =>
  withClient(async (client) => {
    const events = Array.from({ length: 18 }, () => ({ type: 'Large', data: new Uint8Array(1 << 20) }));
    const error = await failureOf(client.append('large.1', events));
    expect(error).toBeInstanceOf(InvalidRequestError);
    expect(error).toMatchObject({ status: status.INVALID_ARGUMENT, violations: [{ field: 'request' }] });
    expect(await client.getVersion('large.1')).toMatchObject({ version: 0n });
  }));

describe('an append whose response is lost', () => {
  test('between NATS and gateway is in doubt, and its commit id resolves it', () =>
    withClient(async (client, nats) => {
      await client.append('doubt.1', [event]);
      nats.pause();
      const error = await failureOf(client.append('doubt.1', [event], { expectedVersion: 1 }));
      nats.resume();
      expect(error).toBeInstanceOf(OutcomeUnknownError);
      expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', status: status.UNKNOWN, stream: 'doubt.1' });
      const { commitId } = error as OutcomeUnknownError;
      const retry = await client.append('doubt.1', [event], { expectedVersion: 1, commitId });
      expect(retry).toMatchObject({ version: 2n, commitId });
      expect(await client.getVersion('doubt.1')).toMatchObject({ version: 2n });
    }));

  test.each([
    ['SIGKILL', 30_000, status.UNAVAILABLE],
    ['SIGSTOP', 2_500, status.DEADLINE_EXCEEDED],
  ] as const)('by %s of the gateway is in doubt as well', async (signal, deadlineMs, code) => {
    await using nats = await startNats();
    await using first = await startSluice([
      '--listen=127.0.0.1:0',
      `--nats-url=${nats.url}`,
      '--create-store',
    ]);
    using client = connect(await first.serving(), { appendAttemptsMax });
    await client.append('doubt.2', [event]);
    nats.pause();
    // The system may need a moment to stop it.
    await sleep(100);
    const appending = failureOf(client.append('doubt.2', [event], { expectedVersion: 1, deadlineMs }));
    // The response to a later call shows that the append has been sent.
    expect(await failureOf(client.getVersion('no name'))).toBeInstanceOf(InvalidRequestError);
    first.signal(signal);
    const error = (await appending) as OutcomeUnknownError;
    if (signal === 'SIGSTOP') first.signal('SIGKILL');
    nats.resume();
    expect(error).toBeInstanceOf(OutcomeUnknownError);
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', status: code, stream: 'doubt.2' });
    await using second = await startTestGateway([nats.url]);
    using retrying = connect(second.address);
    const { commitId } = error;
    const retry = await retrying.append('doubt.2', [event], { expectedVersion: 1, commitId });
    expect(retry).toMatchObject({ version: 2n, commitId });
    expect(await retrying.getVersion('doubt.2')).toMatchObject({ version: 2n });
  });
});

test('a closed client fails every call, but lets those that were sent end', () =>
  withClient(async (client, nats) => {
    nats.pause();
    const underWay = client.append('closed.1', [event]);
    // The response to a later call shows that the append has been sent.
    expect(await failureOf(client.getVersion('no name'))).toBeInstanceOf(InvalidRequestError);
    client.close();
    nats.resume();
    expect(await underWay).toMatchObject({ version: 1n });
    for (const error of await Promise.all(everyCall(client).map(failureOf))) {
      expect(error).toBeInstanceOf(CancelledError);
      expect(error).toMatchObject({ code: 'CANCELLED', message: 'the client is closed' });
    }
    client.close();
  }));
