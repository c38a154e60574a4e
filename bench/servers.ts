import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'nats';
import { createLink } from '../src/jetstream/nats/link';
import { logConfig, openStream } from '../src/jetstream/nats/open-stream';
import { spawnTied, type TiedProcess } from '../src/nats-server/tied-process';
import { defaultLimits } from '../src/limits';
import { freePorts } from '../test/support/free-ports';
import { startNats, until, type TestNats } from '../test/support/nats-server';
import { connectRpc, type RpcClient } from '../test/support/rpc-client';
import { natsServerPath } from '../test/support/tools';
import { nodeFlags } from '../test/support/node-flags';
import { cpuSecondsOf, familyOf, threadSecondsOf } from './peer-servers';
import { rawStore } from './raw-peer';

/** When nats-server syncs to disk: before it acknowledges a message, or every two minutes. */
export type Sync = 'always' | 'interval';

export const durability: Readonly<Record<Sync, string>> = {
  interval: 'fsync at intervals (nats-server `sync_interval: 2m`)',
  always: 'fsync on every write (nats-server `sync_interval: always`)',
};

/** The gateway as users run it, a process of main.js. */
export interface BenchGateway extends AsyncDisposable {
  /** host:port */
  readonly address: string;
  readonly pid: number;
  /** Waits until the replica of the log has come to its end. */
  readonly caughtUp: () => Promise<void>;
  /** The memory that it has resident now; NaN where the system has no /proc. */
  residentBytes(): number;
  /** The CPU time that its threads have used so far, to the microsecond on Linux. */
  cpuMs(): number;
  /** The same with its workers and its embedded nats-server. */
  familyCpuMs(): number;
}

/** The most memory that a gateway used. */
export interface MemoryPeak {
  readonly gateway: string;
  /** undefined where the system has no /proc. */
  readonly residentBytesMax: number | undefined;
}

export interface GatewayOptions {
  /** For the table of memory. */
  readonly name: string;
  /** undefined: the embedded nats-server, which the gateway starts and syncs. */
  readonly nats?: TestNats;
  /** More flags for main.js. */
  readonly args?: readonly string[];
  /** host:port for HTTP; undefined: nothing is served over HTTP. */
  readonly http?: string;
  /** A module to load before main.js. */
  readonly preload?: string;
  /** Gets the memory of the gateway when it stops. */
  readonly peaks: MemoryPeak[];
}

const startTimeoutMs = 30_000;
const stopTimeoutMs = 15_000;
const indexTimeoutMs = 600_000;
/** A shorter interval of the index writer. */
const indexLagMax = 64n;

/** A server with the JetStream stream that the raw peer appends to. */
export async function startBenchNats(sync: Sync): Promise<TestNats> {
  const nats = await startNats({ sync });
  try {
    const link = createLink(await connect({ servers: nats.url }));
    await openStream(link, logConfig(rawStore, defaultLimits), {
      timeoutMs: startTimeoutMs,
      mayCreate: true,
    });
    await link.close();
    return nats;
  } catch (error) {
    await nats[Symbol.asyncDispose]();
    throw error;
  }
}

export async function startBenchGateway(options: GatewayOptions): Promise<BenchGateway> {
  const { nats, args = [], http = 'off', preload, name, peaks } = options;
  const [port] = await freePorts(1);
  const address = `127.0.0.1:${String(port)}`;
  const main = join(__dirname, '..', 'src', 'main.js');
  const dataDir = nats === undefined ? mkdtempSync(join(tmpdir(), 'sluice-bench-')) : undefined;
  const replicaDir = mkdtempSync(join(tmpdir(), 'sluice-bench-replica-'));
  const store =
    nats === undefined
      ? ownServer(dataDir ?? '')
      : [`--nats-url=${nats.url}`, '--create-store', `--replica-dir=${replicaDir}`];
  const flags = [`--listen=${address}`, `--http-listen=${http}`, ...store, '--log-level=warn', ...args];
  const loaded = preload === undefined ? [] : ['--require', preload];
  const gateway = spawnTied(process.execPath, [...nodeFlags, ...loaded, main, ...flags]);
  const client = connectRpc(address);
  const stop = async (): Promise<void> => {
    peaks.push({ gateway: name, residentBytesMax: memoryBytes(gateway, 'VmHWM') });
    client[Symbol.dispose]();
    await gateway.stop(stopTimeoutMs);
    if (dataDir !== undefined) rmSync(dataDir, { recursive: true, force: true });
    rmSync(replicaDir, { recursive: true, force: true });
  };
  try {
    await until(() => answers(gateway, client), startTimeoutMs);
  } catch (error) {
    await stop();
    throw error;
  }
  const pid = gateway.pid as number;
  return {
    address,
    pid,
    caughtUp: () =>
      until(async () => {
        const { replica } = await client.serverInfo();
        return replica !== undefined && replica.lag < indexLagMax;
      }, indexTimeoutMs),
    residentBytes: () => memoryBytes(gateway, 'VmRSS') ?? NaN,
    cpuMs: () => 1_000 * threadSecondsOf(pid),
    familyCpuMs: () => familyOf(pid).reduce((sum, member) => sum + 1_000 * cpuSecondsOf(member), 0),
    [Symbol.asyncDispose]: stop,
  };
}

const ownServer = (dataDir: string): string[] => [
  `--data-dir=${dataDir}`,
  `--nats-server=${natsServerPath()}`,
];

/** Starts bare-server.ts. */
export async function startBareServer(): Promise<AsyncDisposable & { readonly address: string }> {
  const [port] = await freePorts(1);
  const address = `127.0.0.1:${String(port)}`;
  const server = spawnTied(process.execPath, [join(__dirname, 'bare-server.js'), address]);
  const stop = (): Promise<void> => server.stop(stopTimeoutMs);
  const client = connectRpc(address);
  try {
    const isUp = (): Promise<boolean> =>
      client.getVersion({ stream: 'any' }).then(
        () => true,
        () => false,
      );
    await until(isUp, startTimeoutMs);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    client[Symbol.dispose]();
  }
  return { address, [Symbol.asyncDispose]: stop };
}

async function answers(gateway: TiedProcess, client: RpcClient): Promise<boolean> {
  if (gateway.end !== undefined)
    throw new Error(`the gateway ended with ${gateway.end}: ${gateway.stderrTail()}`);
  return client.serverInfo().then(
    () => true,
    () => false,
  );
}

/** The resident memory of a running process, now (VmRSS) or at its peak (VmHWM), in bytes; undefined where the system has no /proc. */
function memoryBytes({ pid }: TiedProcess, field: 'VmRSS' | 'VmHWM'): number | undefined {
  try {
    const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1_024;
  } catch {
    return undefined;
  }
}
