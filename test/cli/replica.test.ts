import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { newEvents } from '../support/attempts';
import { startGatewayProcess, startTestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import { refusedStart, runSluice } from './process';

/** `sluice replica`, and folders that a gateway cannot use. */

let nats: TestNats;
beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats[Symbol.asyncDispose]());

async function filled(): Promise<string> {
  const folder = makeReplicaDir();
  await using gateway = await startTestGateway([nats.url], [`--replica-dir=${folder}`]);
  for (let i = 0; i < 20; i++)
    await gateway.client.append({ stream: `s.${i % 3}`, events: newEvents(2, 300) });
  await gateway.client.readAll();
  return folder;
}

test('verify reads every record; rebuild removes the records, and the next start builds them again', async () => {
  const folder = await filled();
  const whole = await runSluice(['replica', 'verify', folder]);
  expect(whole).toMatchObject({ code: 0, stderr: '' });
  expect(whole.stdout).toMatch(
    /^the replica is intact: it has the log up to position \d+, \d+ records with \d+ bytes\n$/,
  );
  const [name = ''] = readdirSync(join(folder, 'segments'));
  const path = join(folder, 'segments', name);
  const bytes = readFileSync(path);
  bytes[200] = (bytes[200] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  expect(await runSluice(['replica', 'verify', folder])).toEqual({
    code: 1,
    stdout: '',
    stderr: 'sluice: a record does not have its checksum\n',
  });
  expect((await runSluice(['replica', 'rebuild', folder])).code).toBe(0);
  expect(existsSync(path)).toBe(false);
  expect(await runSluice(['replica', 'verify', folder])).toMatchObject({ code: 1 });
  await using gateway = await startTestGateway([nats.url], [`--replica-dir=${folder}`]);
  expect((await gateway.client.readStream({ stream: 's.1' })).events.length).toBeGreaterThan(0);
});

test('a folder that a gateway uses is not touched', async () => {
  const folder = await filled();
  await using gateway = await startGatewayProcess([nats.url], [`--replica-dir=${folder}`]);
  for (const verb of ['verify', 'rebuild']) {
    const { code, stderr } = await runSluice(['replica', verb, folder]);
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: expect.stringContaining(
        `the folder of the replica ${folder} is in use by another gateway`,
      ) as unknown,
    });
  }
  const flags = ['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, `--replica-dir=${folder}`];
  const second = await refusedStart(flags);
  expect(second.code).toBe(3);
  expect(second.stderr).toContain('in use by another gateway');
  expect((await gateway.client.readAll()).events.length).toBeGreaterThan(0);
}, 60_000);

test('a folder that cannot be created is reported with its path', async () => {
  const file = join(makeReplicaDir(), 'file');
  writeFileSync(file, '');
  const flags = ['--listen=127.0.0.1:0', `--nats-url=${nats.url}`, `--replica-dir=${join(file, 'replica')}`];
  const { code, stderr } = await refusedStart(flags);
  expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining(file) as unknown });
});

test('a folder that does not exist is reported with its path', async () => {
  const file = join(makeReplicaDir(), 'file');
  writeFileSync(file, '');
  for (const path of [`${file}-none`, file, join(file, 'replica')]) {
    for (const verb of ['verify', 'rebuild']) {
      const stderr = `sluice: the folder ${path} does not exist\n`;
      expect(await runSluice(['replica', verb, path])).toEqual({ code: 2, stdout: '', stderr });
    }
  }
});

test('other files in the folder stay when the replica is removed', async () => {
  const folder = makeReplicaDir();
  const others = ['index/page.html', 'segments/notes.txt', 'segments/12.seg'].map((name) =>
    join(folder, name),
  );
  for (const path of others) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, 'mine');
  }
  const flags = [`--replica-dir=${folder}`];
  {
    await using gateway = await startTestGateway([nats.url], flags);
    await gateway.client.append({ stream: 'others.1', events: newEvents(1) });
    await gateway.client.readAll();
  }
  expect(await runSluice(['replica', 'verify', folder])).toMatchObject({ code: 0 });
  expect(await runSluice(['replica', 'rebuild', folder])).toMatchObject({ code: 0 });
  expect(await runSluice(['replica', 'verify', folder])).toMatchObject({ code: 1 });
  for (const path of others) expect(readFileSync(path, 'utf8')).toBe('mine');
  await using gateway = await startTestGateway([nats.url], flags);
  expect((await gateway.client.readStream({ stream: 'others.1' })).events).toHaveLength(1);
});

test('invalid arguments', async () => {
  for (const args of [[], ['verify'], ['verify', ''], ['look', '.'], ['verify', '.', 'more']])
    expect((await runSluice(['replica', ...args])).code).toBe(2);
  expect((await runSluice(['replica', '--help'])).stdout).toContain('sluice replica verify FOLDER');
});
