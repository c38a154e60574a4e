import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { connect, type NatsConnection, type StreamAPI } from 'nats';
import pino, { type Logger } from 'pino';
import { startEmbeddedNats, type EmbeddedOptions, type EmbeddedServer } from '../../src/nats-server/embedded';
import { buildOnce } from '../support/build';
import { freePorts } from '../support/free-ports';
import { until } from '../support/nats-server';
import { natsServerPath } from '../support/tools';

const root = mkdtempSync(join(tmpdir(), 'sluice-embedded-'));
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

const binary = { path: natsServerPath(), version: '2.15.3' };
const store = { name: 'S', prefix: 's' };

function folder(): string {
  return mkdtempSync(join(root, 'data-'));
}

/** A log with readable lines. */
function memoryLog(): { log: Logger; lines: { msg: string; [field: string]: unknown }[] } {
  const lines: { msg: string }[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as { msg: string }) });
  return { log, lines };
}

function start(dataDir: string, more: Partial<EmbeddedOptions> = {}): Promise<EmbeddedServer> {
  return startEmbeddedNats({ dataDir, binary, store, log: memoryLog().log, ...more });
}

async function connected(server: EmbeddedServer): Promise<NatsConnection & AsyncDisposable> {
  const { url, user, password } = server;
  const connection = await connect({ servers: url, user, pass: password, reconnect: false });
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.close() });
}

/** Without the request about the account that the package sends by itself and that a gateway is not permitted to send. */
async function streamsOf(connection: NatsConnection): Promise<StreamAPI> {
  return (await connection.jetstreamManager({ checkAPI: false })).streams;
}

/** For a server that is being restarted. */
async function connectedSoon(server: EmbeddedServer): Promise<NatsConnection & AsyncDisposable> {
  let connection: (NatsConnection & AsyncDisposable) | undefined;
  await until(async () => (connection = await connected(server).catch(() => undefined)) !== undefined);
  return connection as NatsConnection & AsyncDisposable;
}

/** Whether the process exists and is not a zombie. */
function isRunning(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid.toString()}/status`, 'utf8'));
  } catch (error) {
    return existsSync('/proc/self') ? false : (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/** A process with an embedded server, and the pid of the server. It is killed at the latest on disposal. */
async function gatewayProcess(
  dataDir: string,
): Promise<AsyncDisposable & { child: ChildProcess; natsPid: number }> {
  const embedded = join(dirname(await buildOnce()), 'nats-server', 'embedded.js');
  const pinoPath = require.resolve('pino');
  const script = `
    const { startEmbeddedNats } = require(${JSON.stringify(embedded)});
    const log = require(${JSON.stringify(pinoPath)})({ level: 'silent' });
    startEmbeddedNats({ dataDir: ${JSON.stringify(dataDir)}, binary: ${JSON.stringify(binary)}, store: ${JSON.stringify(store)}, log })
      .then((server) => console.log('pid ' + server.pid()), (error) => console.log('error ' + error.message));`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  const natsPid = Number(/^pid (\d+)/.exec(line)?.[1]);
  return {
    child,
    natsPid,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await until(() => !isRunning(natsPid));
    },
  };
}

async function killHard(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

describe('the embedded server', () => {
  test('keeps its data over a stop and a start, in a folder with any name', async () => {
    const dataDir = join(folder(), 'a "quoted" näme \\ $HOME # {x}');
    {
      await using server = await start(dataDir);
      await using connection = await connected(server);
      await (await streamsOf(connection)).add({ name: 'S', subjects: ['s.>'] });
      await connection.jetstream().publish('s.1', 'kept');
    }
    await using server = await start(dataDir);
    await using connection = await connected(server);
    const stored = await (await streamsOf(connection)).getMessage('S', { seq: 1 });
    expect(stored.string()).toBe('kept');
    expect(connection.info?.max_payload).toBe(8 << 20);
  });

  test('listens on loopback only, for its user only, and never shows its password', async () => {
    const { log, lines } = memoryLog();
    await using server = await start(folder(), { log });
    expect(server.url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
    await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow(/authorization/i);
    const wrong = connect({ servers: server.url, user: server.user, pass: 'wrong', reconnect: false });
    await expect(wrong).rejects.toThrow(/authorization/i);
    expect(JSON.stringify(lines)).not.toContain(server.password);
    expect(readFileSync(join(server.dataDir, 'nats.log'), 'utf8')).not.toContain(server.password);
    const ports = readdirSync(join(server.dataDir, 'run')).find((name) => name.endsWith('.ports')) ?? '';
    const listening = JSON.parse(readFileSync(join(server.dataDir, 'run', ports), 'utf8')) as unknown;
    expect(listening).toEqual({ nats: [server.url] });
  });

  test('lets only its user read its configuration, whatever was there before', async () => {
    const dataDir = folder();
    const config = join(dataDir, 'nats.conf');
    const before = [config, `${config}.next`];
    for (const path of before) writeFileSync(path, 'old', { mode: 0o644 });
    // A process that has the old file open must not read the new one.
    const held = before.map((path) => openSync(path, 'r'));
    await using server = await start(dataDir);
    expect(readFileSync(config, 'utf8')).toContain(server.password);
    expect(statSync(config).mode & 0o777).toBe(0o600);
    for (const file of held) {
      expect(readFileSync(file, 'utf8')).toBe('old');
      closeSync(file);
    }
  });

  test('lets its user do what a gateway needs, and nothing else', async () => {
    await using server = await start(folder());
    await using connection = await connected(server);
    await (await streamsOf(connection)).add({ name: 'S', subjects: ['s.>'] });
    for (const subject of ['$JS.API.STREAM.DELETE.S', '$JS.API.STREAM.LIST', '$JS.API.INFO', 'elsewhere']) {
      await expect(connection.request(subject, '', { timeout: 2_000 })).rejects.toMatchObject({
        code: 'PERMISSIONS_VIOLATION',
      });
    }
  });

  test('is restarted on its port with its login when it is killed, and has its stored messages', async () => {
    const { log, lines } = memoryLog();
    await using server = await start(folder(), { log });
    for (let round = 1; round <= 3; round++) {
      await using connection = await connectedSoon(server);
      if (round === 1) await (await streamsOf(connection)).add({ name: 'S', subjects: ['s.>'] });
      expect((await connection.jetstream().publish('s.1')).seq).toBe(round);
      const killed = server.pid() as number;
      process.kill(killed, 'SIGKILL');
      await until(() => server.pid() !== undefined && server.pid() !== killed);
    }
    await using connection = await connectedSoon(server);
    expect((await (await streamsOf(connection)).info('S')).state.last_seq).toBe(3);
    expect(lines.filter(({ end }) => end === 'SIGKILL')).toHaveLength(3);
  });

  test('can be closed while it is down, and more than once', async () => {
    const { log, lines } = memoryLog();
    const server = await start(folder(), { log });
    process.kill(server.pid() as number, 'SIGKILL');
    await until(() => lines.some(({ end }) => end === 'SIGKILL'));
    await Promise.all([server.close(), server.close()]);
    await server.close();
    expect(server.pid()).toBeUndefined();
    expect(existsSync(join(server.dataDir, 'sluice.lock'))).toBe(false);
  });

  test('a start that fails reports the reason of nats-server and leaves nothing behind', async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const dataDir = folder();
    try {
      const { port } = occupant.address() as { port: number };
      await expect(start(dataDir, { port })).rejects.toThrow(
        /ended with exit code 1: .*address already in use/,
      );
    } finally {
      await once(occupant.close(), 'close');
    }
    const missing = { path: join(root, 'missing'), version: '2.15.3' };
    await expect(start(dataDir, { binary: missing })).rejects.toThrow(/exit code 127: .*missing/);
    const never = { path: join(root, 'never-ready'), version: '2.15.3' };
    writeFileSync(never.path, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
    const late = start(dataDir, { binary: never, startTimeoutMs: 200 });
    await expect(late).rejects.toThrow('is not ready after 200 ms');
    expect(existsSync(join(dataDir, 'sluice.lock'))).toBe(false);
    await using server = await start(dataDir);
    expect(isRunning(server.pid())).toBe(true);
  });
});

describe('one folder, one gateway', () => {
  test('a second gateway is refused, with a message that names the folder; the first one is not affected', async () => {
    await using server = await start(folder());
    const link = join(root, 'link');
    symlinkSync(server.dataDir, link);
    await expect(start(server.dataDir)).rejects.toThrow(`the data folder ${server.dataDir} is in use`);
    await expect(start(link)).rejects.toThrow(`the data folder ${server.dataDir} is in use`);
    await using connection = await connected(server);
    await expect((await streamsOf(connection)).info('S')).rejects.toThrow('stream not found');
  });

  test('one of several gateways wins that start at once over the lock of a dead process', async () => {
    const dataDir = folder();
    writeFileSync(join(dataDir, 'sluice.lock'), '{"pid":1');
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => start(dataDir)));
    const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    try {
      expect(won).toHaveLength(1);
      for (const outcome of outcomes)
        if (outcome.status === 'rejected')
          expect(String(outcome.reason)).toContain('is in use by another gateway');
    } finally {
      await Promise.all(won.map(({ value }) => value.close()));
    }
  }, 60_000);

  test('a server is ended and not restarted when another gateway takes over its folder', async () => {
    const { log, lines } = memoryLog();
    await using server = await start(folder(), { log });
    const pid = server.pid();
    writeFileSync(join(server.dataDir, 'sluice.lock'), '{"pid":1,"place":"elsewhere","token":"another"}');
    await until(() => lines.some(({ msg }) => msg.includes('took over the data folder')));
    await until(() => !isRunning(pid) && server.pid() === undefined);
    await server.close();
    expect(readFileSync(join(server.dataDir, 'sluice.lock'), 'utf8')).toContain('another');
  });
});

describe('after a gateway was killed', () => {
  test('its server ends with it, and the folder is free for the next start', async () => {
    const dataDir = folder();
    await using gateway = await gatewayProcess(dataDir);
    expect(isRunning(gateway.natsPid)).toBe(true);
    await expect(start(dataDir)).rejects.toThrow(`the data folder ${dataDir} is in use`);
    await killHard(gateway.child);
    await until(() => !isRunning(gateway.natsPid));
    const { log, lines } = memoryLog();
    await using server = await start(dataDir, { log });
    expect(isRunning(server.pid())).toBe(true);
    // The pid is dead, so the lock need not be watched.
    expect(lines.map(({ msg }) => msg)).toEqual([
      expect.stringContaining('did not stop cleanly'),
      'the embedded nats-server is running',
    ]);
  });

  test('even a frozen server ends with it', async () => {
    await using gateway = await gatewayProcess(folder());
    process.kill(gateway.natsPid, 'SIGSTOP');
    await killHard(gateway.child);
    await until(() => !isRunning(gateway.natsPid));
  });

  test('a server that outlived it is ended first', async () => {
    const dataDir = folder();
    await (await start(dataDir)).close();
    // As if nothing had tied the server to its gateway.
    const config = join(dataDir, 'nats.conf');
    const orphan = spawn(binary.path, ['-c', config], { stdio: 'ignore' });
    const gone = once(orphan, 'exit');
    const pidFile = join(dataDir, 'run', 'nats-server.pid');
    try {
      await until(() => existsSync(pidFile) && readFileSync(pidFile, 'utf8') === String(orphan.pid));
      const { log, lines } = memoryLog();
      await using server = await start(dataDir, { log });
      await gone;
      expect(lines).toContainEqual(expect.objectContaining({ pid: orphan.pid, signal: 'SIGTERM' }));
      await using connection = await connected(server);
      await expect((await streamsOf(connection)).info('S')).rejects.toThrow('stream not found');
    } finally {
      orphan.kill('SIGKILL');
    }
  });

  test('another process that got the pid of its server is left alone, a server of another folder too', async () => {
    const [port] = await freePorts(1);
    const config = join(folder(), 'nats.conf');
    writeFileSync(config, `listen: "127.0.0.1:${String(port)}"`);
    const others = [
      spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }),
      spawn(binary.path, ['-c', config], { stdio: 'ignore' }),
    ];
    try {
      for (const other of others) {
        const dataDir = folder();
        mkdirSync(join(dataDir, 'run'));
        writeFileSync(join(dataDir, 'run', 'nats-server.pid'), String(other.pid));
        await using server = await start(dataDir);
        expect(isRunning(server.pid())).toBe(true);
        expect(isRunning(other.pid)).toBe(true);
      }
    } finally {
      for (const other of others) other.kill('SIGKILL');
    }
  });
});

test('a stream of another store that could not be recovered is not a write error', async () => {
  const dataDir = folder();
  await using server = await start(dataDir);
  const streams = join(dataDir, 'jetstream', '$G', 'streams');
  mkdirSync(join(streams, 'OLD'), { recursive: true });
  mkdirSync(join(streams, store.name));
  expect(await server.writeError()).toBeUndefined();
});
