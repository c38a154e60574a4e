import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { status } from '@grpc/grpc-js';
import { failureWith, startGuardedServer, type GuardedServer } from '../client/guarded-server';
import { startGuarded, type GuardedGateway, type PrincipalEntry } from '../support/access';
import { buildOnce } from '../support/build';
import { until } from '../support/nats-server';
import type { RpcFailure } from '../support/rpc-failure';
import { runSluice, startSluice } from './process';

/** The token of the commands, against a server of grpc-js that wants one. */

const folder = mkdtempSync(join(tmpdir(), 'sluice-token-file-'));
const file = join(folder, 'token');
let server: GuardedServer;
beforeAll(async () => {
  server = await startGuardedServer(['good']);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  server.cause = 'invalid';
  server.seen.length = 0;
  server.failures.length = 0;
  writeFileSync(file, 'good\n');
});

type Ended = Awaited<ReturnType<typeof runSluice>>;

function version(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return runSluice(['version', 's', ...args], { SLUICE_ADDRESS: server.address, ...env });
}

test('a token comes from --token-file, or else from SLUICE_TOKEN_FILE', async () => {
  expect(await version([`--token-file=${file}`])).toMatchObject({ code: 0, stdout: '1\n' });
  expect(await version([], { SLUICE_TOKEN_FILE: file })).toMatchObject({ code: 0 });
  const env = { SLUICE_TOKEN_FILE: join(folder, 'no-such-file') };
  expect(await version([`--token-file=${file}`], env)).toMatchObject({ code: 0 });
  expect(server.seen).toEqual(Array.from({ length: 3 }, () => 'Bearer good'));
});

test('the exit code is 6 without a token, and with one that is refused or not granted', async () => {
  server.cause = 'missing';
  expect(await version([])).toMatchObject({
    code: 6,
    stderr: 'sluice: UNAUTHENTICATED; a token comes from --token-file or SLUICE_TOKEN_FILE\n',
  });
  server.cause = 'expired';
  writeFileSync(file, 'bad');
  expect(await version([`--token-file=${file}`])).toMatchObject({
    code: 6,
    stderr: 'sluice: UNAUTHENTICATED\n',
  });
  writeFileSync(file, 'good');
  const facts = { action: 'read', stream: 's' };
  server.failures.push(failureWith(status.PERMISSION_DENIED, 'ACCESS_DENIED', facts));
  expect(await version([`--token-file=${file}`])).toMatchObject({ code: 6 });
});

test('a file that cannot be used is named, and its text is not', async () => {
  const missing = join(folder, 'no-such-file');
  const { code, stderr } = await version([`--token-file=${missing}`]);
  expect(code).toBe(6);
  expect(stderr).toContain(`there is no token: ENOENT: no such file or directory, open '${missing}'`);
  writeFileSync(file, 'two words');
  const bad = await version([`--token-file=${file}`]);
  expect(bad).toMatchObject({ code: 6, stderr: expect.not.stringContaining('two words') as string });
  expect(server.seen).toEqual([]);
});

test('the exit code is 4 where a quota is used up', async () => {
  const exceeded = failureWith(status.RESOURCE_EXHAUSTED, 'QUOTA_EXCEEDED', { limit: 'lookups' }, 100);
  server.failures.push(exceeded);
  expect(await version([`--token-file=${file}`])).toMatchObject({ code: 4 });
});

test('a token does not leave the machine in plain text', async () => {
  expect(await version([`--token-file=${file}`, '--address=gateway.example.com'])).toMatchObject({
    code: 2,
    stderr: 'sluice: --tls is missing: a token is not sent to gateway.example.com:50051 in plain text\n',
  });
});

test('tail reads the file again when its token has expired, and misses nothing', async () => {
  const second: PrincipalEntry = { grants: [{ actions: ['append', 'subscribe'], streams: ['>'] }] };
  await using guarded = await startGuarded({ first: second, second });
  const writer = guarded.as('second');
  writeFileSync(file, guarded.file.tokenOf('first'));
  await using tail = await startSluice(
    ['tail', '--from=0', '--max-count=3', `--token-file=${file}`, '--address', guarded.gateway.address],
    {},
  );
  await writer.append({ stream: 'a', events: [{ type: 'Before' }] });
  await until(() => tail.stdout() !== '');
  writeFileSync(file, guarded.file.tokenOf('second'));
  await expire('first', second, guarded);
  await writer.append({ stream: 'a', events: [{ type: 'After' }, { type: 'Last' }] });
  expect(await tail.ended()).toBe(0);
  const rows = tail.stdout().trimEnd().split('\n');
  expect(rows.map((row) => row.split('\t')[4])).toEqual(['Before', 'After', 'Last']);
  expect(tail.stderr()).toBe('');
}, 60_000);

/** Lets the token of a principal expire, beside one that stays; resolves when the gateway does not accept it any more. */
async function expire(name: string, second: PrincipalEntry, guarded: GuardedGateway): Promise<void> {
  guarded.file.write({ [name]: { ...second, expires: new Date().toISOString() }, second });
  const client = guarded.as(name);
  await until(async () => {
    const reason = await client.getVersion({ stream: 'none' }).then(
      () => undefined,
      (error: unknown) => (error as RpcFailure).reason,
    );
    return reason === 'UNAUTHENTICATED';
  });
}

test('an import goes on when its token expires', async () => {
  const second: PrincipalEntry = {
    grants: [{ actions: ['append', 'read'], streams: ['>'] }, { actions: ['info'] }],
  };
  await using source = await startGuarded({ second });
  const writer = source.as('second');
  for (let i = 1; i <= 20; i++)
    await writer.append({ stream: `import.${i.toString()}`, events: [{ type: 'Happened' }] });
  writeFileSync(file, source.file.tokenOf('second'));
  const [exported, isExpired] = [join(folder, 'export.ndjson'), join(folder, 'expired')];
  const args = ['export', '--output', exported, `--token-file=${file}`, '--address', source.gateway.address];
  expect(await runSluice(args)).toMatchObject({ code: 0 });

  await using guarded = await startGuarded({ first: second, second });
  writeFileSync(file, guarded.file.tokenOf('first'));
  const wait = 'while [ ! -e "$EXPIRED" ]; do sleep 0.1; done';
  const halves = `(head -n 11 "$FILE"; ${wait}; tail -n +12 "$FILE")`;
  const importing = promisify(execFile)('sh', ['-c', `${halves} | "$NODE" "$MAIN" import -`], {
    env: {
      ...{ NODE: process.execPath, MAIN: await buildOnce(), FILE: exported, EXPIRED: isExpired },
      ...{ SLUICE_ADDRESS: guarded.gateway.address, SLUICE_TOKEN_FILE: file },
    },
  });
  const reader = guarded.as('second');
  await until(async () => (await reader.listStreams()).length === 10);
  await expire('first', second, guarded);
  writeFileSync(file, guarded.file.tokenOf('second'));
  writeFileSync(isExpired, '');
  expect((await importing).stdout).toBe('imported 20 events in 20 commits\n');
}, 60_000);

test('streams and tail leave out what is not granted only with --permitted-only', async () => {
  const owner: PrincipalEntry = { grants: [{ actions: ['append'], streams: ['>'] }] };
  const orders: PrincipalEntry = { grants: [{ actions: ['read', 'subscribe'], streams: ['order.>'] }] };
  await using guarded = await startGuarded({ owner, orders });
  for (const stream of ['bill.1', 'order.1'])
    await guarded.as('owner').append({ stream, events: [{ type: 'Happened' }] });
  writeFileSync(file, guarded.file.tokenOf('orders'));
  const run = (args: readonly string[]): Promise<Ended> =>
    runSluice([...args, `--token-file=${file}`, '--address', guarded.gateway.address]);
  for (const [command, action] of [
    [['streams'], 'read'],
    [['tail', '--from=0', '--max-count=1'], 'subscribe'],
  ] as const) {
    const stderr = `sluice: the caller may not ${action} >\n`;
    expect(await run(command)).toMatchObject({ code: 6, stdout: '', stderr });
    const permitted = await run([...command, '--permitted-only']);
    expect(permitted).toMatchObject({ code: 0, stderr: '' });
    expect(permitted.stdout).toMatch(/^[^\n]*order\.1[^\n]*\n$/);
  }
}, 60_000);

test('serve ignores SLUICE_TOKEN_FILE', async () => {
  const { code, stdout } = await runSluice(['serve', '--print-config'], { SLUICE_TOKEN_FILE: file });
  expect(code).toBe(0);
  expect(stdout).not.toContain('TOKEN_FILE=/');
});

test('a Unix socket is an address', async () => {
  await using local = await startGuardedServer(['good'], `unix:${join(folder, 'gateway.sock')}`);
  const args = [`--token-file=${file}`, `--address=${local.address}`];
  expect(await version(args)).toMatchObject({ code: 0, stdout: '1\n' });
});
