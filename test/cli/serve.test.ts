import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect } from 'nats';
import { buildOnce } from '../support/build';
import { freePorts } from '../support/free-ports';
import { startNats, until } from '../support/nats-server';
import { processes } from '../support/one-process';
import { connectRpc } from '../support/rpc-client';
import { grpcurlPath, natsServerPath } from '../support/tools';
import { refusedStart, runSluice, startSluice } from './process';

const anyPort = ['--listen', '127.0.0.1:0'];
const dataDir = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
// Compiling must not count as part of a start.
beforeAll(buildOnce);
afterAll(() => {
  rmSync(dataDir, { recursive: true, force: true });
});

describe('a start that fails', () => {
  test('ends in bounded time with exit code 3 when no NATS answers', async () => {
    const [port] = await freePorts(1);
    const url = `nats://127.0.0.1:${String(port)}`;
    const { code, stdout, stderr } = await runSluice([...anyPort, '--connect-timeout-ms=1000'], {
      SLUICE_NATS_URL: url.replace('//', '//someone:hush@'),
    });
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toContain(`sluice: cannot connect to NATS at ${url}: `);
    expect(stderr).not.toContain('hush');
  }, 30_000);

  test('ends with exit code 3 when the store is set otherwise, naming the field', async () => {
    await using nats = await startNats();
    const connection = await connect({ servers: nats.url });
    const manager = await connection.jetstreamManager();
    await manager.streams.add({ name: 'EVENTS', subjects: ['es.>'], max_age: 1_000_000_000 });
    await connection.close();
    const { code, stderr } = await runSluice([...anyPort, '--nats-url', nats.url]);
    expect(code).toBe(3);
    expect(stderr).toContain('max_age: found 1000000000, needed 0');
  });

  test('ends with exit code 3 when the nats-server to run is not there', async () => {
    const missing = join(dataDir, 'missing');
    const { code, stderr } = await runSluice([...anyPort, '--data-dir', dataDir, '--nats-server', missing]);
    expect(code).toBe(3);
    expect(stderr).toContain(missing);
  });

  test('ends with exit code 4 when the port is in use', async () => {
    await using nats = await startNats();
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    try {
      const { port } = occupant.address() as { port: number };
      const address = `127.0.0.1:${port.toString()}`;
      const { code, stdout, stderr } = await runSluice([
        '--listen',
        address,
        '--nats-url',
        nats.url,
        '--create-store',
      ]);
      expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
      expect(stderr).toMatch(/^sluice: .*EADDRINUSE/m);
      expect(stderr).toContain(address);
    } finally {
      occupant.close();
    }
  });
});

describe('a running gateway', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s stops it and the embedded nats-server, with exit code 0',
    async (signal) => {
      const data = join(dataDir, signal);
      await using sluice = await startSluice([...anyPort, '--data-dir', data], {
        SLUICE_NATS_SERVER: natsServerPath(),
      });
      await sluice.serving();
      expect(sluice.stdout()).toContain(`Events are stored in ${data} by the embedded nats-server`);
      expect(sluice.stdout()).toContain('synced to disk: it survives a crash and a power failure');
      const children = childrenOf(sluice.pid);
      expect(children).toHaveLength(processes); // the nats-server, and workers
      sluice.signal(signal);
      expect(await sluice.ended()).toBe(0);
      await until(() => children.every((pid) => !isRunning(pid)));
      for (const line of sluice.stderr().trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
    },
  );

  const grpcurl = grpcurlPath();
  const withGrpcurl = grpcurl === undefined ? test.skip : test;
  withGrpcurl('the line that the banner proposes appends an event', async () => {
    await using nats = await startNats();
    await using sluice = await startSluice([...anyPort, '--nats-url', nats.url, '--create-store']);
    await sluice.serving();
    expect(sluice.stdout()).toContain(`Events are stored in EVENTS by NATS at ${nats.url}.`);
    const line = /^ {2}grpcurl (.*)$/m.exec(sluice.stdout())?.[1] ?? '';
    const { stdout } = await promisify(execFile)('sh', ['-c', `"$GRPCURL" ${line}`], {
      env: { ...process.env, GRPCURL: grpcurl },
    });
    expect(JSON.parse(stdout)).toMatchObject({ version: '1', position: '1' });
  });

  test('neither SIGHUP nor a closed stderr ends it', async () => {
    await using nats = await startNats();
    await using sluice = await startSluice([...anyPort, '--nats-url', nats.url, '--create-store']);
    const address = await sluice.serving();
    for (let i = 0; i < 3; i++) sluice.signal('SIGHUP');
    const ended = sluice.ended().then((how) => `it ended by ${how}`);
    const noted = until(() => sluice.stderr().includes('SIGHUP: looking at')).then(() => 'it serves');
    expect(await Promise.race([ended, noted])).toBe('it serves');
    sluice.closeStderr();
    for (let i = 0; i < 3; i++) sluice.signal('SIGHUP');
    using client = connectRpc(address);
    for (let i = 0; i < 10; i++) await client.serverInfo();
    sluice.signal('SIGTERM');
    expect(await sluice.ended()).toBe(0);
  });

  test('plain text and no authentication outside loopback need --insecure, and are logged as warnings', async () => {
    await using nats = await startNats();
    const everywhere = ['--listen=0.0.0.0:0', '--nats-url', nats.url];
    const refused = await refusedStart(everywhere);
    expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('accept this with --insecure (SLUICE_INSECURE)');
    const emptied = await refusedStart([...anyPort, '--nats-url', nats.url], {
      SLUICE_TLS_CERT: '',
      SLUICE_TLS_KEY: '',
    });
    expect(emptied).toMatchObject({ code: 2, stdout: '' });
    expect(emptied.stderr).toContain('SLUICE_TLS_KEY is set but empty');
    await using open = await startSluice([
      ...anyPort,
      '--nats-url',
      nats.url,
      '--create-store',
      '--insecure',
    ]);
    await open.serving();
    expect(open.stderr()).toMatch(/"level":40.*plain text by --insecure/);
    expect(open.stderr()).toMatch(/"level":40.*no authentication by --insecure/);
  });

  test('events that are too large for stubs with the defaults of gRPC are logged as a warning', async () => {
    await using nats = await startNats();
    const args = [...anyPort, '--nats-url', nats.url, '--create-store'];
    await using small = await startSluice([...args, '--event-bytes-max=4194304']);
    await small.serving();
    expect(small.stderr()).not.toContain('defaults of gRPC');
    await using large = await startSluice([...args, '--event-bytes-max=4194305']);
    await large.serving();
    expect(large.stderr()).toMatch(/"level":40.*larger than gRPC clients receive by default/);
  });

  test('a second signal ends it at once, even if NATS hangs', async () => {
    await using nats = await startNats();
    await using sluice = await startSluice([...anyPort, '--nats-url', nats.url, '--create-store']);
    await sluice.serving();
    nats.pause();
    sluice.signal('SIGTERM');
    await until(() => sluice.stderr().includes('"stopping'));
    sluice.signal('SIGTERM');
    expect(await sluice.ended()).toBe(128 + 15);
  });
});

function childrenOf(parent: number): number[] {
  const processes = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,comm=']).toString().trim().split('\n');
  return processes
    .map((line) => line.trim().split(/\s+/))
    .filter(([, ppid, command]) => Number(ppid) === parent && command !== 'ps')
    .map(([pid]) => Number(pid));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
