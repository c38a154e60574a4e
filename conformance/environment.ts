import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { connect } from 'nats';
import { HealthCheckResponse_ServingStatus } from '../generated/grpc/health/v1/health';
import { spawnTied, type TiedProcess } from '../src/nats-server/tied-process';
import { gatewayConnections } from '../test/support/monitor';
import { freePorts } from '../test/support/free-ports';
import { startNats, until } from '../test/support/nats-server';
import { connectRpc } from '../test/support/rpc-client';
import { nodeFlags } from '../test/support/node-flags';
import type { Action, GatewaySettings } from './case-file';
import { run } from './run';

/** What a runner calls, and what may happen to it. */
export interface Environment extends AsyncDisposable {
  /** host:port of the gateway. */
  readonly address: string;
  /** host:port of the gateway for HTTP. */
  readonly httpAddress: string;
  nats(verb: Extract<Action, { nats: string }>['nats']): Promise<void>;
  /** Publishes what is not a commit on a subject of the store. */
  publish(subject: string): Promise<void>;
  /** Changes settings of the JetStream stream that is the log. */
  editLog(change: Extract<Action, { log: unknown }>['log']): Promise<void>;
  /** Asks the gateway to stop. */
  stopGateway(): void;
  /** Ends the gateway by a signal, and starts it again with the same address. */
  restartGateway(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

const startTimeoutMs = 30_000;
const stopTimeoutMs = 15_000;

/**
 * Starts a NATS server and, on it, a gateway as users run it: a process of the compiled main.js. `security` is for a gateway that wants
 * TLS.
 */
export async function startEnvironment(
  file: GatewaySettings,
  security?: ChannelCredentials,
): Promise<Environment> {
  const server = await startNats({ extraConfig: file.nats.join('\n') });
  const [port, httpPort] = await freePorts(2);
  const address = `127.0.0.1:${String(port)}`;
  const httpAddress = `127.0.0.1:${String(httpPort)}`;
  const main = join(__dirname, '..', 'src', 'main.js');
  const folder = mkdtempSync(join(tmpdir(), 'sluice-conformance-'));
  const store = [`--nats-url=${server.url}`, '--create-store', `--replica-dir=${join(folder, 'replica')}`];
  const flags = [
    `--listen=${address}`,
    `--http-listen=${httpAddress}`,
    ...store,
    '--log-level=error',
    ...authFlags(file, folder),
    ...file.gateway,
  ];
  const start = (): TiedProcess => spawnTied(process.execPath, [...nodeFlags, main, ...flags]);
  let gateway = start();
  // A TLS client names its server, and an address is not a name.
  const named = security === undefined ? address : address.replace('127.0.0.1', 'localhost');
  const client = connectRpc(named, undefined, security);
  const stop = async (): Promise<void> => {
    server.resume();
    await gateway.stop(stopTimeoutMs);
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  };
  const serves = async (): Promise<boolean> => {
    try {
      // With an auth file, the calls of this client are refused.
      if (file.auth === undefined) await client.serverInfo();
      const health = await Promise.all(['', 'read'].map((service) => client.health(service)));
      return health.every((status) => status === HealthCheckResponse_ServingStatus.SERVING);
    } catch {
      if (gateway.end === undefined) return false;
      throw new Error(`the gateway ended with ${gateway.end}: ${gateway.stderrTail()}`);
    }
  };
  let connections = 0;
  /**
   * Back from a fault, so that the next action meets a gateway at its best. It serves before all its connections are back, and
   * forgets what it knows of the log whenever another one comes back.
   */
  const settled = (): Promise<void> =>
    until(
      async () => (await serves()) && (await gatewayConnections([server])) === connections,
      startTimeoutMs,
    );
  try {
    await until(serves, startTimeoutMs);
    connections = await gatewayConnections([server]);
  } catch (error) {
    client[Symbol.dispose]();
    await stop();
    throw error;
  }
  return {
    address,
    httpAddress,
    async nats(verb) {
      await server[verb]();
      // On a busy machine it goes on for a while after the signal.
      if (verb === 'pause') await until(() => isStopped(server.pid));
      if (verb === 'resume' || verb === 'start') await settled();
      if (verb === 'stop') await until(async () => !(await serves()));
    },
    async publish(subject) {
      const connection = await connect({ servers: server.url });
      await connection.jetstream().publish(subject, 'not a commit');
      await connection.close();
    },
    async editLog(change) {
      const connection = await connect({ servers: server.url });
      const { streams } = await connection.jetstreamManager();
      const { config } = await streams.info('EVENTS');
      await streams.update('EVENTS', { ...config, ...change });
      await connection.close();
    },
    stopGateway() {
      gateway.kill('SIGTERM');
    },
    async restartGateway(signal) {
      gateway.kill(signal);
      await gateway.ended;
      gateway = start();
      await settled();
    },
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await stop();
    },
  };
}

/** Writes the auth file. */
function authFlags({ auth, tokens }: GatewaySettings, folder: string): string[] {
  if (auth === undefined) return [];
  const text = JSON.stringify(auth).replace(/sha256 of (\w+)/g, (_whole, name: string) =>
    createHash('sha256')
      .update(tokens[name] ?? '')
      .digest('hex'),
  );
  const path = join(folder, 'auth.json');
  writeFileSync(path, text);
  return [`--auth-file=${path}`];
}

/** Whether a process has come to rest after SIGSTOP. */
async function isStopped(pid: number | undefined): Promise<boolean> {
  const state = await run(['ps', '-o', 'state=', '-p', String(pid)], { cwd: '.' });
  return state.startsWith('T');
}
