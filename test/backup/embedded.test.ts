import { chownSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'nats';
import { readOperatorAccess } from '../../src/nats-server/operator-login';
import { newEvents } from '../support/attempts';
import { startGatewayProcess } from '../support/gateway';
import { haveOtherUser } from '../support/other-user';
import { makeReplicaDir } from '../support/replica-dir';
import { fail, manifestOf, newFolder, succeed } from './commands';

/** The store of an embedded nats-server: through that of a running gateway, and without one. */

const newDataDir = (): string => join(makeReplicaDir(), 'data');

test('back up a running gateway, lose its data folder, restore to another one, and serve it', async () => {
  const [lost, restored] = [newDataDir(), newDataDir()];
  const [live, stopped] = [newFolder(), newFolder()];
  {
    await using gateway = await startGatewayProcess([], [`--data-dir=${lost}`]);
    for (let i = 0; i < 20; i++) await gateway.client.append({ stream: 'a', events: newEvents(1) });
    await succeed('backup', live, `--data-dir=${lost}`);
    expect(await succeed('verify', `--data-dir=${lost}`)).toContain('20 events in 20 commits of 1 stream');
    await gateway.client.append({ stream: 'a', events: newEvents(1) });
    expect(await fail('restore', live, `--data-dir=${lost}`)).toContain('nothing is overwritten');
  }
  expect(readdirSync(join(lost, 'run'))).not.toContain('operator.json');
  await succeed('backup', stopped, `--data-dir=${lost}`);
  expect(readdirSync(join(lost, 'run'))).not.toContain('operator.json');
  expect([live, stopped].map((folder) => manifestOf(folder).position)).toEqual([20, 21]);
  rmSync(lost, { recursive: true });
  await succeed('restore', live, `--data-dir=${restored}`);
  expect(await succeed('verify', `--data-dir=${restored}`)).toContain('up to position 20');
  await using gateway = await startGatewayProcess([], [`--data-dir=${restored}`]);
  const { client } = gateway;
  expect((await client.readStream({ stream: 'a' })).events).toHaveLength(20);
  expect((await client.append({ stream: 'a', events: newEvents(1), expectedVersion: 20n })).version).toBe(
    21n,
  );
  expect((await client.serverInfo()).store?.storeId).toBe(manifestOf(live).store.id);
}, 120_000);

/** Not that of any test. */
const otherUser = 10_002;

(haveOtherUser() ? test : test.skip)(
  'a data folder of another user is left as it is unless a gateway uses it',
  async () => {
    const dataDir = newDataDir();
    const config = join(dataDir, 'nats.conf');
    {
      await using gateway = await startGatewayProcess([], [`--data-dir=${dataDir}`]);
      await gateway.client.append({ stream: 'a', events: newEvents(1) });
      chownSync(config, otherUser, otherUser);
      expect(await succeed('verify', `--data-dir=${dataDir}`)).toContain('1 event');
    }
    const before = readFileSync(config, 'utf8');
    expect(await fail('verify', `--data-dir=${dataDir}`)).toContain('belongs to another user');
    expect(await fail('backup', newFolder(), `--data-dir=${dataDir}`)).toContain(
      'run this command as that user',
    );
    expect(readFileSync(config, 'utf8')).toBe(before);
    await using gateway = await startGatewayProcess([], [`--data-dir=${dataDir}`]);
    expect((await gateway.client.readStream({ stream: 'a' })).events).toHaveLength(1);
  },
  60_000,
);

test('a store that is larger than the disk may take is refused before anything is restored', async () => {
  const [from, to] = [newDataDir(), newDataDir()];
  const folder = newFolder();
  {
    await using gateway = await startGatewayProcess([], [`--data-dir=${from}`]);
    for (let i = 0; i < 10; i++) await gateway.client.append({ stream: 'a', events: newEvents(1, 300_000) });
    await succeed('backup', folder, `--data-dir=${from}`);
  }
  const bound = '--store-bytes-max=1000000';
  expect(await fail('restore', folder, `--data-dir=${to}`, bound)).toContain(
    'insufficient storage resources',
  );
  await succeed('restore', folder, `--data-dir=${to}`);
}, 60_000);

test('a folder without a store is reported, and not created', async () => {
  const folder = newDataDir();
  for (const args of [['verify'], ['backup', newFolder()]])
    expect(await fail(...args, `--data-dir=${folder}`)).toContain(`${folder} is not the data folder of`);
  expect(existsSync(folder)).toBe(false);
});

test('the login for these commands is for this user only, and permits nothing else', async () => {
  const dataDir = newDataDir();
  await using gateway = await startGatewayProcess([], [`--data-dir=${dataDir}`]);
  await gateway.client.append({ stream: 'a', events: newEvents(1) });
  expect(statSync(join(dataDir, 'run', 'operator.json')).mode & 0o777).toBe(0o600);
  const access = await readOperatorAccess(dataDir);
  if (access === undefined) throw new Error('there is no login');
  const connection = await connect({ servers: access.url, user: access.user, pass: access.password });
  for (const subject of ['es.a', '$JS.API.STREAM.PURGE.EVENTS', '$JS.API.STREAM.INFO.OTHERS']) {
    const outcome: unknown = await connection
      .request(subject, '', { timeout: 2_000 })
      .catch((error: unknown) => error);
    expect(outcome).toMatchObject({ code: 'PERMISSIONS_VIOLATION' });
  }
  await connection.close();
});
