import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, NatsError, StorageType } from 'nats';
import { spawnTied, type TiedProcess } from '../../src/nats-server/tied-process';
import { freePorts } from './free-ports';
import { patience } from './patience';
import { natsServerPath } from './tools';

/** A real nats-server with JetStream on loopback, with faults as verbs. It ends with this process at the latest. */
export interface TestNats extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** undefined while it does not run. */
  readonly pid: number | undefined;
  /** Has its configuration `nats.conf`, its log `nats.log` and its store; removed on disposal. */
  readonly dataDir: string;
  /** Freezes it: its connections stay, and it answers nothing. */
  pause(): void;
  resume(): void;
  /** Kills it. */
  kill(): Promise<void>;
  /** Ends it as an operator does. */
  stop(): Promise<void>;
  /** Starts it again on the same port and data after `kill` or `stop`. */
  start(): Promise<void>;
  /** `stop`, then `start`. */
  restart(): Promise<void>;
  /** JSON of the monitoring port, for instance `/jsz?consumers=true` or `/connz`. */
  monitor(path: string): Promise<Record<string, unknown>>;
}

export interface TestNatsOptions {
  /** When it syncs to disk: before an acknowledgement, or every two minutes, which is the default. */
  readonly sync?: 'always' | 'interval';
  /** Default: that of nats-server, 1 MiB. */
  readonly maxPayloadBytes?: number;
  /** Default: a free port. */
  readonly port?: number;
  /** More lines for the configuration file. */
  readonly extraConfig?: string;
  /** More lines for its block of JetStream. */
  readonly jetStreamConfig?: string;
}

/** The network between the nodes of a cluster. */
export interface Routes {
  /** The host:port at which one node reaches another one, which listens on a port on loopback. */
  readonly between: (from: number, to: number, port: number) => Promise<string>;
}

export interface TestClusterOptions extends Omit<TestNatsOptions, 'port'> {
  /** Default: they reach each other directly. */
  readonly routes?: Routes;
}

/** Nodes that form one JetStream cluster. */
export interface TestCluster extends AsyncDisposable {
  readonly nodes: readonly TestNats[];
  readonly urls: readonly string[];
  /** Waits until JetStream has a leader and all nodes are current; needed after a node was started again. */
  settled(): Promise<void>;
}

const startTimeoutMs = 30_000;
const settleTimeoutMs = 60_000;
const stopTimeoutMs = 10_000;
/** Another process may take a free port before the server does. */
const startAttempts = 3;

/** Starts a server; resolves when JetStream answers. */
export function startNats(options: TestNatsOptions = {}): Promise<TestNats> {
  return attempt(async () => {
    const [port, monitorPort] = await freePorts(2);
    const node = createNode({ port: options.port ?? port, monitorPort, cluster: '', options });
    return startAll([node], () => node);
  });
}

/** Starts the servers of a cluster; resolves when they are settled. */
export function startCluster(size = 3, options: TestClusterOptions = {}): Promise<TestCluster> {
  return attempt(async () => {
    const ports = await freePorts(3 * size);
    const routePorts = ports.slice(2 * size);
    const clusters = await Promise.all(
      routePorts.map((_, node) => clusterConfig(node, routePorts, options.routes)),
    );
    const nodes = clusters.map((cluster, i) =>
      createNode({ port: ports[i], monitorPort: ports[size + i], cluster, options }),
    );
    const settled = (): Promise<void> => until(() => isSettled(nodes), settleTimeoutMs);
    return startAll(nodes, async () => {
      await settled();
      // With a login in the configuration nobody can try.
      if (options.extraConfig === undefined) await until(() => placesStreams(nodes), settleTimeoutMs);
      return {
        nodes,
        urls: nodes.map(({ url }) => url),
        settled,
        async [Symbol.asyncDispose]() {
          await disposeAll(nodes);
        },
      };
    });
  });
}

async function clusterConfig(node: number, ports: readonly number[], routes?: Routes): Promise<string> {
  const listen = (port = 0): string => `127.0.0.1:${port.toString()}`;
  const others = ports.flatMap((port, to) => (to === node ? [] : [{ port, to }]));
  const between = routes?.between ?? ((_from, _to, port) => Promise.resolve(listen(port)));
  const ends = await Promise.all(others.map(({ port, to }) => between(node, to, port)));
  const lines = [
    'name: test',
    `listen: "${listen(ports[node])}"`,
    `routes: [${ends.map((end) => `"nats-route://${end}"`).join(', ')}]`,
    'no_advertise: true',
    // Otherwise they would tell each other their own addresses; nothing listens on this one.
    ...(routes === undefined ? [] : ['advertise: "127.0.0.1:1"']),
  ];
  return `cluster { ${lines.join(', ')} }`;
}

async function attempt<T>(start: () => Promise<T>): Promise<T> {
  for (let left = startAttempts; ; left--) {
    try {
      return await start();
    } catch (error) {
      if (left === 1 || !/address already in use/.test(String(error))) throw error;
    }
  }
}

async function startAll<T>(nodes: readonly TestNats[], then: () => T | Promise<T>): Promise<T> {
  const outcomes = await Promise.allSettled(nodes.map((node) => node.start()));
  try {
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return await then();
  } catch (error) {
    await disposeAll(nodes);
    throw error;
  }
}

async function disposeAll(nodes: readonly TestNats[]): Promise<void> {
  await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
}

/** Whether all nodes are healthy and the leader sees all others current. */
async function isSettled(nodes: readonly TestNats[]): Promise<boolean> {
  const healthy = await Promise.all(nodes.map(isHealthy));
  if (healthy.includes(false)) return false;
  const answers = await Promise.all(nodes.map((node) => node.monitor('/jsz').catch(() => undefined)));
  return answers.some((answer) => {
    // Only the leader reports replicas.
    const meta = answer?.['meta_cluster'] as
      { replicas?: { current: boolean; offline?: boolean }[] } | undefined;
    const others = meta?.replicas ?? [];
    return (
      others.length === nodes.length - 1 && others.every((peer) => peer.current && peer.offline !== true)
    );
  });
}

/** Whether the leader gives a stream a copy on each node: for a while after it sees all of them, it may report one as offline. */
async function placesStreams(nodes: readonly TestNats[]): Promise<boolean> {
  const connection = await connect({ servers: nodes.map(({ url }) => url) });
  try {
    const { streams } = await connection.jetstreamManager();
    const probe = { name: 'PROBE', subjects: ['probe'], storage: StorageType.Memory };
    await streams.add({ ...probe, num_replicas: nodes.length });
    return await streams.delete(probe.name);
  } catch (error) {
    if (error instanceof NatsError) return false;
    throw error;
  } finally {
    await connection.close();
  }
}

interface NodeSettings {
  readonly port: number | undefined;
  readonly monitorPort: number | undefined;
  /** Configuration of the cluster; empty for a single server. */
  readonly cluster: string;
  readonly options: TestNatsOptions;
}

function createNode({ port = 0, monitorPort = 0, cluster, options }: NodeSettings): TestNats {
  const dataDir = mkdtempSync(join(tmpdir(), 'sluice-nats-'));
  const config = join(dataDir, 'nats.conf');
  const logFile = join(dataDir, 'nats.log');
  const url = `nats://127.0.0.1:${port.toString()}`;
  const lines = [
    `server_name: "n${port.toString()}"`,
    `listen: "127.0.0.1:${port.toString()}"`,
    `http: "127.0.0.1:${monitorPort.toString()}"`,
    `jetstream { store_dir: "${dataDir}", sync_interval: ${options.sync === 'always' ? 'always' : '"2m"'}`,
    `${options.jetStreamConfig ?? ''} }`,
    `max_payload: ${(options.maxPayloadBytes ?? 1 << 20).toString()}`,
    `log_file: "${logFile}"`,
    cluster,
    options.extraConfig ?? '',
  ];
  writeFileSync(config, lines.join('\n') + '\n');

  let server: TiedProcess | undefined;
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    // A paused server handles no other signal; going on before SIGKILL, it would still answer what has come to it.
    server?.kill(signal === 'SIGKILL' ? signal : 'SIGCONT');
    await server?.stop(stopTimeoutMs);
  };
  const node: TestNats = {
    url,
    port,
    dataDir,
    get pid() {
      return server?.end === undefined ? server?.pid : undefined;
    },
    pause() {
      server?.kill('SIGSTOP');
      if (server?.pid !== undefined) waitUntilStopped(server.pid);
    },
    resume() {
      server?.kill('SIGCONT');
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    async start() {
      if (node.pid !== undefined) throw new Error(`nats-server at ${url} runs already`);
      const starting = spawnTied(natsServerPath(), ['-c', config]);
      server = starting;
      await until(async () => {
        const { end: how } = starting;
        if (how !== undefined)
          throw new Error(`nats-server ended with ${how}: ${logTail(starting, logFile)}`);
        // In a cluster JetStream answers only when most nodes are running.
        return cluster === '' ? isHealthy(node) : isListening(node);
      }, startTimeoutMs);
    },
    async restart() {
      await node.stop();
      await node.start();
    },
    async monitor(path) {
      const signal = AbortSignal.timeout(5_000);
      const response = await fetch(`http://127.0.0.1:${monitorPort.toString()}${path}`, { signal });
      return (await response.json()) as Record<string, unknown>;
    },
    async [Symbol.asyncDispose]() {
      await end('SIGKILL');
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  return node;
}

async function isListening(node: TestNats): Promise<boolean> {
  return node.monitor('/varz').then(
    () => true,
    () => false,
  );
}

/** Whether clients and JetStream are served, whatever login the server requires. */
async function isHealthy(node: TestNats): Promise<boolean> {
  const answer = await node.monitor('/healthz').catch(() => undefined);
  return answer?.['status'] === 'ok';
}

function logTail(server: TiedProcess, logFile: string): string {
  try {
    return server.stderrTail() || readFileSync(logFile, 'utf8').slice(-2_000);
  } catch {
    return '';
  }
}

/** Waits until a condition holds; fails after a while, or at once if it throws. */
export async function until(holds: () => Promise<boolean> | boolean, timeoutMs = 10_000): Promise<void> {
  await within(timeoutMs * patience, holds);
}

/** The same for what comes true by itself later, so that no machine may be given more time. */
export async function within(timeoutMs: number, holds: () => Promise<boolean> | boolean): Promise<void> {
  const giveUpMs = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > giveUpMs)
      throw new Error(`did not come true in ${timeoutMs.toString()} ms: ${holds.toString()}`);
    await sleep(20);
  }
}

/** On a busy machine a signal takes a while, and the process still answers meanwhile. */
function waitUntilStopped(pid: number): void {
  const path = `/proc/${pid.toString()}/stat`;
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (let ms = 0; ms < 1_000 && existsSync(path); ms++) {
    if (/\) T /.test(readFileSync(path, 'latin1'))) return;
    Atomics.wait(nobody, 0, 0, 1);
  }
}
