import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import pino from 'pino';
import type { AppendResponse } from '../../generated/sluice/v1/event_store_service';
import { connect } from '../../src/client/client';
import { loadConfig } from '../../src/config/config';
import { startGateway } from '../../src/gateway';
import { serves } from '../acceptance/environment';
import { newEvents, type Append } from '../support/attempts';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { sumOver } from '../support/monitor';
import { startNats, type TestNats } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import { connectRpc } from '../support/rpc-client';
import { failureOf } from '../support/rpc-failure';

/**
 * A commit id keeps its meaning, whatever has happened since: the server has forgotten it (its window is short here), the stream
 * has grown by thousands of versions, the server and the gateways have been restarted.
 */

const duplicateWindowMs = 1_500;
const maxPayloadBytes = 2_560;
jest.setTimeout(180_000);
/** Another store, with the default window. */
const remembering = ['--store-name=REMEMBERING', '--store-prefix=r'];
/** One message at the store, and three. */
const sizes = [newEvents(2), newEvents(5, 700)] as const;

let nats: TestNats;
/** Two gateways of one store. */
let pair: readonly [TestGateway, TestGateway];

beforeAll(async () => {
  nats = await startNats({ maxPayloadBytes });
  pair = [await startForgetfulGateway(), await startForgetfulGateway()];
});
afterAll(async () => {
  for (const gateway of pair) await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

/** The window is not a setting: it belongs to the store, and all its gateways must agree. */
async function startForgetfulGateway(): Promise<TestGateway> {
  const config = loadConfig(
    ['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, '--create-store', `--replica-dir=${makeReplicaDir()}`],
    { SLUICE_HTTP_LISTEN: 'off' },
  );
  const limits = { ...config.limits, duplicateWindowMs };
  const gateway = await startGateway({ ...config, limits }, pino({ level: 'silent' }));
  const client = connectRpc(gateway.address);
  return {
    address: gateway.address,
    client,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await gateway.close();
    },
  };
}

async function restartAll(): Promise<void> {
  await nats.restart();
  await pair[0][Symbol.asyncDispose]();
  pair = [await startForgetfulGateway(), pair[1]];
  for (const { client } of pair) await serves(client);
}

/** Lets the server forget all commit ids so far, which nothing shows. */
async function forget(): Promise<void> {
  await sleep(1.3 * duplicateWindowMs);
}

const laterCommits = 2_000;

async function moveOn(stream: string, { address }: TestGateway): Promise<void> {
  using sluice = connect(address);
  await using session = sluice.appendSession();
  const all: Promise<unknown>[] = [];
  for (let i = 0; i < laterCommits; i++) {
    await session.ready();
    all.push(session.append(stream, [{ type: 'Later' }]));
  }
  await Promise.all(all);
}

interface Stored {
  readonly request: Append;
  readonly first: AppendResponse;
}

/** Stores a commit on a stream: by expecting its version, or without. */
async function store(
  stream: string,
  events: Append['events'],
  expects: boolean,
  [gateway]: readonly [TestGateway, TestGateway] = pair,
): Promise<Stored> {
  const { version } = await gateway.client.getVersion({ stream });
  const request = {
    ...{ stream, expectedVersion: expects ? version : undefined, commitId: randomUUID() },
    events: events.map((event) => ({ ...event, id: randomUUID() })),
  };
  const first = await send(gateway, request);
  expect(first).toMatchObject({ firstVersion: version + 1n, replayed: false });
  return { request, first };
}

function newStream(): string {
  return `idempotent.${randomUUID()}`;
}

function send({ client }: Pick<TestGateway, 'client'>, request: Append): Promise<AppendResponse> {
  return client.append({ ...request, events: [...request.events] });
}

/** A repetition through each gateway gets the first result, and stores nothing. */
async function expectReplayed({ request, first }: Stored, gateways = pair): Promise<void> {
  const [{ client }] = gateways;
  const before = await client.getVersion({ stream: request.stream });
  for (const gateway of [...gateways, ...gateways]) {
    expect({ ...(await send(gateway, request)), commitTime: undefined }).toEqual({
      ...first,
      replayed: true,
    });
  }
  expect(await client.getVersion({ stream: request.stream })).toEqual(before);
}

/** An append with the commit id of another commit is refused through each gateway, and stores nothing. */
async function expectReuse(request: Append, { request: owner, first }: Stored): Promise<void> {
  const [{ client }] = pair;
  const before = await client.getVersion({ stream: request.stream });
  for (const gateway of pair) {
    const failure = await failureOf(send(gateway, request));
    expect(failure.code).toBe(status.ALREADY_EXISTS);
    const { commitId, stream } = owner;
    expect(failure.detail('sluice.v1.CommitIdReuse')).toEqual({ commitId, stream, position: first.position });
  }
  expect(await client.getVersion({ stream: request.stream })).toEqual(before);
}

test('the server remembers a commit id for a while, whatever follows', async () => {
  await using one = await startTestGateway([nats.url], remembering);
  await using other = await startTestGateway([nats.url], remembering);
  const all: Stored[] = [];
  const stream = newStream();
  for (const events of sizes) {
    for (const expects of [true, false]) all.push(await store(stream, events, expects, [one, other]));
  }
  for (const stored of all) await expectReplayed(stored, [one, other]);
  await moveOn(stream, one);
  for (const stored of all) await expectReplayed(stored, [one, other]);
  await nats.restart();
  for (const { client } of [one, other, ...pair]) await serves(client);
  for (const stored of all) await expectReplayed(stored, [one, other]);
});

test('with an expected version it keeps its meaning for ever, at a cost that does not grow', async () => {
  const all: Stored[] = [];
  const stream = newStream();
  for (const events of sizes) all.push(await store(stream, events, true));
  await forget();
  for (const stored of all) await expectReplayed(stored);
  await moveOn(stream, pair[0]);
  await forget();
  const before = await requests();
  for (const stored of all) await expectReplayed(stored);
  // Eight repetitions, four requests for the version, and what the gateways themselves send meanwhile.
  expect((await requests()) - before).toBeLessThan(150);
  await restartAll();
  for (const stored of all) await expectReplayed(stored);
});

test('the commit id of another commit is refused while the server remembers it', async () => {
  for (const events of sizes) {
    const stored = await store(newStream(), events, true);
    const { request, first } = stored;
    await expectReuse({ ...request, expectedVersion: first.version }, stored);
    await expectReuse({ ...request, stream: newStream(), expectedVersion: 0n }, stored);
    await expectReuse({ ...request, stream: newStream(), expectedVersion: undefined }, stored);
  }
});

/** Messages that gateways have sent to the server. */
async function requests(): Promise<number> {
  return (await sumOver([nats], 'append', 'in_msgs')) + (await sumOver([nats], 'read', 'in_msgs'));
}

describe('after the window', () => {
  const [events] = sizes;

  test('without an expected version it is found nevertheless, however much the stream has grown', async () => {
    const all = [await store(newStream(), events, false), await store(newStream(), sizes[1], false)];
    await forget();
    for (const stored of all) await expectReplayed(stored);
    for (const { request } of all) await moveOn(request.stream, pair[1]);
    await restartAll();
    for (const stored of all) {
      await expectReplayed(stored);
      await expectReuse({ ...stored.request, events: newEvents(1) }, stored);
      await expectReuse({ ...stored.request, stream: newStream() }, stored);
    }
  });

  test('with an expected version it is refused for other events at that version', async () => {
    const stored = await store(newStream(), events, true);
    await forget();
    await expectReuse({ ...stored.request, events: newEvents(1) }, stored);
  });

  test('with the right expected version it is refused on another stream, and at another version', async () => {
    const stored = await store(newStream(), events, true);
    await forget();
    await expectReuse({ ...stored.request, stream: newStream(), expectedVersion: 0n }, stored);
    await forget();
    await expectReuse({ ...stored.request, expectedVersion: stored.first.version }, stored);
  });
});
