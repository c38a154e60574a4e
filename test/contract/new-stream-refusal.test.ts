import pino from 'pino';
import { AppendRequest } from '../../generated/sluice/v1/event_store_service';
import { defaultLimits } from '../../src/limits';
import { openStore } from '../../src/open-store';
import { parseAppend } from '../../src/requests/append';
import { leftToNats } from '../../src/store/durability';
import { VersionConflictError } from '../../src/store/errors';
import type { AppendCommand, CallContext, EventStore } from '../../src/store/event-store';
import type { StreamName } from '../../src/store/values';
import { uuidV7 } from '../../src/uuid';
import { newEvents } from '../support/attempts';
import { createModelStore } from '../support/model-store';
import { natsOptions } from '../support/nats-options';
import { startNats } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import { newStore } from './open';

/** `newStreamRefusal`, which no request has: the gateway sets it. */

interface Opened extends AsyncDisposable {
  readonly store: EventStore;
}

function openModel(): Promise<Opened> {
  return Promise.resolve({ store: createModelStore(), [Symbol.asyncDispose]: () => Promise.resolve() });
}

async function openJetStream(): Promise<Opened> {
  const nats = await startNats();
  const store = await openStore({
    address: '',
    nats: natsOptions(nats.url),
    store: { ...newStore(), replicas: 1 },
    mayCreate: true,
    limits: defaultLimits,
    durability: leftToNats,
    log: pino({ level: 'silent' }),
    replicaDir: makeReplicaDir(),
  });
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      await nats[Symbol.asyncDispose]();
    },
  };
}

const refusal = new Error('no new streams');

const call = (): CallContext => ({
  signal: new AbortController().signal,
  deadlineMs: performance.now() + 30_000,
});

function commandOf(stream: string, request: Partial<AppendRequest> = {}): AppendCommand {
  return parseAppend(AppendRequest.fromPartial({ stream, events: newEvents(1), ...request }), defaultLimits);
}

const refused = (command: AppendCommand): AppendCommand => ({ ...command, newStreamRefusal: refusal });

describe.each([
  ['the model', openModel],
  ['JetStream', openJetStream],
] as const)('%s', (_name, open) => {
  let opened: Opened;
  let store: EventStore;
  beforeAll(async () => {
    opened = await open();
    ({ store } = opened);
  });
  afterAll(() => opened[Symbol.asyncDispose]());

  test('does not create a stream, whether or not it has been asked for it before', async () => {
    for (let again = 0; again < 3; again++)
      await expect(store.append(refused(commandOf('new')), call())).rejects.toBe(refusal);
    expect((await store.getVersion('new' as StreamName, undefined, call())).version).toBe(0n);
    // And nothing of it stays.
    expect((await store.append(commandOf('new'), call())).version).toBe(1n);
  });

  test('appends to a stream that exists, whichever append has created it', async () => {
    await store.append(commandOf('there'), call());
    expect((await store.append(refused(commandOf('there')), call())).version).toBe(2n);
    expect((await store.append(refused(commandOf('there', { expectedVersion: 2n })), call())).version).toBe(
      3n,
    );
  });

  test('finds what an earlier call has stored', async () => {
    const command = commandOf('repeated', { commitId: uuidV7() });
    const first = await store.append(command, call());
    expect(await store.append(refused(command), call())).toMatchObject({
      ...first,
      replayed: true,
      commitTime: expect.anything() as unknown,
    });
  });

  test('the version counts first', async () => {
    const command = refused(commandOf('none', { expectedVersion: 3n }));
    await expect(store.append(command, call())).rejects.toBeInstanceOf(VersionConflictError);
  });

  test('a transaction is stored whole or not at all', async () => {
    await store.append(commandOf('one'), call());
    const multi = (...appends: AppendCommand[]) =>
      store.appendMulti({ appends, checks: [], commitId: undefined }, call());
    await expect(multi(refused(commandOf('one')), refused(commandOf('two')))).rejects.toBe(refusal);
    expect((await store.getVersion('one' as StreamName, undefined, call())).version).toBe(1n);
    const { streams } = await multi(refused(commandOf('one')), commandOf('two'));
    expect(streams.map(({ version }) => version)).toEqual([2n, 1n]);
  });

  test('many at once keep the order of their stream', async () => {
    await store.append(commandOf('busy'), call());
    const appends = Array.from({ length: 50 }, (_, number) => {
      const command = commandOf('busy');
      return store.append(number % 2 === 0 ? command : refused(command), call());
    });
    expect((await Promise.all(appends)).map(({ version }) => version)).toEqual(
      appends.map((_, number) => BigInt(number + 2)),
    );
  });
});
