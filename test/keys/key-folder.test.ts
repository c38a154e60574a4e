import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { openKeyFolder } from '../../src/keys/key-folder';
import { readMasterKey } from '../../src/keys/master-key';
import { nameOf } from '../../src/keys/record-store';
import { all, failureOf } from '../client/outcomes';
import type { KeyCall } from '../support/key-worker';

/** A key store in a folder: what is in its files, and processes that end anywhere. */
const base = mkdtempSync(join(tmpdir(), 'sluice-key-folder-'));
afterAll(() => {
  rmSync(base, { recursive: true });
});

let folders = 0;
const newFolder = (): string => join(base, `keys-${(folders++).toString()}`);

function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

/** The files of a folder that have a key in them, as it is or in the form of a record. */
function filesWith(folder: string, key: Uint8Array): string[] {
  const forms = [Buffer.from(key), Buffer.from(key).toString('base64'), Buffer.from(key).toString('hex')];
  return filesIn(folder).filter((file) => forms.some((form) => readFileSync(file).includes(form)));
}

test('its folders and files are for their owner only', async () => {
  const folder = newFolder();
  await using keys = await openKeyFolder(folder);
  await keys.create('customer-42');
  await keys.forget('customer-42');
  await keys.create('customer-42');
  const folderModes = [folder, join(folder, nameOf('customer-42'))].map(
    (path) => statSync(path).mode & 0o777,
  );
  expect(folderModes).toEqual([0o700, 0o700]);
  expect(filesIn(folder).map((file) => statSync(file).mode & 0o777)).toEqual([0o600, 0o600, 0o600]);
});

test('a key that is forgotten is in no file any more, and its number is not given again', async () => {
  const folder = newFolder();
  await using keys = await openKeyFolder(folder);
  const { bytes } = await keys.create('customer-42');
  const file = join(folder, nameOf('customer-42'), '1');
  expect(filesWith(folder, bytes)).toEqual([file]);
  await keys.forget('customer-42');
  expect(filesWith(folder, bytes)).toEqual([]);
  expect(statSync(file).size).toBe(0);
});

test('the file itself is overwritten, not only its name removed', async () => {
  const folder = newFolder();
  await using keys = await openKeyFolder(folder);
  const { bytes } = await keys.create('customer-42');
  const record = join(folder, nameOf('customer-42'), '1');
  const { ino } = statSync(record);
  await keys.forget('customer-42');
  expect(statSync(record).ino).toBe(ino);
  expect(filesWith(folder, bytes)).toEqual([]);
});

test('a key whose forgetting was interrupted is forgotten; what is left of it goes with the next change', async () => {
  const changes = [
    (keys: Awaited<ReturnType<typeof openKeyFolder>>) => keys.forget('customer-42'),
    (keys: Awaited<ReturnType<typeof openKeyFolder>>) => keys.create('customer-42'),
  ];
  for (const change of changes) {
    const folder = newFolder();
    await using keys = await openKeyFolder(folder);
    const { id, bytes } = await keys.create('customer-42');
    const record = join(folder, nameOf('customer-42'), '1');
    copyFileSync(record, join(base, 'copy'));
    await keys.forget('customer-42');
    // As if the process had ended between the two parts.
    copyFileSync(join(base, 'copy'), record);
    expect(await keys.get('customer-42', { fresh: true })).toMatchObject({
      key: undefined,
      forgotten: [{ id }],
    });
    expect(filesWith(folder, bytes)).toEqual([record]);
    await change(keys);
    expect(filesWith(folder, bytes)).toEqual([]);
  }
});

test('others may not read it', async () => {
  const folder = newFolder();
  await using keys = await openKeyFolder(folder);
  await keys.create('customer-42');
  const record = join(folder, nameOf('customer-42'), '1');
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(record, mode);
    expect(await failureOf(keys.get('customer-42'))).toMatchObject({
      code: 'KEY_STORE_UNSAFE',
      message: expect.stringContaining(record) as string,
    });
  }
  for (const mode of [0o750, 0o701]) {
    chmodSync(folder, mode);
    expect(await failureOf(openKeyFolder(folder))).toMatchObject({ code: 'KEY_STORE_UNSAFE' });
  }
});

test('a file that is not a record, a link and a folder that is missing are errors, and never quote a key', async () => {
  const folder = newFolder();
  await using keys = await openKeyFolder(folder);
  const { bytes } = await keys.create('customer-42');
  const key = Buffer.from(bytes).toString('base64');
  const record = join(folder, nameOf('customer-42'), '1');
  const whole = readFileSync(record, 'utf8');
  const wrong = [
    '',
    whole.slice(0, -5),
    `${whole}x`,
    whole.replace('customer-42', 'customer-43'),
    whole.replace('"sluiceKeys":1', '"sluiceKeys":2'),
    whole.replace(key, `${key.slice(0, 20)}=`),
    whole.replace(key, 'AAAA'),
    whole.padEnd(40_000),
  ];
  for (const text of wrong) {
    writeFileSync(record, text);
    const failure = (await failureOf(keys.get('customer-42'))) as Error;
    expect(failure).toMatchObject({ name: 'KeyError', code: 'KEY_STORE_DAMAGED' });
    expect(failure.message).not.toContain(key.slice(0, 20));
    expect(failure.cause).toBeUndefined();
  }
  rmSync(record);
  writeFileSync(join(base, 'elsewhere'), whole, { mode: 0o600 });
  symlinkSync(join(base, 'elsewhere'), record);
  expect(await failureOf(keys.get('customer-42'))).toMatchObject({ code: 'KEY_STORE_UNAVAILABLE' });
  const missing = join(base, 'missing');
  expect(await failureOf(openKeyFolder(missing, { mustExist: true }))).toMatchObject({
    code: 'KEY_STORE_UNAVAILABLE',
    message: expect.stringContaining(missing) as string,
  });
  writeFileSync(join(base, 'file'), '');
  expect(await failureOf(openKeyFolder(join(base, 'file')))).toMatchObject({ name: 'KeyError' });
});

test('what is not a record of the key store does not disturb it', async () => {
  const folder = newFolder();
  await using keys = await openKeyFolder(folder);
  await keys.create('customer-42');
  mkdirSync(join(folder, 'lost+found'));
  writeFileSync(join(folder, nameOf('customer-42'), '.left-over'), 'half');
  writeFileSync(join(folder, nameOf('customer-42'), '2.bak'), 'half');
  expect(await all(keys.list())).toMatchObject([{ subject: 'customer-42' }]);
  await keys.forget('customer-42');
  expect(readdirSync(join(folder, nameOf('customer-42'))).sort()).toEqual(['1', '2', '2.bak']);
});

describe('a master key in a file', () => {
  const file = join(base, 'master.key');
  const bytes = Buffer.from(Array.from({ length: 32 }, (_, index) => index));

  test('is base64 or hexadecimal text', async () => {
    for (const text of [bytes.toString('base64'), `${bytes.toString('hex')}\n`]) {
      writeFileSync(file, text, { mode: 0o600 });
      expect(await readMasterKey(file)).toEqual(bytes);
    }
  });

  test('must be one, and for its owner only', async () => {
    for (const text of [
      '',
      'secret',
      bytes.toString('base64').slice(4),
      bytes.toString('hex').slice(2),
      'x'.repeat(9_999),
    ]) {
      writeFileSync(file, text);
      expect(await failureOf(readMasterKey(file))).toMatchObject({ code: 'KEY_STORE_DAMAGED' });
    }
    writeFileSync(file, bytes.toString('base64'));
    chmodSync(file, 0o640);
    expect(await failureOf(readMasterKey(file))).toMatchObject({ code: 'KEY_STORE_UNSAFE' });
  });
});

describe('processes that create and forget keys, and are killed at any moment', () => {
  const subjects = 6;
  const calls: KeyCall[] = [];
  const problems: string[] = [];
  let folder: string;

  function startWorker(seed: number) {
    const script = join(__dirname, '..', '..', 'scripts', 'run-ts.cjs');
    const worker = join(__dirname, '..', 'support', 'key-worker.ts');
    const args = [script, worker, folder, seed.toString(), subjects.toString(), '--key-worker'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const lines = createInterface(child.stdout);
    // A process that is killed may leave a part of a line.
    lines.on('line', (line) => {
      if (line.endsWith('}')) calls.push(JSON.parse(line) as KeyCall);
    });
    child.stderr.on('data', (chunk: Buffer) => problems.push(chunk.toString()));
    const ended = Promise.all([once(child, 'exit'), once(lines, 'close')]);
    return {
      async kill() {
        child.kill('SIGKILL');
        await ended;
      },
    };
  }

  beforeAll(async () => {
    folder = newFolder();
    let seed = 0;
    const workers = Array.from({ length: 4 }, () => startWorker(++seed));
    for (let kills = 0; kills < 12; kills++) {
      const before = calls.length;
      while (calls.length < before + 60 && problems.length === 0) await sleep(20);
      await sleep(Math.random() * 50);
      await workers.shift()?.kill();
      workers.push(startWorker(++seed));
    }
    for (const worker of workers) await worker.kill();
  }, 120_000);

  test('none fails, and both kinds of calls end', () => {
    expect(problems).toEqual([]);
    expect(new Set(calls.map(({ kind }) => kind)).size).toBe(2);
  });

  test('a key has the same bytes for all, and is never forgotten without being known as forgotten', async () => {
    await using keys = await openKeyFolder(folder);
    const bytesOf = new Map<string, string>();
    for (const { kind, subject, id = '', key = '' } of calls) {
      if (kind !== 'create') continue;
      expect(bytesOf.get(id) ?? key).toBe(key);
      bytesOf.set(id, key);
      const known = await keys.get(subject);
      expect([known?.key?.id, ...(known?.forgotten ?? []).map((one) => one.id)]).toContain(id);
    }
  });

  test('no call that begins after a key was forgotten gets it', () => {
    const forgottenAt = new Map<string, number>();
    for (const { forgotten = [], ended } of calls)
      for (const id of forgotten) forgottenAt.set(id, Math.min(ended, forgottenAt.get(id) ?? Infinity));
    const late = calls.filter(({ id = '', began }) => began > (forgottenAt.get(id) ?? Infinity));
    expect(late).toEqual([]);
    expect(forgottenAt.size).toBeGreaterThan(0);
  });

  test('after all are forgotten, no key is left, whatever the killed processes have left', async () => {
    await using keys = await openKeyFolder(folder);
    for (const { subject } of await all(keys.list())) {
      await keys.create(subject);
      await keys.forget(subject);
    }
    const text = filesIn(folder).map((file) => readFileSync(file, 'utf8'));
    for (const { key } of calls)
      if (key !== undefined) expect(text.some((one) => one.includes(key))).toBe(false);
    expect(text.some((one) => one.includes('secret'))).toBe(false);
  });
});
