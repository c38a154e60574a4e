import { randomUUID } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serves, type Environment } from '../acceptance/environment';
import { startGatewayProcess, type GatewayProcess } from './gateway';
import { makeReplicaDir } from './replica-dir';
import { freePorts, type TestNats } from './nats-server';
import { describe, strike, strikes, type Target } from './nemesis';
import { hands, operate } from './operator';
import { randomFrom } from './random';
import { connectRpc, type RpcClient } from './rpc-client';
import { startWriters, type Writers } from './writers';

/** What happened while the writers and the nemesis worked. */
export interface Soaked {
  /** The strikes, in words. */
  readonly strikes: readonly string[];
  readonly counts: Readonly<Record<'stored' | 'refused' | 'unknown' | 'looks', number>>;
}

/** A history has faults. The message has some of them, the seed, and the file that the whole history was written to. */
export class HistoryError extends Error {}

const streams = 8;
const gateways = 2;
const faultsShown = 20;
const load = { counts: [1, 3, 12, 1, 2, 30, 5], payloadBytes: 300, restMs: 20 };
/** The appends of the load are one message of such a server, or several. */
export const soakServer = {
  maxPayloadBytes: 2_560,
  // A batch without its sender stays open for a while, and a server accepts 50 of them.
  jetStreamConfig: 'limits { batch { max_inflight_per_stream: 1000, max_inflight_total: 2000 } }',
};

/**
 * 32 writers append to eight new streams through two gateways, and others read them, while servers and gateways are killed and
 * paused by a schedule that depends only on the seed. The effects also depend on timing. `isOperated`: before each strike an
 * operator edits the log and reverts that. Throws HistoryError.
 */
export async function soak(
  environment: Environment,
  seconds: number,
  seed: number,
  isOperated = false,
): Promise<Soaked> {
  const { nodes, client } = environment;
  const all = await Promise.all((await freePorts(gateways)).map((port) => startTarget(environment, port)));
  const clients = all.map(({ address }) => connectRpc(address));
  const done: string[] = [];
  try {
    const id = randomUUID();
    const writers = startWriters(clients, {
      streams: Array.from({ length: streams }, (_, index) => `soak.${id}.${index}`),
      ...load,
    });
    const targets = [...nodes.map(serverTarget), ...all];
    const endMs = Date.now() + seconds * 1_000;
    for (const next of strikes(randomFrom(seed), nodes.length, gateways)) {
      const hand = isOperated ? hands[done.length % hands.length] : undefined;
      if (hand !== undefined) await operate(environment.urls, hand);
      done.push(`${hand === undefined ? '' : `${hand.name}; `}${describe(targets, next)}`);
      await strike(targets, next);
      await environment.settled();
      for (const one of [client, ...clients]) await serves(one);
      await writers.more(streams);
      if (Date.now() > endMs) break;
    }
    const faults = await writers.faults(client);
    if (faults.length > 0) throw new HistoryError(await report(faults, { seed, done, writers, client }));
    const counts = {
      stored: writers.count('stored'),
      refused: writers.count('refused'),
      unknown: writers.count('unknown'),
      looks: writers.looks,
    };
    return { strikes: done, counts };
  } catch (error) {
    if (error instanceof HistoryError) throw error;
    throw new Error(`seed ${seed}, ${done.at(-1) ?? 'at the start'}: ${String(error)}`, { cause: error });
  } finally {
    for (const one of clients) one[Symbol.dispose]();
    await Promise.all(all.map((one) => one[Symbol.asyncDispose]()));
  }
}

function serverTarget(node: TestNats, index: number): Target {
  return {
    name: `server ${index}`,
    pause: () => {
      node.pause();
    },
    resume: () => {
      node.resume();
    },
    kill: () => node.kill(),
    start: () => node.start(),
  };
}

interface GatewayTarget extends Target, AsyncDisposable {
  readonly address: string;
}

async function startTarget({ urls, flags }: Environment, port: number): Promise<GatewayTarget> {
  const own = [...flags, `--replica-dir=${makeReplicaDir()}`];
  const begin = (): Promise<GatewayProcess> => startGatewayProcess(urls, own, port);
  let gateway = await begin();
  return {
    name: `gateway at ${port}`,
    address: gateway.address,
    pause() {
      gateway.process.signal('SIGSTOP');
    },
    resume() {
      gateway.process.signal('SIGCONT');
    },
    async kill() {
      gateway.process.signal('SIGKILL');
      await gateway.process.ended();
      await gateway[Symbol.asyncDispose]();
    },
    async start() {
      gateway = await begin();
    },
    async [Symbol.asyncDispose]() {
      // A paused process handles no other signal.
      gateway.process.signal('SIGCONT');
      await gateway[Symbol.asyncDispose]();
    },
  };
}

interface Evidence {
  readonly seed: number;
  readonly done: readonly string[];
  readonly writers: Writers;
  readonly client: RpcClient;
}

/** Writes the history to a file, and returns its faults in words. */
async function report(faults: readonly string[], { seed, done, writers, client }: Evidence): Promise<string> {
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-history-')), `${seed}.json`);
  const histories = [];
  for (const [stream, { attempts, looks }] of writers.histories) {
    const { events } = await client.readStream({ stream });
    const log = events.map(({ id, version, position }) => ({ id, version, position }));
    histories.push({ stream, attempts, looks, log });
  }
  const asText = (_key: string, value: unknown): unknown =>
    typeof value === 'bigint' ? value.toString() : value;
  writeFileSync(file, JSON.stringify({ seed, strikes: done, faults, histories }, asText, 1));
  const shown = faults.slice(0, faultsShown);
  return [`seed ${seed}: ${faults.length} faults; the history is in ${file}`, ...shown].join('\n');
}
