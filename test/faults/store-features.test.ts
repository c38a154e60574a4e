import { connect, type JetStreamManager, type StreamConfig } from 'nats';
import { refusedStart } from '../cli/process';
import { before, buildOf, hasCommit } from '../support/build';
import { startNats, type TestNats } from '../support/nats-server';
import { appendTo, callFor, controlOf, openTestStore, truncateBefore } from '../support/opened-store';

/** A store that has controls says so, so that a gateway that does not know them does not serve it. */

/** It knows controls, and has no erasures. */
const beforeRemovals = '5017a4fd8f1700b7e8bd3b840d982b86473fb336';

interface Setting extends AsyncDisposable {
  readonly nats: TestNats;
  readonly manager: JetStreamManager;
  config(): Promise<StreamConfig>;
}

async function startSetting(): Promise<Setting> {
  const nats = await startNats();
  const connection = await connect({ servers: nats.url });
  const manager = await connection.jetstreamManager();
  return {
    nats,
    manager,
    config: async () => (await manager.streams.info('EVENTS')).config,
    async [Symbol.asyncDispose]() {
      await connection.close();
      await nats[Symbol.asyncDispose]();
    },
  };
}

/** Creates a store that has a control. */
async function control(natsUrl: string): Promise<void> {
  await using opened = await openTestStore(natsUrl);
  await opened.store.append(appendTo('a'), callFor());
  await opened.store.control(controlOf('a', truncateBefore(2n)), callFor());
}

test('the first control that is stored changes the settings of the store, and nothing else does', async () => {
  await using setting = await startSetting();
  const { nats } = setting;
  await using one = await openTestStore(nats.url);
  await using other = await openTestStore(nats.url);
  await one.store.append(appendTo('a'), callFor());
  const plain = await setting.config();
  expect(plain.max_msgs).toBe(-1);
  // Neither of these is stored.
  await one.store.control(controlOf('a', truncateBefore(1n)), callFor());
  await expect(one.store.control(controlOf('b', { kind: 'delete' }), callFor())).rejects.toThrow(
    'never had an event',
  );
  expect(await setting.config()).toEqual(plain);
  await one.store.control(controlOf('a', truncateBefore(2n)), callFor());
  const marked = await setting.config();
  expect(marked).toEqual({
    ...plain,
    max_msgs: Number.MAX_SAFE_INTEGER,
    metadata: { ...plain.metadata, 'sluice-features': 'controls' },
  });
  await other.store.control(controlOf('a', { kind: 'delete' }), callFor());
  expect(await setting.config()).toEqual(marked);
  await using later = await openTestStore(nats.url);
  expect((await later.store.append(appendTo('a'), callFor())).version).toBe(2n);
  for (const { store } of [one, later]) expect((await store.info(callFor())).wrongSettings).toEqual([]);
});

(hasCommit(before) ? test : test.skip)(
  'a gateway of the version before refuses it',
  async () => {
    const old = await buildOf(before);
    await using setting = await startSetting();
    const { nats } = setting;
    await control(nats.url);
    const { code, stderr } = await refusedStart([`--nats-url=${nats.url}`, '--listen=127.0.0.1:0'], {}, old);
    expect(code).toBe(3);
    expect(stderr).toContain('max_msgs: found 9007199254740991, needed -1');
  },
  180_000,
);

(hasCommit(beforeRemovals) ? test : test.skip)(
  'a gateway that does not know removals refuses a store from which something was erased',
  async () => {
    const old = await buildOf(beforeRemovals);
    await using setting = await startSetting();
    const { nats } = setting;
    await control(nats.url);
    {
      await using opened = await openTestStore(nats.url, { limits: { sweepIntervalMs: 0 } });
      const { store } = opened;
      expect((await setting.config()).metadata?.['sluice-features']).toBe('controls');
      const { version } = await store.append(appendTo('a'), callFor());
      const erase = { kind: 'erase', fromVersion: version, toVersion: version, reason: 'asked' } as const;
      await store.control(controlOf('a', erase), callFor());
    }
    expect((await setting.config()).metadata?.['sluice-features']).toBe('controls,removals');
    const { code, stderr } = await refusedStart([`--nats-url=${nats.url}`, '--listen=127.0.0.1:0'], {}, old);
    expect(code).toBe(3);
    expect(stderr).toContain('the store EVENTS has what this version of Sluice does not know: removals.');
    expect(stderr).toContain('Use a later version.');
  },
  180_000,
);

test('a store with what only a later version knows is refused', async () => {
  await using setting = await startSetting();
  const { nats, manager } = setting;
  await control(nats.url);
  const config = await setting.config();
  const metadata = { ...config.metadata, 'sluice-features': 'controls,erasure' };
  await manager.streams.update('EVENTS', { ...config, metadata });
  await expect(openTestStore(nats.url)).rejects.toThrow(
    'the store EVENTS has what this version of Sluice does not know: erasure.\n  Use a later version.',
  );
});

test('a store whose mark somebody has taken away is refused', async () => {
  await using setting = await startSetting();
  const { nats, manager } = setting;
  await control(nats.url);
  await using opened = await openTestStore(nats.url);
  await manager.streams.update('EVENTS', { ...(await setting.config()), max_msgs: -1 });
  const line = 'max_msgs: found -1, needed 9007199254740991';
  expect((await opened.store.info(callFor())).wrongSettings).toEqual([line]);
  await expect(openTestStore(nats.url)).rejects.toThrow(line);
});
