import { connect, headers as newHeaders } from 'nats';
import { controlMessage } from '../../src/jetstream/log/control-codec';
import { noRules, rulesAfter } from '../../src/store/stream-rules';
import { sequence, version as toVersion, type CommitId, type StreamName } from '../../src/store/values';
import { uuidV7 } from '../../src/uuid';
import { runSluice } from '../cli/process';
import { startNats, until } from '../support/nats-server';
import { appendTo, callFor, controlOf, openTestStore, truncateBefore } from '../support/opened-store';
import { manifestOf, newFolder, succeed } from './commands';

/** A store with controls is backed up, restored and verified. */

const streams = ['short', 'gone', 'ended', 'plain'] as StreamName[];

/** The messages stay as they are. */
const unswept = { sweepIntervalMs: 0 };

/** What the store is for its callers, and what NATS knows of its settings. */
async function stateOf(natsUrl: string): Promise<unknown> {
  await using opened = await openTestStore(natsUrl, { limits: unswept });
  const connection = await connect({ servers: natsUrl });
  const { config } = await (await connection.jetstreamManager()).streams.info('EVENTS');
  await connection.close();
  const described = streams.map((stream) => opened.store.getStream(stream, callFor()));
  const { metadata, max_msgs: messagesMax } = config;
  return { described: await Promise.all(described), features: metadata?.['sluice-features'], messagesMax };
}

test('a backup has the controls, and what NATS must know of them', async () => {
  await using nats = await startNats();
  {
    await using opened = await openTestStore(nats.url, { limits: unswept });
    const { store } = opened;
    for (let round = 0; round < 3; round++)
      for (const stream of streams) await store.append(appendTo(stream), callFor());
    await store.control(controlOf('short', truncateBefore(3n)), callFor());
    await store.control(controlOf('gone', { kind: 'delete' }), callFor());
    await store.control(controlOf('ended', { kind: 'tombstone' }), callFor());
    await store.append(appendTo('short'), callFor());
  }
  const before = await stateOf(nats.url);
  expect(before).toMatchObject({
    described: [
      { version: 4n, firstVersion: 3n },
      { state: 'deleted', version: 3n },
      { state: 'tombstoned', version: 3n },
      { state: 'active', firstVersion: 1n, controlPosition: 0n },
    ],
    features: 'controls',
    messagesMax: Number.MAX_SAFE_INTEGER,
  });
  const folder = newFolder();
  await succeed('backup', folder, `--nats-url=${nats.url}`);
  expect(manifestOf(folder).counts).toEqual({
    messages: 16,
    commits: 16,
    events: 13,
    streams: 4,
    unreadable: 0,
  });
  await using target = await startNats();
  await succeed('restore', folder, `--nats-url=${target.url}`);
  expect(await stateOf(target.url)).toEqual(before);
  expect((await runSluice(['verify', `--nats-url=${target.url}`])).code).toBe(0);
}, 180_000);

/** How many messages the log has on the subjects of these streams. */
async function messagesOf(natsUrl: string, names: readonly string[]): Promise<number> {
  const connection = await connect({ servers: natsUrl });
  const manager = await connection.jetstreamManager();
  const { state } = await manager.streams.info('EVENTS', { subjects_filter: 'es.>' });
  await connection.close();
  return names.reduce((sum, name) => sum + (state.subjects?.[`es.${name}`] ?? 0), 0);
}

test('what the gateways have removed is missing in no backup', async () => {
  await using nats = await startNats();
  {
    await using opened = await openTestStore(nats.url, { limits: { sweepIntervalMs: 100 } });
    const { store } = opened;
    for (let round = 0; round < 3; round++)
      for (const stream of streams) await store.append(appendTo(stream), callFor());
    await store.control(controlOf('short', truncateBefore(3n)), callFor());
    await store.control(controlOf('gone', { kind: 'delete' }), callFor());
    await store.control(
      controlOf('plain', {
        kind: 'erase',
        fromVersion: toVersion(2n),
        toVersion: toVersion(2n),
        reason: 'x',
      }),
      callFor(),
    );
    // The last commit and the control of one, the control of another one, and of the third one two commits and the control.
    await until(async () => (await messagesOf(nats.url, ['short', 'gone', 'plain'])) === 6);
  }
  const before = await stateOf(nats.url);
  const folder = newFolder();
  await succeed('backup', folder, `--nats-url=${nats.url}`);
  expect((await runSluice(['verify', `--nats-url=${nats.url}`])).code).toBe(0);
  await using target = await startNats();
  await succeed('restore', folder, `--nats-url=${target.url}`);
  expect(await stateOf(target.url)).toEqual(before);
}, 180_000);

test('a control of a version that the stream does not have is found', async () => {
  await using nats = await startNats();
  await using opened = await openTestStore(nats.url, { limits: unswept });
  const { position } = await opened.store.append(appendTo('a'), callFor());
  const connection = await connect({ servers: nats.url });
  const control = { kind: 'delete' } as const;
  const { subject, headers, body } = controlMessage('es.a', {
    control,
    rules: rulesAfter(noRules, toVersion(3n), control),
    version: toVersion(3n),
    previous: sequence(position),
    commitId: uuidV7() as CommitId,
    principal: undefined,
  });
  const stored = newHeaders();
  for (const [name, value] of Object.entries(headers)) stored.set(name, value);
  await connection.jetstream().publish(subject, body, { headers: stored });
  await connection.close();
  const { code, stdout } = await runSluice(['verify', `--nats-url=${nats.url}`]);
  expect(stdout.trim()).toMatch(/^2 {2}a {2}version 4 follows version 1$/);
  expect(code).toBe(3);
}, 120_000);
