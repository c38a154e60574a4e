import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  cpSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'nats';
import { runSluice, startSluice, type SluiceProcess } from '../cli/process';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { patience } from '../support/patience';
import { fail, manifestOf, newFolder, succeed } from './commands';

/** Folders that are no place for a backup, backups that are damaged, and stores that exist: refused, and nothing is overwritten. */

let source: TestNats;
let whole: string;
let url: string;
beforeAll(async () => {
  source = await startNats();
  url = `--nats-url=${source.url}`;
  await using gateway = await startTestGateway([source.url]);
  for (let i = 0; i < 40; i++)
    await gateway.client.append({ stream: `order.${(i % 7).toString()}`, events: newEvents(2, 50_000) });
  whole = newFolder();
  await succeed('backup', whole, url);
}, 60_000);
afterAll(() => source[Symbol.asyncDispose]());

/** A copy of the backup to change. */
function copy(): string {
  const folder = newFolder();
  cpSync(whole, folder, { recursive: true });
  return folder;
}

function contentsOf(folder: string): readonly (readonly [string, string])[] {
  return readdirSync(folder).map((name) => [
    name,
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex'),
  ]);
}

describe('the folder of a new backup', () => {
  test('must not have a backup', async () => {
    const before = contentsOf(whole);
    expect(await fail('backup', whole, url)).toBe(`${whole} already has a backup: name a new folder`);
    expect(contentsOf(whole)).toEqual(before);
  });

  test('must not have half a backup', async () => {
    const folder = copy();
    rmSync(join(folder, 'manifest.json'));
    expect(await fail('backup', folder, url)).toContain('has an incomplete backup');
    expect(readdirSync(folder)).toHaveLength(2);
  });

  test('must be empty', async () => {
    const folder = newFolder();
    mkdirSync(folder);
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    expect(await fail('backup', folder, url)).toBe(`${folder} is not empty: name a new folder`);
    expect(readdirSync(folder)).toEqual(['notes.txt']);
  });

  test('must be a folder that can be created', async () => {
    const file = newFolder();
    writeFileSync(file, '');
    expect(await fail('backup', file, url)).toContain(`the folder ${file} cannot be used`);
    expect(await fail('backup', join(file, 'below'), url)).toContain('cannot be used');
  });
});

function smallDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-backup-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    process.stderr.write('SKIPPED: this user may not mount a tmpfs, so there is no small disk to fill up\n');
    return undefined;
  }
}

test('a disk that is too small is reported, and nothing is left on it', async () => {
  const disk = smallDisk();
  if (disk === undefined) return;
  try {
    await using nats = await startNats();
    await using gateway = await startTestGateway([nats.url]);
    for (let i = 0; i < 100; i++)
      await gateway.client.append({ stream: `s.${i.toString()}`, events: newEvents(20) });
    expect(await fail('backup', disk, `--nats-url=${nats.url}`)).toContain('the disk is full');
    expect(readdirSync(disk)).toEqual([]);
  } finally {
    execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  }
});

describe('a backup is not restored', () => {
  let target: TestNats;
  beforeAll(async () => {
    target = await startNats();
  });
  afterAll(() => target[Symbol.asyncDispose]());

  async function refused(folder: string, ...flags: readonly string[]): Promise<string> {
    const message = await fail('restore', folder, `--nats-url=${target.url}`, ...flags);
    expect(await streamsOf(target)).toEqual([]);
    return message;
  }

  test('without its manifest', async () => {
    const folder = copy();
    rmSync(join(folder, 'manifest.json'));
    expect(await refused(folder)).toContain(`${folder} is not a complete backup: it has no manifest.json`);
  });

  test('with half its manifest', async () => {
    const folder = copy();
    const path = join(folder, 'manifest.json');
    writeFileSync(path, readFileSync(path).subarray(0, 300));
    expect(await refused(folder)).toContain('is damaged: it is not a manifest of Sluice');
  });

  test.each(['log.snapshot', 'versions.tsv'])('with a changed byte in %s', async (name) => {
    const folder = copy();
    const path = join(folder, name);
    const bytes = readFileSync(path);
    const at = bytes.length >> 1;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    expect(await refused(folder)).toBe(`the backup is damaged: ${path} does not have its checksum`);
  });

  test('with a changed byte in manifest.json', async () => {
    const folder = copy();
    const path = join(folder, 'manifest.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"position": 40', '"position": 41'));
    expect(await refused(folder)).toContain('is damaged: it does not have its checksum');
  });

  test('with a file that is cut off, or missing', async () => {
    const folder = copy();
    const path = join(folder, 'log.snapshot');
    writeFileSync(path, readFileSync(path).subarray(0, -1));
    expect(await refused(folder)).toMatch(/it has \d+ bytes instead of \d+/);
    rmSync(path);
    expect(await refused(folder)).toContain(path);
  });

  test('of a newer format', async () => {
    const folder = copy();
    const manifest = { ...manifestOf(folder), format: 2 };
    const sha256 = createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ manifest, sha256 }));
    expect(await refused(folder)).toBe(
      'the backup has format 2, and this version of Sluice reads only format 1',
    );
  });

  test('to a store of another name, prefix or number of replicas', async () => {
    expect(await refused(whole, '--store-name=ORDERS')).toContain('give --store-name=EVENTS');
    expect(await refused(whole, '--store-prefix=os')).toContain('give --store-prefix=es');
    const folder = copy();
    const { store, ...about } = manifestOf(folder);
    const manifest = { ...about, store: { ...store, replicas: 3 } };
    const sha256 = createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ manifest, sha256 }));
    expect(await refused(folder)).toContain('has 3 replicas: give --store-replicas=3');
    expect(await refused(folder, '--store-replicas=3')).toContain('replicas > 1 not supported');
  });
});

async function streamsOf({ url: servers }: TestNats): Promise<string[]> {
  const connection = await connect({ servers });
  const manager = await connection.jetstreamManager();
  const names: string[] = [];
  for await (const { config } of manager.streams.list()) names.push(config.name);
  await connection.close();
  return names;
}

test('a store that exists is not overwritten, whether it is the same one or another', async () => {
  const same = await fail('restore', whole, url);
  expect(same).toContain(
    'NATS already has a JetStream stream EVENTS, of the same store: nothing is overwritten',
  );
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  await gateway.client.append({ stream: 'mine', events: newEvents(1) });
  const other = await fail('restore', whole, `--nats-url=${nats.url}`);
  expect(other).toContain('NATS already has a JetStream stream EVENTS, of another store');
  expect((await gateway.client.readAll()).events).toHaveLength(1);
});

test('a message that the server does not take is reported, and nothing is left there', async () => {
  await using nats = await startNats({ maxPayloadBytes: 60_000 });
  const message = await fail('restore', whole, `--nats-url=${nats.url}`);
  expect(message).toContain('message sequence 1 exceeds maximum payload size');
  expect(await streamsOf(nats)).toEqual([]);
});

test.each([
  ['by a signal', 130],
  ['by the end of nats-server', 1],
])(
  'a backup that is interrupted %s leaves nothing',
  async (how, code) => {
    await using nats = await startNats();
    const folder = newFolder();
    await using backup = await beginLargeBackup(nats, folder);
    if (how === 'by a signal') backup.signal('SIGINT');
    else await nats.kill();
    const ended = await backup.ended();
    expect({ ended, stderr: backup.stderr() }).toMatchObject({ ended: code });
    expect(namesIn(folder)).toEqual([]);
  },
  90_000,
);

test('a backup of a server that is silent ends with the signal all the same', async () => {
  await using nats = await startNats();
  const folder = newFolder();
  await using backup = await beginLargeBackup(nats, folder);
  nats.pause();
  // It has taken what was on its way.
  await until(async () => {
    const before = bytesIn(folder);
    await sleep(500);
    return bytesIn(folder) === before;
  });
  const begunMs = performance.now();
  backup.signal('SIGINT');
  expect(await backup.ended()).toBe(130);
  expect(performance.now() - begunMs).toBeLessThan(5_000 * patience);
  expect(namesIn(folder)).toEqual([]);
}, 90_000);

/** Writes 150 MB, and begins a backup, which is under way for a while. */
async function beginLargeBackup(nats: TestNats, folder: string): Promise<SluiceProcess> {
  {
    await using gateway = await startTestGateway([nats.url]);
    for (let i = 0; i < 300; i++)
      await gateway.client.append({ stream: `s.${i.toString()}`, events: newEvents(1, 500_000) });
  }
  const backup = await startSluice(['backup', folder, `--nats-url=${nats.url}`]);
  await until(() => namesIn(folder).includes('log.snapshot'), 20_000);
  return backup;
}

function bytesIn(folder: string): number {
  return namesIn(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

test('the command line is checked before anything is done', async () => {
  const cases: readonly (readonly [string[], string])[] = [
    [['backup'], 'sluice backup needs a folder, before its flags'],
    [['restore', url], 'sluice restore needs a folder'],
    [['backup', newFolder(), 'more'], 'unexpected argument "more"'],
    [['verify', 'more'], 'unexpected argument "more"'],
    [['verify', '--listen=127.0.0.1:1'], '--listen is for serve'],
    [['verify', '--nats-url=http://x'], '--nats-url'],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await runSluice(args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) as unknown });
  }
  expect((await runSluice(['restore', '--help'])).stdout).toContain('sluice restore FOLDER');
});
