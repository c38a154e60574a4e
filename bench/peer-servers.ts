import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { spawnTied, type TiedProcess } from '../src/nats-server/tied-process';
import { version } from '../src/version';
import { freePorts } from '../test/support/free-ports';
import { until } from '../test/support/nats-server';
import { nodeFlags } from '../test/support/node-flags';
import { connectRpc } from '../test/support/rpc-client';
import { natsServerPath } from '../test/support/tools';
import {
  findPostgres,
  installMessageDB,
  installUmaDB,
  messageDBVersion,
  umaDBVersion,
} from './peer-packages';

/** A store in the table of peers, with its own server and data. Every append is on disk before it is acknowledged. */
export interface Peer {
  readonly label: string;
  /** Its description above the table. */
  readonly about: string;
  /** Its name in bench/go/peers. */
  readonly url: string;
  readonly dataDir: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The processor time of its processes so far, in seconds. */
  cpuSeconds(): number;
}

const startTimeoutMs = 60_000;
const stopTimeoutMs = 30_000;

/** `folder` has the compiled `src/main.js`. */
export async function sluicePeer(label: string, folder: string, root: string): Promise<Peer> {
  const [port] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const dataDir = join(root, label.replaceAll(/\W/g, '-'));
  const flags = [`--listen=${address}`, `--data-dir=${dataDir}`, `--nats-server=${natsServerPath()}`];
  // Another build may not know the flag.
  const http = label === 'Sluice' ? ['--http-listen=off'] : [];
  const args = [...nodeFlags, join(folder, 'src', 'main.js'), ...flags, ...http, '--log-level=warn'];
  const about = `${label}: ${label === 'Sluice' ? `${version}, this build` : folder}, with the embedded nats-server`;
  return peer(
    { label, about, url: `sluice://${address}`, dataDir },
    {
      command: [process.execPath, ...args],
      isUp: async () => {
        using client = connectRpc(address);
        await client.serverInfo();
      },
    },
  );
}

export async function umaDBPeer(root: string): Promise<Peer> {
  const umadb = await installUmaDB(root);
  const [port] = await freePorts(1);
  const dataDir = join(root, 'umadb');
  mkdirSync(dataDir);
  const address = `127.0.0.1:${port}`;
  const about = `UmaDB: ${umaDBVersion}, the server of its wheel with its defaults; a stream and a correlation id are tags`;
  return peer(
    { label: 'UmaDB', about, url: `umadb://${address}`, dataDir },
    {
      command: [umadb, '--listen', address, '--db-path', dataDir],
      isUp: () => canConnect(Number(port)),
    },
  );
}

/** PostgreSQL refuses to run as root: for root it runs as the user that Debian creates for it. */
export async function messageDBPeer(root: string): Promise<Peer> {
  const bin = findPostgres();
  const schema = await installMessageDB(root);
  const [port] = await freePorts(1);
  const isRoot = process.getuid?.() === 0;
  const as = isRoot ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : [];
  const dataDir = join(root, 'postgres');
  mkdirSync(dataDir);
  if (isRoot) {
    chmodSync(root, 0o755);
    execFileSync('chown', ['postgres:postgres', dataDir]);
  }
  const run = (command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<unknown> => {
    const [program = '', ...args] = [...as, ...command];
    return promisify(execFile)(program, args, { cwd: root, env: { ...process.env, ...env } });
  };
  await run([join(bin, 'initdb'), '--auth=trust', '--username=postgres', '--pgdata', dataDir]);
  const about =
    `Message DB: ${messageDBVersion} on ${execFileSync(join(bin, 'postgres'), ['--version']).toString().trim()} with its ` +
    'defaults, so with fsync; it keeps no index of correlation ids, and its subscribers poll';
  const url = `postgres://postgres@127.0.0.1:${port}/message_store?search_path=message_store`;
  const server = peer(
    { label: 'Message DB', about, url, dataDir },
    {
      command: [
        ...as,
        join(bin, 'postgres'),
        '-D',
        dataDir,
        '-p',
        String(port),
        '-h',
        '127.0.0.1',
        '-k',
        dataDir,
      ],
      isUp: () => run([join(bin, 'pg_isready'), '-h', '127.0.0.1', '-p', String(port)]).then(() => undefined),
    },
  );
  await server.start();
  const env = { PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: 'postgres' };
  await promisify(execFile)('bash', [join(schema, 'install.sh')], { env: { ...process.env, ...env } });
  await server.stop();
  return server;
}

interface Server {
  readonly command: readonly string[];
  /** Rejects while it is not. */
  readonly isUp: () => Promise<void>;
}

function peer(fields: Pick<Peer, 'label' | 'about' | 'url' | 'dataDir'>, { command, isUp }: Server): Peer {
  let running: TiedProcess | undefined;
  const pids = (): number[] => (running?.pid === undefined ? [] : familyOf(running.pid));
  return {
    ...fields,
    async start() {
      const [program = '', ...args] = command;
      const started = spawnTied(program, args);
      running = started;
      await until(() => {
        if (started.end !== undefined)
          throw new Error(`${fields.label} ended with ${started.end}: ${started.stderrTail()}`);
        return isUp().then(
          () => true,
          () => false,
        );
      }, startTimeoutMs);
    },
    async stop() {
      await running?.stop(stopTimeoutMs);
      running = undefined;
    },
    cpuSeconds: () => pids().reduce((sum, pid) => sum + cpuSecondsOf(pid), 0),
  };
}

function canConnect(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}

/** A process and all its descendants. */
export function familyOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name)) parents.set(Number(name), Number(statOf(Number(name))[1]));
  }
  const family = [pid];
  for (const one of family) for (const [child, parent] of parents) if (parent === one) family.push(child);
  return family;
}

/** The fields of /proc/PID/stat from the third one, the state, on; empty if the process has ended. */
function statOf(pid: number): string[] {
  try {
    return (/\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '').split(' ');
  } catch {
    return [];
  }
}

const ticksPerSecond = 100;

/**
 * The CPU time of the threads that a process has now, to the microsecond, without the time of its children; that of `cpuSecondsOf` where
 * the system has no /proc/PID/task/TID/schedstat.
 */
export function threadSecondsOf(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  try {
    return readdirSync(tasks).reduce((sum, id) => sum + nanosOf(`${tasks}/${id}/schedstat`), 0) / 1e9;
  } catch {
    return cpuSecondsOf(pid);
  }
}

function nanosOf(schedstat: string): number {
  return Number(readFileSync(schedstat, 'utf8').split(' ', 1)[0]);
}

/** In ticks of 10 ms. Includes the time of children that have ended. */
export function cpuSecondsOf(pid: number): number {
  const ticks = statOf(pid).slice(11, 15);
  return ticks.reduce((sum, field) => sum + Number(field), 0) / ticksPerSecond;
}
