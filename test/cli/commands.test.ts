import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { commands } from '../../src/cli/run';
import { buildOnce } from '../support/build';
import { makeAuthority } from '../support/certificates';
import { startTestGateway } from '../support/gateway';
import { freePorts } from '../support/free-ports';
import { startNats } from '../support/nats-server';
import { haveOpenssl } from '../support/tools';
import { startCommandGateway, type CommandGateway } from './gateway-commands';
import { runSluice } from './process';

const folder = mkdtempSync(join(tmpdir(), 'sluice-commands-'));
let gateway: CommandGateway;
beforeAll(async () => {
  gateway = await startCommandGateway();
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}){1}(\d{3}){0,2}Z$/) as string;

describe('append and read', () => {
  test('an event with every field is read as it was appended', async () => {
    const stream = 'full.1';
    const options = [
      ...['--type', 'Placed', '--data', '{"a":"ü\\n"}', '--content-type', 'application/json', '--id', 'e-1'],
      ...['--correlation-id', 'c-1', '--causation-id', 'k-1', '--tag', 'x', '--tag', 'y', '--tag', 'x'],
      ...['--metadata', 'user=ada', '--metadata', 'formula=a=b', '--expected-version', '0'],
    ];
    const [appended] = await gateway.json(['append', stream, ...options]);
    expect(appended).toEqual({
      stream,
      version: '1',
      firstVersion: '1',
      position: expect.stringMatching(/^\d+$/) as string,
      commitId: expect.stringMatching(uuid) as string,
    });
    expect(await gateway.json(['read', stream])).toEqual([
      {
        id: 'e-1',
        stream,
        version: '1',
        type: 'Placed',
        text: '{"a":"ü\\n"}',
        contentType: 'application/json',
        correlationId: 'c-1',
        causationId: 'k-1',
        tags: ['x', 'y', 'x'],
        metadata: { user: 'ada', formula: 'a=b' },
        position: appended?.['position'],
        commitTime: time,
      },
    ]);
  });

  test('a file is text, or bytes with --binary; "-" is standard input', async () => {
    const file = join(folder, 'payload');
    const bytes = Buffer.from([0, 255, 10, 128]);
    writeFileSync(file, bytes);
    const append = ['append', 'file.1', '--type', 'Scanned', '--data-file'];
    expect(await gateway.run([...append, file])).toMatchObject({
      code: 1,
      stderr: `sluice: ${file} is not UTF-8 text; use --binary to store bytes\n`,
    });
    await gateway.output([...append, file, '--binary']);
    await gateway.output([...append, '-'], '\ufeffgrüße\n');
    const [binary, text] = await gateway.json(['read', 'file.1']);
    expect(binary).toMatchObject({ binary: bytes.toString('base64') });
    expect(text).toMatchObject({ text: '\ufeffgrüße\n' });
    const rows = (await gateway.output(['read', 'file.1'])).trimEnd().split('\n');
    expect(rows.map((row) => row.split('\t').slice(2))).toEqual([
      ['file.1', '1', 'Scanned', '<4 bytes: 00ff0a80>'],
      ['file.1', '2', 'Scanned', '\ufeffgrüße\\n'],
    ]);
  });

  test('events on standard input are one commit, and the output of read can be appended', async () => {
    const events = [
      { type: 'A', id: 'a', text: '', metadata: { ['__proto__']: 'kept', 1: 'one' } },
      { type: 'B', id: 'b', binary: '', tags: ['t'], correlationId: 'all' },
      { type: 'C', id: 'c', causationId: 'b' },
    ];
    const input = events.map((event) => `${JSON.stringify(event)}\n`).join('\n');
    await gateway.output(['append', 'many.1', '--expected-version=0'], input);
    const read = await gateway.json(['read', 'many.1']);
    expect(new Set(read.map(({ position }) => position)).size).toBe(1);
    expect(read.map(({ text, binary }) => [text, binary])).toEqual([
      ['', undefined],
      [undefined, ''],
      [undefined, undefined],
    ]);
    expect(Object.entries(read[0]?.['metadata'] as object)).toEqual([
      ['1', 'one'],
      ['__proto__', 'kept'],
    ]);
    // The last line needs no line feed.
    await gateway.output(
      ['append', 'many.2'],
      (await gateway.output(['read', 'many.1', '--json'])).trimEnd(),
    );
    const without = ({ stream, position, commitTime, ...rest }: Record<string, unknown>): unknown => {
      expect([stream, position, commitTime]).not.toContain(undefined);
      return rest;
    };
    expect((await gateway.json(['read', 'many.2'])).map(without)).toEqual(read.map(without));
  });

  test.each([
    ['{"type":"A"}\n{"tpye":"B"}', 'line 2 of standard input: unknown field tpye; did you mean type?'],
    ['{"type":"A"', 'line 1 of standard input: not JSON: '],
    ['{"text":"A"}', 'line 1 of standard input: type is required'],
    ['{"type":7}', 'line 1 of standard input: type must be a string'],
    ['{"type":"A","text":"","binary":""}', 'line 1 of standard input: an event has either text or binary'],
    ['{"type":"A","binary":"#"}', 'line 1 of standard input: binary is not base64'],
    ['{"type":"A","text":"\\ud800"}', 'line 1 of standard input: text is not Unicode text'],
    ['[]', 'line 1 of standard input: an event must be a JSON object'],
    ['\n', 'standard input contains no events'],
  ])('input that is not an event stores nothing: %s', async (input, message) => {
    const { code, stdout, stderr } = await gateway.run(['append', 'refused.1'], input);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`sluice: ${message}`);
    expect((await gateway.client.getVersion('refused.1')).version).toBe(0n);
  });

  test('ranges, types, counts and both directions', async () => {
    const input = ['A', 'B', 'A', 'B', 'A'].map((type) => JSON.stringify({ type })).join('\n');
    await gateway.output(['append', 'range.1'], input);
    const versions = async (...args: string[]): Promise<unknown[]> =>
      (await gateway.json(['read', 'range.1', ...args])).map(({ version }) => Number(version));
    expect(await versions('--from', '2', '--to', '4')).toEqual([2, 3, 4]);
    expect(await versions('--reverse', '--from=4', '--max-count=2')).toEqual([4, 3]);
    expect(await versions('--type', 'A')).toEqual([1, 3, 5]);
    expect(await versions('--type', 'A', '--type', 'B', '--max-count', '0')).toEqual([]);
    expect(await gateway.output(['read', 'range.2'])).toBe('');
  });

  test('control characters of a payload do not reach the terminal', async () => {
    await gateway.output(['append', 'control.1', '--type', 'A', '--data', '\u001b[2J\ttab\u009b\u202e']);
    const shown = await gateway.output(['read', 'control.1']);
    expect(shown).toContain('\t\\u001b[2J\\ttab\\u009b\\u202e\n');
  });
});

test('version, streams and correlation', async () => {
  for (const [stream, id] of [
    ['list.b', 'one'],
    ['list.a', 'one'],
    ['list.c', 'other'],
  ] as const) {
    await gateway.output(['append', stream, '--type', 'A', '--correlation-id', id]);
  }
  expect(await gateway.output(['version', 'list.a'])).toBe('1\n');
  expect(await gateway.output(['version', 'list.none'])).toBe('0\n');
  const [head] = await gateway.json(['version', 'list.a']);
  expect(head).toMatchObject({ stream: 'list.a', version: '1', commitTime: time });
  const names = async (...args: string[]): Promise<unknown[]> =>
    (await gateway.json(['streams', ...args])).map(({ stream }) => stream);
  expect(await names('list.*')).toEqual(['list.a', 'list.b', 'list.c']);
  expect(await names('list.*', '--after', 'list.a', '--max-count', '1')).toEqual(['list.b']);
  const row = `list.a\t1\t${String(head?.['position'])}\t${String(head?.['commitTime'])}\n`;
  expect(await gateway.output(['streams', 'list.a'])).toBe(row);
  const [appended] = await gateway.json(['append', 'list.d', '--type', 'B', '--id', 'in-commit']);
  expect(await gateway.json(['commit', String(appended?.['commitId'])])).toMatchObject([
    { id: 'in-commit', stream: 'list.d' },
  ]);
  const unknown = '0190f3a1-0000-7000-8000-000000000009';
  expect(await gateway.run(['commit', unknown])).toEqual({
    code: 0,
    stdout: '',
    stderr: `sluice: no commit with the id ${unknown} was found\n`,
  });
  const correlated = await gateway.json(['correlation', 'one']);
  expect(correlated.map(({ stream }) => stream)).toEqual(['list.b', 'list.a']);
  expect(await gateway.json(['correlation', 'one', '--max-count', '1'])).toHaveLength(1);
  expect(await gateway.output(['correlation', 'nobody'])).toBe('');
});

describe('exit codes', () => {
  test('3 for a conflict, which stores nothing, but not for a repeated commit id', async () => {
    const append = ['append', 'conflict.1', '--type', 'A', '--id', 'a'];
    const commit = ['--expected-version', '0', '--commit-id', '7f8f3c0e-52a2-4d3c-9c7b-0a3d5a9d1c11'];
    await gateway.output([...append, ...commit]);
    expect(await gateway.run([...append, '--expected-version', '0'])).toEqual({
      code: 3,
      stdout: '',
      stderr: 'sluice: stream conflict.1 is at version 1, not at the expected 0\n',
    });
    expect(await gateway.json([...append, ...commit])).toMatchObject([{ version: '1', replayed: true }]);
    expect(await gateway.run([...append, '--dry-run', '--expected-version', '0'])).toMatchObject({ code: 3 });
    expect(await gateway.output([...append, '--dry-run', '--expected-version', '1'])).toBe(
      'conflict.1 would be at version 2; nothing was stored\n',
    );
    const absent = ['append', 'conflict.3', '--type', 'A', '--expected-version', 'exists'];
    expect(await gateway.run(absent)).toMatchObject({
      code: 3,
      stderr: 'sluice: stream conflict.3 is at version 0, but must exist\n',
    });
    const reuse = ['append', 'conflict.2', '--type', 'A', ...commit];
    expect((await gateway.run(reuse)).code).toBe(3);
    expect(await gateway.output(['version', 'conflict.1'])).toBe('1\n');
    await gateway.output([...append, '--expected-version=exists']);
    expect(await gateway.output(['version', 'conflict.1'])).toBe('2\n');
  });

  test('4 without a gateway, in bounded time, for tail as well', async () => {
    const [port] = await freePorts(1);
    const address = `--address=127.0.0.1:${String(port)}`;
    for (const command of [['read', 'a'], ['version', 'a'], ['tail'], ['doctor']]) {
      const { code, stdout, stderr } = await gateway.run([...command, address]);
      expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
      expect(stderr).toContain(`sluice: the gateway at 127.0.0.1:${String(port)} cannot be reached: `);
    }
  });

  test('4 when NATS hangs for longer than --timeout', async () => {
    await using own = await startCommandGateway();
    own.nats.pause();
    const { code, stderr } = await own.run(['version', 'a', '--timeout', '0.5']);
    own.nats.resume();
    expect(code).toBe(4);
    expect(stderr).toMatch(/^sluice: .*deadline/i);
  });

  test.each([
    [['apend', 'a'], 'sluice: unknown command apend; did you mean append?\nsee sluice --help\n'],
    [['read', 'a', '--jsn'], 'sluice: unknown option --jsn; did you mean --json?\nsee sluice read --help\n'],
    [
      ['version', 'a', '--timeout', '0'],
      'sluice: --timeout must be a number of seconds above 0; found "0"\n',
    ],
    [['version', 'a', '--tls-key', 'k'], 'sluice: --tls-cert and --tls-key need each other\n'],
  ])('2 for %j', async (args, stderr) => {
    expect(await gateway.run(args)).toEqual({ code: 2, stdout: '', stderr });
  });

  test('2 for a request that the gateway refuses as invalid', async () => {
    const { code, stdout, stderr } = await gateway.run(['version', 'a b']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('sluice: stream: is not 1 to 16 tokens');
  });

  test('0 if the reader of the output closes it, without a message', async () => {
    const input = Array.from({ length: 5_000 }, () => JSON.stringify({ type: 'A', text: 'x'.repeat(100) }));
    await gateway.output(['append', 'pipe.1'], input.join('\n'));
    const line = '("$NODE" "$MAIN" read pipe.1; echo "code $?" >&2) | head -n 1';
    const { stdout, stderr } = await promisify(execFile)('sh', ['-c', line], {
      env: { NODE: process.execPath, MAIN: await buildOnce(), SLUICE_ADDRESS: gateway.address },
    });
    expect(stdout.split('\t').slice(2, 5)).toEqual(['pipe.1', '1', 'A']);
    expect(stderr).toBe('code 0\n');
  });
});

test('every command has a help text, in lines that fit a terminal', async () => {
  const overview = (await gateway.run(['--help'])).stdout;
  expect((await gateway.run(['serve', '--help'])).stdout).toBe(overview);
  for (const { name, summary, options } of commands) {
    expect(overview).toContain(`  ${name.padEnd(12)} ${summary}\n`);
    const { code, stdout, stderr } = await gateway.run([name, '--nonsense', '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const option of Object.keys(options)) expect(stdout).toMatch(new RegExp(`^  --${option}\\b`, 'm'));
    expect(stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
  }
});

test('serve is the default command, and ignores SLUICE_ADDRESS', async () => {
  const { code, stdout } = await gateway.run(['serve', '--print-config']);
  expect(code).toBe(0);
  expect(stdout).toContain('SLUICE_LISTEN=127.0.0.1:50051');
  expect(stdout).not.toContain('SLUICE_ADDRESS');
  expect((await gateway.run(['serve', '--lisen=x'])).stderr).toContain('did you mean --listen?');
});

(haveOpenssl() ? test : test.skip)('over mutual TLS', async () => {
  using authority = await makeAuthority();
  const { ca } = authority;
  const [server, client] = [await authority.issue('gateway'), await authority.issue('client')];
  await using nats = await startNats();
  const flags = [`--tls-cert=${server.cert}`, `--tls-key=${server.key}`, `--tls-client-ca=${ca}`];
  await using secure = await startTestGateway([nats.url], flags);
  const identity = [`--tls-cert=${client.cert}`, `--tls-key=${client.key}`];
  const version = (...args: string[]) => runSluice(['version', 'a', `--address=${secure.address}`, ...args]);
  const trusted = [`--tls-ca=${ca}`, ...identity];
  // By address and by name, and without a warning of Node.js.
  expect(await version(...trusted)).toEqual({ code: 0, stdout: '0\n', stderr: '' });
  const byName = `--address=${secure.address.replace('127.0.0.1', 'localhost')}`;
  expect(await runSluice(['version', 'a', byName, ...trusted])).toMatchObject({ code: 0, stderr: '' });
  expect((await version(`--tls-ca=${ca}`)).code).toBe(4);
  expect((await version('--tls')).code).toBe(4);
  expect(await version('--tls-ca=missing.pem')).toMatchObject({ code: 1, stdout: '' });
  expect(readFileSync(ca, 'utf8')).toContain('CERTIFICATE');
});
