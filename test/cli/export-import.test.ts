import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NewEvent, type RecordedEvent, type SluiceClient } from '../../src/client/client';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway';
import { infoNow } from '../support/info-now';
import { startNats, until } from '../support/nats-server';
import { startTcpRelay } from '../support/tcp-relay';
import { linesOf, startCommandGateway, type CommandGateway } from './gateway-commands';
import { startSluice, type SluiceProcess } from './process';

const folder = mkdtempSync(join(tmpdir(), 'sluice-export-'));
const path = (name: string): string => join(folder, name);
let source: CommandGateway;

beforeAll(async () => {
  source = await startCommandGateway();
  await fill(source.client);
});
afterAll(async () => {
  await source[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const noControls = { controls: 0, placeholders: 0, erased: 0 };
const text = (bytes: number): string => 'ü'.repeat(bytes / 2);
const manyCommits = 600;
/** At the end, so that an export still runs when it is interrupted. */
const largeCommits = 6;

/** Commits of one and of many events, with every field that an event can have; some are larger than one message. */
async function fill(client: SluiceClient): Promise<void> {
  const rich: NewEvent = {
    type: 'Rich "quoted"',
    id: 'rich-1',
    data: 'line\nfeed \u2028 \u0000 \ufeff € 𝄞',
    contentType: 'text/plain',
    correlationId: 'c-1',
    causationId: 'k-1',
    tags: ['b', 'a', 'b'],
    metadata: new Map([
      ['__proto__', 'kept'],
      ['k', ''],
    ]),
  };
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  await client.append('order.1', [rich, { type: 'Bare' }, { type: 'Empty', data: '' }]);
  await client.append('order.2', [
    { type: 'Bytes', data: bytes },
    { type: 'NoBytes', data: new Uint8Array(0) },
  ]);
  await client.append('order.1', [{ type: 'Again', id: 'again' }]);
  await client.append(
    'large.1',
    Array.from({ length: 4 }, () => ({ type: 'Large', data: text(600_000) })),
  );
  await client.append(
    'wide.1',
    Array.from({ length: 2_000 }, (_, i) => ({ type: 'Wide', data: String(i) })),
  );
  await client.appendMulti([
    { stream: 'transfer.1', events: [{ type: 'Moved' }, { type: 'Moved' }] },
    { stream: 'transfer.2', events: [{ type: 'Moved', data: 'together' }] },
  ]);
  const session = client.appendSession();
  for (let i = 0; i < manyCommits; i++) {
    await session.ready();
    void session.append(`many.${i % 10}`, [{ type: 'Many', data: text(1_000) }]);
  }
  await session.close();
  for (let i = 0; i < largeCommits; i++) {
    await client.append(
      'last.1',
      Array.from({ length: 4 }, () => ({ type: 'Large', data: text(600_000) })),
    );
  }
}

/** What must be the same after an import: all fields except position and time, and where commits begin. */
async function contentOf(
  { client }: Pick<CommandGateway, 'client'>,
  patterns: string[] = [],
): Promise<unknown[]> {
  const content: unknown[] = [];
  let last: RecordedEvent | undefined;
  for await (const event of client.readAll({ patterns })) {
    const { position, commitTime, commitTimeNanos, metadata, data, ...rest } = event;
    expect(commitTime.getTime()).toBe(Number(commitTimeNanos / 1_000_000n));
    const payload = typeof data === 'object' ? [...data] : data;
    content.push({ ...rest, payload, metadata: [...metadata].sort(), begins: position !== last?.position });
    last = event;
  }
  return content;
}

const isComplete = (file: string): boolean =>
  /\n\{"end":\{.*\}\}\n$/.test(readFileSync(file, 'utf8').slice(-500));

test('an export that is imported into an empty store gives the same events, order and commits', async () => {
  await using target = await startCommandGateway();
  const file = path('whole.ndjson');
  const { code, stdout, stderr } = await source.run(['export', '--output', file]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  const content = await contentOf(source);
  const commits = 6 + manyCommits + largeCommits;
  expect(stderr).toBe(`exported ${content.length} events in ${commits} commits\n`);
  expect(await target.json(['import', file])).toEqual([
    { commits, events: content.length, replayed: 0, ...noControls },
  ]);
  expect(await contentOf(target)).toEqual(content);
  // Once more: nothing is stored twice.
  expect(await target.json(['import', file])).toEqual([
    { commits, events: content.length, replayed: commits, ...noControls },
  ]);
  expect((await infoNow(target.client)).store?.position).toBe((await infoNow(source.client)).store?.position);
  // A complete export is not overwritten.
  const refusal = await source.run(['export', '--output', file]);
  expect(refusal).toEqual({
    code: 1,
    stdout: '',
    stderr: `sluice: ${file} is already a complete export; remove it, or name another file\n`,
  });
}, 120_000);

test('streams by pattern, through a pipe', async () => {
  await using target = await startCommandGateway();
  const exported = await source.output(['export', 'order.*', 'large.>']);
  const [header, ...rest] = linesOf(exported);
  expect(header).toMatchObject({ sluiceExport: 2, store: 'EVENTS', patterns: ['order.*', 'large.>'] });
  expect(rest.map(({ stream, firstVersion }) => [stream, firstVersion])).toEqual([
    ['order.1', '1'],
    ['order.2', '1'],
    ['order.1', '4'],
    ['large.1', '1'],
    [undefined, undefined],
  ]);
  expect(rest.at(-1)).toMatchObject({ end: { commits: 4, events: 10 } });
  await target.output(['import', '-'], exported);
  expect(await contentOf(target)).toEqual(await contentOf(source, ['order.*', 'large.>']));
  // A conflict: the stream has other events.
  const foreign = exported.replaceAll('"again"', '"other"');
  const { code, stderr } = await target.run(['import', '-'], foreign);
  expect(code).toBe(3);
  expect(stderr).toContain('sluice: stored 2 commits;');
  expect(stderr).toContain('stream order.1 is at version 4, not at the expected 3');
});

test('an empty store has an export too', async () => {
  await using target = await startCommandGateway();
  const exported = await target.output(['export']);
  expect(linesOf(exported).at(-1)).toMatchObject({ end: { commits: 0, events: 0 } });
  expect(await target.output(['import', '-'], exported)).toBe('imported 0 events in 0 commits\n');
});

describe('an interrupted export', () => {
  const whole = path('reference.ndjson');
  beforeAll(() => source.output(['export', '--output', whole]));

  test.each(['SIGKILL', 'SIGINT'] as const)('by %s is completed and then the same', async (signal) => {
    const file = path(`${signal}.ndjson`);
    await using exporting = await source.start(['export', '--output', file]);
    await until(() => existsSync(file) && statSync(file).size > 0);
    exporting.signal(signal);
    expect(await exporting.ended()).toBe(signal === 'SIGINT' ? 130 : signal);
    expect(isComplete(file)).toBe(false);
    await source.output(['export', '--output', file]);
    expect(readFileSync(file).equals(readFileSync(whole))).toBe(true);
  });

  const lines = (): string[] => readFileSync(whole, 'utf8').split('\n');
  test.each<[string, () => string]>([
    ['in its header', () => lines()[0]?.slice(0, 5) ?? ''],
    ['after its header', () => `${lines()[0] ?? ''}\n`],
    ['within a commit', () => `${lines().slice(0, 3).join('\n')}\n${lines()[3]?.slice(0, 50) ?? ''}`],
    ['before its trailer', () => `${lines().slice(0, -2).join('\n')}\n`],
    ['in its trailer', () => lines().slice(0, -1).join('\n').slice(0, -1)],
  ])('truncated %s is completed and then the same', async (name, content) => {
    const file = path(`${name}.ndjson`);
    writeFileSync(file, content());
    // Events that were stored after the export began do not belong to it.
    await source.client.append('later.1', [{ type: 'Later' }]);
    await source.output(['export', '--output', file]);
    // Without a commit, there is nothing to continue.
    if (name.endsWith('its header')) expect(isComplete(file)).toBe(true);
    else expect(readFileSync(file).equals(readFileSync(whole))).toBe(true);
  });

  test('is not completed with other patterns, from another store, or in another file', async () => {
    const begun = path('begun.ndjson');
    const content = `${lines().slice(0, 3).join('\n')}\n`;
    writeFileSync(begun, content);
    const refused = async (gateway: CommandGateway, args: string[]): Promise<string> => {
      const { code, stderr } = await gateway.run(['export', ...args]);
      expect(code).toBe(1);
      return stderr;
    };
    expect(await refused(source, ['order.*', '--output', begun])).toContain(
      'begun with other patterns: (all streams)',
    );
    await using other = await startCommandGateway();
    await other.client.append('order.1', [{ type: 'A' }]);
    await other.client.append('order.1', [{ type: 'A' }]);
    expect(await refused(other, ['--output', begun])).toContain(
      'the positions of the request belong to store',
    );
    expect(readFileSync(begun, 'utf8')).toBe(content);
    for (const foreign of ['notes', 'notes\n', '{"a":1}\n']) {
      const notes = path('notes.txt');
      writeFileSync(notes, foreign);
      expect(await refused(source, ['--output', notes])).toMatch(/not an export of Sluice|not JSON/);
      expect(readFileSync(notes, 'utf8')).toBe(foreign);
    }
  });
});

describe('the file of an export', () => {
  const modeOf = (file: string): number => statSync(file).mode & 0o777;

  test('can be read only by its owner, even if it was begun with another mode', async () => {
    const [fresh, begun] = [path('fresh.ndjson'), path('open-to-all.ndjson')];
    await source.output(['export', 'order.*', '--output', fresh]);
    expect(modeOf(fresh)).toBe(0o600);
    writeFileSync(begun, '{"slui', { mode: 0o644 });
    await source.output(['export', 'order.*', '--output', begun]);
    expect(modeOf(begun)).toBe(0o600);
    expect(isComplete(begun)).toBe(true);
  });

  test('is never reached through a link, and must be a regular file', async () => {
    const [target, missing] = [path('target'), path('missing')];
    writeFileSync(target, '', { mode: 0o644 });
    const links = ['to-file', 'to-nothing', 'hard'].map(path) as [string, string, string];
    symlinkSync(target, links[0]);
    symlinkSync(missing, links[1]);
    linkSync(target, links[2]);
    for (const [file, words] of [
      [links[0], 'is a symbolic link'],
      [links[1], 'is a symbolic link'],
      [links[2], 'has several hard links'],
      ['/dev/null', 'is not a regular file'],
    ] as const) {
      const { code, stderr } = await source.run(['export', '--output', file]);
      expect(code).toBe(1);
      expect(stderr).toContain(`sluice: ${file} ${words}`);
    }
    expect(existsSync(missing)).toBe(false);
    expect({ size: statSync(target).size, mode: modeOf(target) }).toEqual({ size: 0, mode: 0o644 });
  });
});

describe('an import', () => {
  const patterns = ['order.*', 'many.*', 'transfer.*', 'last.*', 'wide.*'];
  const commits = 3 + 1 + manyCommits + 1 + largeCommits;
  const file = path('import.ndjson');
  let content: unknown[];
  beforeAll(async () => {
    await source.output(['export', ...patterns, '--output', file]);
    content = await contentOf(source, patterns);
  });
  const positionOf = async ({ client }: CommandGateway): Promise<bigint> =>
    (await client.serverInfo()).store?.position ?? 0n;

  test.each(['SIGKILL', 'SIGINT'] as const)(
    'that was ended by %s is repeated',
    async (signal) => {
      await using target = await startCommandGateway();
      await using importing = await target.start(['import', file]);
      await until(async () => (await positionOf(target)) > 10n);
      importing.signal(signal);
      expect(await importing.ended()).toBe(signal === 'SIGINT' ? 130 : signal);
      expect(await target.json(['import', file])).toMatchObject([{ commits }]);
      expect(await contentOf(target)).toEqual(content);
    },
    120_000,
  );

  test('does not wait for each response', async () => {
    await using target = await startCommandGateway();
    const delayMs = 25;
    await using relay = await startTcpRelay(Number(target.address.split(':').at(-1)), delayMs);
    const small = path('small.ndjson');
    await source.output(['export', 'many.*', '--output', small]);
    const beganMs = Date.now();
    await target.output(['import', small, '--address', relay.address]);
    expect(Date.now() - beganMs).toBeLessThan((manyCommits * 2 * delayMs) / 2);
    expect(await contentOf(target)).toEqual(await contentOf(source, ['many.*']));
  }, 120_000);

  test('continues when responses are lost', async () => {
    await using target = await startCommandGateway();
    await using relay = await startTcpRelay(Number(target.address.split(':').at(-1)));
    const importing = target.json(['import', file, '--address', relay.address]);
    for (const position of [5n, 100n, 300n]) {
      await until(async () => (await positionOf(target)) > position);
      relay.cut();
    }
    expect(await importing).toMatchObject([{ commits }]);
    expect(await contentOf(target)).toEqual(content);
  }, 120_000);

  test('stores nothing after a commit that cannot be stored, and names its line', async () => {
    await using target = await startCommandGateway();
    const exported = readFileSync(file, 'utf8');
    const line = exported.split('\n').findIndex((text) => text.includes('"stream":"many.7"')) + 1;
    await target.client.append('many.7', [{ type: 'Foreign' }]);
    const { code, stderr } = await target.run(['import', '-'], exported);
    expect(code).toBe(3);
    // A header, and the line itself.
    expect(stderr).toContain(`sluice: stored ${line - 2} commits;`);
    expect(stderr).toContain(`sluice: line ${line}: stream many.7 is at version 1, not at the expected 0`);
    const [, ...imported] = await contentOf(target);
    const first = content.findIndex((event) => (event as { stream: string }).stream === 'many.7');
    expect(imported).toEqual(content.slice(0, first));
  }, 120_000);

  test('that loses its gateway by SIGKILL, or its store, can be repeated with the same result', async () => {
    await using nats = await startNats();
    const start = (gateway: GatewayProcess): Promise<SluiceProcess> =>
      startSluice(['import', file, '--address', gateway.address, '--json']);
    const reached = async ({ client }: GatewayProcess, position: bigint): Promise<void> =>
      until(async () => ((await client.serverInfo()).store?.position ?? 0n) > position, 30_000);
    for (const position of [5n, 150n]) {
      await using gateway = await startGatewayProcess([nats.url]);
      await using importing = await start(gateway);
      await reached(gateway, position);
      gateway.process.signal('SIGKILL');
      expect([4, 5]).toContain(await importing.ended());
      expect(importing.stderr()).toMatch(/^sluice: line \d+: the gateway at /m);
    }
    await using gateway = await startGatewayProcess([nats.url]);
    await using importing = await start(gateway);
    await reached(gateway, 350n);
    await nats.kill();
    expect([4, 5]).toContain(await importing.ended());
    await nats.start();
    using client = connect(gateway.address);
    await until(async () => (await client.serverInfo().catch(() => undefined))?.store !== undefined, 30_000);
    await using last = await start(gateway);
    expect(await last.ended()).toBe(0);
    expect(linesOf(last.stdout())).toMatchObject([{ commits }]);
    expect(await contentOf({ client })).toEqual(content);
  }, 120_000);
});

describe('a changed file is refused before anything is stored', () => {
  let target: CommandGateway;
  let lines: string[];
  beforeAll(async () => {
    target = await startCommandGateway();
    lines = (await source.output(['export', 'order.*'])).trimEnd().split('\n');
  });
  afterAll(() => target[Symbol.asyncDispose]());

  const changed = 'its counts or checksum do not match the';
  test.each<[string, () => string, string]>([
    ['truncated before the trailer', () => `${lines.slice(0, -1).join('\n')}\n`, 'the file is truncated'],
    ['truncated within a line', () => lines.join('\n').slice(0, -200), 'the file is truncated'],
    ['without its last line feed', () => lines.join('\n'), 'the file is truncated'],
    ['empty', () => '', 'the file is truncated'],
    ['another payload', () => `${lines.join('\n').replace('feed', 'food')}\n`, changed],
    ['a commit missing', () => `${lines.filter((_, i) => i !== 2).join('\n')}\n`, changed],
    [
      'commits in another order',
      () => `${[lines[0], lines[2], lines[1], ...lines.slice(3)].join('\n')}\n`,
      'line 3: the file is damaged',
    ],
    [
      'more after its trailer',
      () => `${lines.join('\n')}\n${lines[1] ?? ''}\n`,
      'it continues after its trailer',
    ],
    ['not JSON', () => `${lines.join('\n').replace('"events"', 'events')}\n`, 'line 2: not JSON'],
    ['not an export', () => '{"type":"A"}\n', 'this is not an export of Sluice'],
    ['a later format', () => `${lines.join('\n').replace(':2,', ':3,')}\n`, 'format 3 is unknown'],
  ])('%s', async (name, content, message) => {
    const file = path(`damaged ${name}`);
    writeFileSync(file, content());
    const { code, stdout, stderr } = await target.run(['import', file]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
    expect((await infoNow(target.client)).store?.position).toBe(0n);
  });

  test('an export of format 1, which has no controls, is imported', async () => {
    await using own = await startCommandGateway();
    const [header = '', ...commits] = lines.slice(0, -1);
    const before = [header.replace('"sluiceExport":2', '"sluiceExport":1'), ...commits, ''].join('\n');
    const sha256 = createHash('sha256').update(before).digest('hex');
    const end = { commits: commits.length, events: 6, sha256 };
    writeFileSync(path('format-1'), `${before}${JSON.stringify({ end })}\n`);
    expect(await own.json(['import', path('format-1')])).toMatchObject([{ commits: 3, events: 6 }]);
    const copy = (await own.output(['export', 'order.*'])).trimEnd().split('\n');
    const stored = (all: readonly string[]): unknown[] =>
      linesOf(`${all.slice(1, -1).join('\n')}\n`).map(({ stream, firstVersion, events }) => [
        stream,
        firstVersion,
        events,
      ]);
    expect(stored(copy)).toEqual(stored(lines));
  });

  test('a missing file, or a truncated one through a pipe', async () => {
    expect((await target.run(['import', path('missing')])).stderr).toContain('ENOENT');
    const { code, stderr } = await target.run(['import', '-'], `${lines.slice(0, 2).join('\n')}\n`);
    expect(code).toBe(1);
    expect(stderr).toContain('sluice: stored 1 commit;');
    expect(stderr).toContain('the file is truncated');
    appendFileSync(path('rest'), `${lines.join('\n')}\n`);
    expect(await target.json(['import', path('rest')])).toMatchObject([{ commits: 3, replayed: 1 }]);
  });
});
