import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { loadConfig } from '../../src/config/config';
import { startGateway, type Gateway } from '../../src/gateway';
import type { Limits } from '../../src/limits';
import { startSluice, type SluiceProcess } from '../cli/process';
import { testWorkers } from './one-process';
import { startNats, type TestNats } from './nats-server';
import { makeReplicaDir } from './replica-dir';
import { connectRpc, type RpcClient } from './rpc-client';
import { connectWire, type WireClient } from './wire-client';

/** A gateway on a free port on loopback, with a client. */
export interface TestGateway extends AsyncDisposable {
  /** host:port or unix:/path */
  readonly address: string;
  readonly client: RpcClient;
}

/** A gateway in the process of the test. */
export interface LocalGateway extends TestGateway {
  /** http://host:port; undefined without `--http-listen`. */
  readonly http: string | undefined;
  metricsAsJson: Gateway['metricsAsJson'];
  /** What SIGHUP does. */
  reload(): Promise<void>;
}

/** A gateway in its own process. */
export interface GatewayProcess extends TestGateway {
  readonly process: SluiceProcess;
}

/**
 * Starts a gateway in this process, as main.ts does: on these NATS servers, with its own store, or on an embedded nats-server if no
 * URL is given. `args` are more flags, `limits` are limits that have no flag.
 */
export async function startTestGateway(
  natsUrls: readonly string[],
  args: readonly string[] = [],
  limits: Partial<Limits> = {},
): Promise<LocalGateway> {
  if (testWorkers !== undefined) return startWithWorkers(flags(natsUrls, args, 0), limits);
  const config = loadConfig(flags(natsUrls, args, 0), { SLUICE_HTTP_LISTEN: 'off' });
  const withLimits = { ...config, limits: { ...config.limits, ...limits } };
  const gateway = await startGateway(withLimits, pino({ level: 'silent' }));
  const client = connectRpc(gateway.address);
  const { httpAddress } = gateway.describe();
  return {
    address: gateway.address,
    client,
    http: httpAddress === undefined ? undefined : `http://${httpAddress}`,
    metricsAsJson: () => gateway.metricsAsJson(),
    reload: () => gateway.reload(),
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await gateway.close();
    },
  };
}

/** The same in processes of their own. */
async function startWithWorkers(args: readonly string[], limits: Partial<Limits>): Promise<LocalGateway> {
  const gateway = await startWithLimits(args, limits);
  return {
    ...gateway,
    http: /http:\/\/[^:]+:\d+/.exec(gateway.process.stdout())?.[0],
    metricsAsJson: () => Promise.reject(new Error('only of a gateway in this process')),
    async reload() {
      gateway.process.signal('SIGHUP');
      await sleep(reloadMs);
    },
  };
}

/** By then, all workers have looked at their files. */
const reloadMs = 1_000;

/** A gateway with these flags, a NATS server and a client, for one test. */
export async function withGateway(
  args: readonly string[],
  test: (wire: WireClient, nats: TestNats, address: string) => Promise<void>,
): Promise<void> {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url], args);
  using wire = connectWire(gateway.address);
  await test(wire, nats, gateway.address);
}

/** Starts a gateway as users run it, on a free port unless one is given. */
export async function startGatewayProcess(
  natsUrls: readonly string[],
  args: readonly string[] = [],
  port = 0,
  openFilesMax?: number,
): Promise<GatewayProcess> {
  return servedBy(await startSluice(flags(natsUrls, args, port), {}, undefined, { openFilesMax }));
}

/** The same, and it never removes anything from the log, so that a test finds there what was stored. */
export function startUnsweptProcess(
  natsUrls: readonly string[],
  args: readonly string[],
  port: number,
): Promise<GatewayProcess> {
  return startWithLimits(flags(natsUrls, args, port), { sweepIntervalMs: 0 });
}

/** The same, and it looks this often for what it has to remove from the log. */
export function startSweepingProcess(
  natsUrls: readonly string[],
  sweepIntervalMs: number,
): Promise<GatewayProcess> {
  return startWithLimits(flags(natsUrls, [], 0), { sweepIntervalMs });
}

/** A process with limits that have no flag. */
export async function startWithLimits(
  args: readonly string[],
  limits: Partial<Limits>,
): Promise<GatewayProcess> {
  const env = {
    NODE_OPTIONS: `--require=${join(__dirname, 'set-limits.cjs')}`,
    LIMITS: JSON.stringify(limits),
  };
  return servedBy(await startSluice(args, env));
}

async function servedBy(process: SluiceProcess): Promise<GatewayProcess> {
  try {
    const address = await process.serving();
    const client = connectRpc(address);
    return {
      address,
      client,
      process,
      async [Symbol.asyncDispose]() {
        client[Symbol.dispose]();
        await process[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await process[Symbol.asyncDispose]();
    throw error;
  }
}

function flags(natsUrls: readonly string[], args: readonly string[], port: number): string[] {
  const listen = args.some((arg) => arg.startsWith('--listen'))
    ? []
    : [`--listen=127.0.0.1:${port.toString()}`];
  if (natsUrls.length === 0) return [...listen, ...args];
  const replica = args.some((arg) => arg.startsWith('--replica-dir'))
    ? []
    : [`--replica-dir=${makeReplicaDir()}`];
  const create = args.some((arg) => arg.startsWith('--create-store')) ? [] : ['--create-store'];
  return [...listen, `--nats-url=${natsUrls.join(',')}`, ...create, ...replica, ...args];
}
