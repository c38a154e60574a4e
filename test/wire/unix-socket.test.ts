import { execFile } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectSocket, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { refusedStart, runSluice } from '../cli/process';
import { connect } from '../../src/client/client';
import { startGatewayProcess, startTestGateway } from '../support/gateway';
import { startNats, until, type TestNats } from '../support/nats-server';
import { grpcurlPath, temporaryFolder } from '../support/tools';
import { connectWire, wireFailureOf, type WireMessage } from '../support/wire-client';

const resourceExhausted = 8;
const unavailable = 14;

let nats: TestNats;
let folder: string;
let path: string;

beforeAll(async () => {
  nats = await startNats();
});

afterAll(async () => {
  await nats[Symbol.asyncDispose]();
});

beforeEach(() => {
  folder = mkdtempSync(join(temporaryFolder(), 'socket-'));
  path = join(folder, 'sluice.sock');
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const listen = (): string => `--listen=unix:${path}`;
const isThere = (): boolean => readdirSync(folder).includes('sluice.sock');

/** The permissions of the socket. */
function mode(): string {
  return (lstatSync(path).mode & 0o777).toString(8);
}

test('the client and the commands reach a gateway over its socket', async () => {
  await using gateway = await startTestGateway([nats.url], [listen()]);
  expect(gateway.address).toBe(`unix:${path}`);
  using client = connect(gateway.address);
  expect(await client.append('socket.1', [{ type: 'Fine' }])).toMatchObject({ version: 1n });
  const doctor = await runSluice(['doctor', '--address', gateway.address]);
  expect({ code: doctor.code, stderr: doctor.stderr }).toEqual({ code: 0, stderr: '' });
  const read = await runSluice(['read', 'socket.1', '--json'], { SLUICE_ADDRESS: gateway.address });
  expect(JSON.parse(read.stdout)).toMatchObject({ type: 'Fine', version: '1' });
});

const grpcurl = grpcurlPath();
(grpcurl === undefined ? test.skip : test)('the line that the banner proposes reaches it', async () => {
  await using gateway = await startGatewayProcess([nats.url], [listen()]);
  const banner = gateway.process.stdout();
  expect(banner).toContain(
    `serves gRPC on unix:${path} (plain text).\nAccess control is off: every process of this user may do everything.`,
  );
  const line = /^ {2}grpcurl (.*)$/m.exec(banner)?.[1] ?? '';
  const env = { ...process.env, GRPCURL: grpcurl };
  const { stdout } = await promisify(execFile)('sh', ['-c', `"$GRPCURL" ${line}`], { env });
  expect(JSON.parse(stdout)).toMatchObject({ version: '1' });
});

test('health is served over it', async () => {
  await using gateway = await startTestGateway([nats.url], [listen()]);
  using health = connectWire(gateway.address, { service: 'grpc.health.v1.Health' });
  await until(async () => (await health.unary('Check', {}))['status'] === 'SERVING');
});

test('only its user can ever connect, and it goes when the gateway stops', async () => {
  const before = process.umask(0);
  try {
    const seen = new Set<string>();
    const starting = { isOver: false };
    const watching = (async () => {
      while (!starting.isOver) {
        if (isThere()) seen.add(mode());
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const gateway = await startTestGateway([nats.url], [listen()]);
    starting.isOver = true;
    await watching;
    expect(mode()).toBe('600');
    expect([...seen].filter((one) => one !== '600')).toEqual([]);
    expect(readdirSync(folder)).toEqual(['sluice.sock']);
    await gateway[Symbol.asyncDispose]();
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    process.umask(before);
  }
});

test('a socket that a killed gateway left behind is replaced', async () => {
  await using killed = await startGatewayProcess([nats.url], [listen()]);
  killed.process.signal('SIGKILL');
  await killed.process.ended();
  expect(isThere()).toBe(true);
  await using gateway = await startTestGateway([nats.url], [listen()]);
  using client = connect(gateway.address);
  await client.serverInfo();
});

test('a path where another gateway listens is refused with exit code 4, and the other one serves on', async () => {
  await using gateway = await startTestGateway([nats.url], [listen()]);
  const { code, stderr } = await refusedStart([listen(), `--nats-url=${nats.url}`]);
  expect(code).toBe(4);
  expect(stderr).toContain(`sluice: cannot listen on unix:${path}: another process listens there`);
  using client = connect(gateway.address);
  await client.serverInfo();
  expect(readdirSync(folder)).toEqual(['sluice.sock']);
});

test('what is no socket, or has no folder, is refused with exit code 4 and left alone', async () => {
  writeFileSync(path, 'precious');
  const file = await refusedStart([listen(), `--nats-url=${nats.url}`]);
  expect(file.code).toBe(4);
  expect(file.stderr).toContain(`cannot listen on unix:${path}: it exists and is not a socket`);
  expect(lstatSync(path).isFile()).toBe(true);
  path = join(folder, 'missing', 'sluice.sock');
  const missing = await refusedStart([listen(), `--nats-url=${nats.url}`]);
  expect(missing.code).toBe(4);
  expect(missing.stderr).toMatch(/cannot listen on unix:.*missing.sluice\.sock: ENOENT/);
});

test('a path as long as a setting may have works', async () => {
  const long = join(folder, 'd'.repeat(92 - folder.length - 4), 's');
  expect(long).toHaveLength(91);
  mkdirSync(join(long, '..'));
  path = `${long}s`;
  await using gateway = await startTestGateway([nats.url], [listen()]);
  using client = connect(gateway.address);
  await client.serverInfo();
});

test('the socket of somebody else at the path stays when the gateway stops', async () => {
  const gateway = await startTestGateway([nats.url], [listen()]);
  rmSync(path);
  const other = createServer().listen(path);
  await until(isThere);
  await gateway[Symbol.asyncDispose]();
  expect(isThere()).toBe(true);
  await new Promise((resolve) => other.close(resolve));
});

test('connections over it are bounded each for itself, and all of them learn of a stop', async () => {
  const args = [listen(), '--subscriptions-max=9', '--connection-subscriptions-max=1'];
  const gateway = await startTestGateway([nats.url], args);
  // Opened at the same time, before any of them says what it is.
  const callers = Array.from({ length: 3 }, () => connectWire(gateway.address));
  try {
    const last = callers.map((wire) => {
      const found: { message?: WireMessage; code?: number } = {};
      wire
        .open('Subscribe', { stream: 'socket.1' })
        .on('data', (message: WireMessage) => (found.message = message))
        .on('error', ({ code }: Error & { code: number }) => (found.code = code));
      return found;
    });
    await until(() => last.every(({ message }) => message !== undefined && 'caught_up' in message));
    for (const wire of callers) {
      const failure = await wireFailureOf(wire.stream('Subscribe', { stream: 'socket.2' }));
      expect(failure).toMatchObject({ code: resourceExhausted });
      expect(failure.message).toContain('1 subscriptions of this connection are under way');
    }
    await gateway[Symbol.asyncDispose]();
    expect(last).toEqual(
      last.map(() => ({
        message: expect.objectContaining({ draining: expect.anything() as unknown }) as unknown,
        code: unavailable,
      })),
    );
  } finally {
    for (const wire of callers) wire[Symbol.dispose]();
    await gateway[Symbol.asyncDispose]();
  }
});

test('a connection that says nothing is ended, whichever others come meanwhile', async () => {
  await using gateway = await startTestGateway([nats.url], [listen()], { greetingTimeoutMs: 500 });
  expect(gateway.address).toBe(`unix:${path}`);
  let ended = 0;
  const silent = Array.from({ length: 3 }, () =>
    connectSocket(path)
      .resume()
      .on('close', () => ended++),
  );
  await until(() => ended === silent.length);
});
