import files, {
  mkdtemp,
  open as openFile,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  type FileHandle,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { defaultLimits } from '../../src/limits';
import { openAudit, type AuditLog } from '../../src/auth/audit';
import { lineBytesMax, toLine, type AuditEntry } from '../../src/auth/audit-entry';
import { openGuard, type Guard } from '../../src/auth/guard';
import { patience } from '../support/patience';

const silent = pino({ level: 'silent' });
let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'sluice-audit-'))));
afterEach(() => jest.restoreAllMocks());
afterEach(() => rm(folder, { recursive: true }));

const entry: AuditEntry = {
  principal: 'corp:alice',
  credential: { kind: 'jwt', id: 'j-1' },
  generation: 3,
  peer: '127.0.0.1:5000',
  call: 'Append',
  action: 'append',
  streams: ['order.1'],
  outcome: 'OK',
};
const denial: AuditEntry = { ...entry, outcome: 'ACCESS_DENIED' };

interface Settings {
  file: string;
  events: 'denied' | 'writes' | 'all';
  when_full: 'drop' | 'refuse';
}

/** A guard whose audit settings change, and the problem that the audit log reported last. */
function guardWith(first: Settings | undefined): {
  guard: Guard;
  change: (next: Settings | undefined) => void;
  reported: () => string | undefined;
} {
  let audit = first;
  let problem: string | undefined;
  const listeners: (() => void)[] = [];
  return {
    guard: {
      ...openGuard,
      get audit() {
        return audit;
      },
      onChange: (listener) => listeners.push(listener),
      reportAudit: (reported) => (problem = reported),
    },
    reported: () => problem,
    change(next) {
      audit = next;
      for (const listener of listeners) listener();
    },
  };
}

function settings(change: Partial<Settings> = {}): Settings {
  return { file: join(folder, 'audit.jsonl'), events: 'writes', when_full: 'drop', ...change };
}

function open(change: Partial<Settings> = {}, limits: Partial<typeof defaultLimits> = {}): Promise<AuditLog> {
  return openAudit(guardWith(settings(change)).guard, { ...defaultLimits, ...limits }, silent);
}

async function lines(file = 'audit.jsonl'): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(folder, file), 'utf8');
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('an entry is one line of JSON', async () => {
  const audit = await open();
  audit.appended({ ...entry, streams: ['a', 'b'], commitId: 'c-1', position: 7n }, 0);
  await audit.close();
  const [line] = await lines();
  expect(line).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
    generation: 3,
    principal: 'corp:alice',
    credential: { kind: 'jwt', id: 'j-1' },
    peer: '127.0.0.1:5000',
    call: 'Append',
    action: 'append',
    streams: ['a', 'b'],
    stream_count: 2,
    commit_id: 'c-1',
    position: '7',
    outcome: 'OK',
  });
});

test('only its owner may read the file, and what is in it stays', async () => {
  const first = await open();
  first.appended(entry, 0);
  await first.close();
  const second = await open();
  second.appended(entry, 0);
  await second.close();
  expect((await stat(join(folder, 'audit.jsonl'))).mode & 0o777).toBe(0o600);
  expect(await lines()).toHaveLength(2);
});

test('a line names some streams and counts all of them, and no text can break out of it', () => {
  const streams = Array.from({ length: 100 }, (_, number) => `order.${number}`);
  const credential = { kind: 'jwt', id: '"}\n{"principal":"corp:bob' } as const;
  const text = toLine({ ...entry, streams, credential });
  expect(text.indexOf('\n')).toBe(text.length - 1);
  expect(JSON.parse(text)).toMatchObject({
    stream_count: 100,
    credential: { id: '?}?{?principal?:?corp:bob' },
  });
  expect((JSON.parse(text) as { streams: unknown[] }).streams).toHaveLength(16);
});

test('no line about an append is longer than what is kept for it', () => {
  const longest: AuditEntry = {
    principal: `${'p'.repeat(64)}:${'é'.repeat(500)}`,
    credential: { kind: 'certificate', id: '"'.repeat(5_000) },
    generation: Number.MAX_SAFE_INTEGER,
    peer: `${'f'.repeat(45)}%${'e'.repeat(300)}:65535`,
    call: 'AppendSession',
    action: 'append',
    phase: 'begun',
    streams: Array.from({ length: 100 }, () => 's'.repeat(200)),
    commitId: '0'.repeat(36),
    position: 2n ** 64n - 1n,
    outcome: 'DEADLINE_EXCEEDED',
    limit: 'new_streams_per_s',
  };
  expect(toLine(longest).length).toBeLessThanOrEqual(lineBytesMax(longest.streams));
  expect(Buffer.byteLength(toLine(longest))).toBe(toLine(longest).length);
});

test.each([
  ['denied', [false, false, true]],
  ['writes', [true, false, true]],
  ['all', [true, true, true]],
] as const)('events %s', async (events, recorded) => {
  const audit = await open({ events });
  expect([audit.hasWrites, audit.hasReads]).toEqual(recorded.slice(0, 2));
  audit.appended({ ...entry, call: 'Append' }, 0);
  audit.record({ ...entry, call: 'ReadAll', phase: 'begun' });
  audit.denied({ ...denial, call: 'Subscribe' });
  await audit.close();
  const calls = (await lines()).map(({ call }) => call);
  expect(calls).toEqual(['Append', 'ReadAll', 'Subscribe'].filter((_, index) => recorded[index]));
});

test('lines come in the order of their entries', async () => {
  const audit = await open();
  for (let number = 0; number < 5_000; number++) {
    audit.appended({ ...entry, position: BigInt(number) }, 0);
    if (number % 500 === 0) await sleep(1);
  }
  await audit.close();
  expect((await lines()).map(({ position }) => Number(position))).toEqual(
    Array.from({ length: 5_000 }, (_, number) => number),
  );
});

test('repeated denials are counted together, others are not', async () => {
  const audit = await open({ events: 'denied' }, { auditDenialsWindowMs: 200 });
  for (let again = 0; again < 1_000; again++) {
    audit.denied({ ...denial, peer: `127.0.0.1:${again}` });
    audit.denied({ ...denial, principal: 'corp:bob' });
  }
  await sleep(400);
  audit.denied(denial);
  await audit.close();
  expect((await lines()).map(({ principal, count }) => [principal, count])).toEqual([
    ['corp:alice', undefined],
    ['corp:bob', undefined],
    ['corp:alice', 999],
    ['corp:bob', 999],
    ['corp:alice', undefined],
  ]);
});

test('a caller that is refused for ever more streams adds few lines', async () => {
  const audit = await open({ events: 'denied' });
  for (let number = 0; number < 50_000; number++) audit.denied({ ...denial, streams: [`order.${number}`] });
  await audit.close();
  const all = await lines();
  expect(all).toHaveLength(1_001);
  expect(all.at(-1)).toMatchObject({ further_denials: 49_000 });
});

test('drop: what does not fit is counted, and a line says so', async () => {
  const audit = await open({}, { auditBytesMax: 10_000 });
  for (let number = 0; number < 1_000; number++) audit.appended(entry, 0);
  await sleep(100);
  audit.appended(entry, 0);
  await audit.close();
  const all = await lines();
  const dropped = all.flatMap((line) => (typeof line['dropped'] === 'number' ? [line['dropped']] : []));
  expect(dropped).toHaveLength(1);
  expect(dropped[0]).toBeGreaterThan(900);
  expect(all.length - 1 + (dropped[0] ?? 0)).toBe(1_001);
});

test('refuse: an append is let in only while there is room for its line', async () => {
  const audit = await open({ when_full: 'refuse' }, { auditBytesMax: 10_000 });
  const reserved: number[] = [];
  for (;;) {
    const bytes = audit.reserve(entry.streams);
    if (bytes === undefined) break;
    reserved.push(bytes);
  }
  expect(reserved.length).toBe(Math.floor(10_000 / lineBytesMax(entry.streams)));
  for (const bytes of reserved) audit.appended(entry, bytes);
  await sleep(100);
  expect(audit.reserve(entry.streams)).toBeGreaterThan(0);
  await audit.close();
  expect(await lines()).toHaveLength(reserved.length);
});

test('refuse: denials leave half of the room to appends', async () => {
  const audit = await open({ when_full: 'refuse' }, { auditBytesMax: 20_000 });
  for (let number = 0; number < 1_000; number++) audit.denied({ ...denial, streams: [`order.${number}`] });
  for (let append = 0; append < 5; append++) {
    const reserved = audit.reserve(entry.streams);
    expect(reserved).toBeGreaterThan(0);
    audit.appended(entry, reserved ?? 0);
  }
  await audit.close();
  expect((await lines()).filter(({ outcome }) => outcome === 'OK')).toHaveLength(5);
});

test('a file that was renamed is continued under its name after it is opened again', async () => {
  const audit = await open();
  for (let number = 0; number < 1_000; number++) {
    audit.appended({ ...entry, position: BigInt(number) }, 0);
    if (number === 500) {
      await rename(join(folder, 'audit.jsonl'), join(folder, 'audit.1'));
      await audit.reopen();
    }
    if (number % 100 === 0) await sleep(1);
  }
  await audit.close();
  const [before, after] = [await lines('audit.1'), await lines()];
  expect(before.length).toBeGreaterThan(0);
  expect(after.length).toBeGreaterThan(0);
  expect([...before, ...after].map(({ position }) => Number(position))).toEqual(
    Array.from({ length: 1_000 }, (_, number) => number),
  );
});

test('a file that cannot be opened: an error at first, later the one before goes on', async () => {
  const missing = join(folder, 'missing', 'audit.jsonl');
  await expect(
    openAudit(guardWith(settings({ file: missing })).guard, defaultLimits, silent),
  ).rejects.toThrow(/ENOENT/);
  const { guard, change, reported } = guardWith(settings());
  const audit = await openAudit(guard, defaultLimits, silent);
  change(settings({ file: missing, events: 'denied' }));
  await audit.reopen();
  expect(reported()).toMatch(/^the audit log goes on as before: .*ENOENT/);
  audit.appended(entry, 0);
  await until(async () => (await lines()).length === 1);
  change(settings({ file: join(folder, 'other.jsonl') }));
  await audit.reopen();
  audit.appended({ ...entry, principal: 'corp:bob' }, 0);
  expect(reported()).toBeUndefined();
  change(undefined);
  await audit.reopen();
  expect(audit.hasWrites).toBe(false);
  audit.appended(entry, 0);
  await audit.close();
  expect((await lines()).map(({ principal }) => principal)).toEqual(['corp:alice']);
  expect((await lines('other.jsonl')).map(({ principal }) => principal)).toEqual(['corp:bob']);
});

test.each([
  ['nothing', false],
  ['drop', true],
])('refuse after %s: no append is let in until the file can be opened', async (_before, isOpen) => {
  const { guard, change, reported } = guardWith(isOpen ? settings() : undefined);
  const audit = await openAudit(guard, defaultLimits, silent);
  expect(audit.reserve(entry.streams)).toBe(0);
  change(settings({ file: join(folder, 'later', 'audit.jsonl'), when_full: 'refuse' }));
  // At once, not when the file turns out to be missing.
  expect([audit.hasWrites, audit.reserve(entry.streams)]).toEqual([true, undefined]);
  await audit.reopen();
  expect([audit.hasWrites, audit.reserve(entry.streams)]).toEqual([true, undefined]);
  expect(reported()).toMatch(/^appends are refused until the audit log can be opened: .*ENOENT/);

  await mkdir(join(folder, 'later'));
  await audit.reopen();
  expect(reported()).toBeUndefined();
  const reserved = audit.reserve(entry.streams) ?? 0;
  expect(reserved).toBeGreaterThan(0);
  audit.appended(entry, reserved);
  await audit.close();
  expect(await lines('later/audit.jsonl')).toHaveLength(1);
});

test('refuse after refuse: a file that cannot be opened leaves the one before, in which nothing is missing', async () => {
  const { guard, change } = guardWith(settings({ when_full: 'refuse' }));
  const audit = await openAudit(guard, defaultLimits, silent);
  change(settings({ file: join(folder, 'missing', 'audit.jsonl'), when_full: 'refuse' }));
  await audit.reopen();
  const reserved = audit.reserve(entry.streams) ?? 0;
  expect(reserved).toBeGreaterThan(0);
  audit.appended(entry, reserved);
  await audit.close();
  expect(await lines()).toHaveLength(1);
});

test('an append that was let in gets its line, although the next settings do not record appends', async () => {
  const { guard, change } = guardWith(settings({ when_full: 'refuse' }));
  const audit = await openAudit(guard, defaultLimits, silent);
  const reserved = audit.reserve(entry.streams) ?? 0;
  change(settings({ events: 'denied', when_full: 'refuse' }));
  await audit.reopen();
  expect(audit.hasWrites).toBe(false);
  audit.appended(entry, reserved);
  await audit.close();
  expect(await lines()).toHaveLength(1);
});

test('after its end, nothing opens a file again', async () => {
  const { guard, change } = guardWith(settings());
  const audit = await openAudit(guard, defaultLimits, silent);
  await audit.close();
  change(settings({ file: join(folder, 'other.jsonl') }));
  await audit.reopen();
  await expect(stat(join(folder, 'other.jsonl'))).rejects.toThrow('ENOENT');
});

test('without settings nothing is recorded and nothing is refused', async () => {
  const audit = await openAudit(openGuard, defaultLimits, silent);
  expect([audit.hasWrites, audit.hasReads, audit.reserve(['a'])]).toEqual([false, false, 0]);
  audit.denied(denial);
  audit.record(entry);
  audit.appended(entry, 0);
  await audit.close();
});

describe('a disk that is full', () => {
  /** The name of the file leads to a device on which no byte has space. */
  beforeEach(() => symlink('/dev/full', join(folder, 'audit.jsonl')));

  async function makeSpace(audit: AuditLog): Promise<void> {
    await rm(join(folder, 'audit.jsonl'));
    await audit.reopen();
  }

  test('drop: what fits into memory is written once there is space', async () => {
    const audit = await open();
    for (let number = 0; number < 100; number++) audit.appended({ ...entry, position: BigInt(number) }, 0);
    await sleep(100);
    await makeSpace(audit);
    await until(async () => (await readFile(join(folder, 'audit.jsonl'), 'utf8')).split('\n').length === 101);
    await audit.close();
    expect((await lines()).map(({ position }) => Number(position))).toEqual(
      Array.from({ length: 100 }, (_, number) => number),
    );
  });

  test('refuse: no append is let in, although there is room in memory', async () => {
    const audit = await open({ when_full: 'refuse' });
    const reserved = audit.reserve(entry.streams);
    audit.appended(entry, reserved ?? 0);
    await until(() => audit.reserve(entry.streams) === undefined);
    await makeSpace(audit);
    await until(() => audit.reserve(entry.streams) !== undefined);
    await audit.close();
    expect(await lines()).toHaveLength(1);
  });

  test('what waits goes to the file of the next settings, which count at once', async () => {
    const { guard, change } = guardWith(settings({ when_full: 'refuse' }));
    const audit = await openAudit(guard, defaultLimits, silent);
    audit.appended(entry, audit.reserve(entry.streams) ?? 0);
    await until(() => audit.reserve(entry.streams) === undefined);
    change(settings({ file: join(folder, 'other.jsonl'), events: 'all', when_full: 'refuse' }));
    await audit.reopen();
    expect(audit.hasReads).toBe(true);
    await until(() => audit.reserve(entry.streams) !== undefined);
    await audit.close();
    expect(await lines('other.jsonl')).toHaveLength(1);
  });

  test('the next settings do not wait for the end of a log that is not wanted any more', async () => {
    const { guard, change } = guardWith(settings());
    const audit = await openAudit(guard, defaultLimits, silent);
    audit.appended(entry, 0);
    await sleep(100);
    change(undefined);
    change(settings({ file: join(folder, 'other.jsonl'), when_full: 'refuse' }));
    const beganAt = performance.now();
    await audit.reopen();
    expect(audit.reserve(entry.streams)).toBeGreaterThan(0);
    expect(performance.now() - beganAt).toBeLessThan(2_000 * patience);
    await audit.close();
  }, 15_000);

  test('is reported once, and does not delay a stop for ever', async () => {
    const messages: string[] = [];
    const log = pino(
      {},
      { write: (line: string) => messages.push((JSON.parse(line) as { msg: string }).msg) },
    );
    const audit = await openAudit(guardWith(settings()).guard, defaultLimits, log);
    audit.appended(entry, 0);
    await sleep(2_500);
    audit.appended(entry, 0);
    await audit.close();
    expect(messages).toEqual(['the audit log cannot be written', 'lines of the audit log are lost']);
  }, 15_000);
});

test('a line that was written in part is written again as a whole in the next file', async () => {
  const audit = await open();
  audit.appended(entry, 0);
  await until(async () => (await lines()).length === 1);
  await fullAfter(10);
  audit.appended({ ...entry, principal: 'corp:bob' }, 0);
  const { size } = await stat(join(folder, 'audit.jsonl'));
  await until(async () => (await stat(join(folder, 'audit.jsonl'))).size === size + 10);
  await rename(join(folder, 'audit.jsonl'), join(folder, 'audit.1'));
  await audit.reopen();
  await until(async () => (await lines()).length === 1);
  await audit.close();
  expect((await lines())[0]).toMatchObject({ principal: 'corp:bob' });
});

test('a file whose close fails after it was renamed: the lines go on in the next one', async () => {
  failCloseOfNext();
  const audit = await open();
  await rename(join(folder, 'audit.jsonl'), join(folder, 'audit.1'));
  await audit.reopen();
  audit.appended(entry, 0);
  await until(async () => (await lines()).length === 1);
  audit.appended(entry, 0);
  await audit.close();
  expect(await lines()).toHaveLength(2);
});

/** The next file that this process opens is closed with an error. */
function failCloseOfNext(): void {
  const { open: openReally } = files;
  jest.spyOn(files, 'open').mockImplementationOnce(async (...args) => {
    const handle = await openReally(...args);
    const close = handle.close.bind(handle);
    return Object.assign(handle, {
      close: async () => {
        await close();
        throw Object.assign(new Error('i/o error'), { code: 'EIO' });
      },
    });
  });
}

/** The next write of this process to any file gets this many bytes to the disk, the one after it fails, later ones succeed. */
async function fullAfter(bytes: number): Promise<void> {
  const handle = await openFile(join(folder, 'other'), 'a');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  type Write = (this: FileHandle, some: Uint8Array, at: number, length: number) => Promise<unknown>;
  const write = Reflect.get(prototype, 'write') as Write;
  jest
    .spyOn(prototype, 'write')
    .mockImplementationOnce(function (this: FileHandle, some: Uint8Array) {
      return write.call(this, some, 0, bytes);
    } as never)
    .mockRejectedValueOnce(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }));
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const endsAt = Date.now() + 4_000 * patience;
  while (!(await isTrue())) {
    if (Date.now() > endsAt) throw new Error('that did not happen in time');
    await sleep(5);
  }
}
