import { randomUUID } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serves, type Environment } from '../acceptance/environment';
import { readAudit } from './audit-lines';
import { startUnsweptProcess, type GatewayProcess } from './gateway';
import { deniedType, denialFaults, startIntruders, type Intruders, type Tried } from './intruders';
import { makeReplicaDir } from './replica-dir';
import { freePorts } from './free-ports';
import { type TestNats } from './nats-server';
import { describe, strike, strikes, type Target } from './nemesis';
import { leaderOf } from './monitor';
import { hands, operate } from './operator';
import { randomFrom } from './random';
import { startConditionalWriters } from './conditional-writers';
import { startControlledWriters } from './controlled-writers';
import { connectRpc, type RpcClient } from './rpc-client';
import type { Reloaded, SoakAccess } from './soak-access';
import { startWriters, type Writers } from './writers';

/** What happened while the writers and the nemesis worked. */
export interface Soaked {
  /** The strikes, in words. */
  readonly strikes: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

/** A history has faults. The message has some of them, the seed, and the file that the whole history was written to. */
export class HistoryError extends Error {}

const streams = 8;
export const soakGateways = 2;
const faultsShown = 20;
const load = { counts: [1, 3, 12, 1, 2, 30, 5], payloadBytes: 300, restMs: 20 };
/** The appends of the load are one message of such a server, or several. */
export const soakServer = {
  maxPayloadBytes: 2_560,
  // A batch without its sender stays open for a while, and a server accepts 50 of them.
  jetStreamConfig: 'limits { batch { max_inflight_per_stream: 1000, max_inflight_total: 2000 } }',
};

/** How a soak runs besides its writers and the nemesis. */
export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Before each strike an operator edits the log and reverts that. */
  readonly isOperated?: boolean;
  /** The streams are truncated, deleted and tombstoned meanwhile, and then others follow. */
  readonly isControlled?: boolean;
  /** The appends have conditions over all streams instead. */
  readonly isConditional?: boolean;
  /** The gateways have access control, which changes while they run, and callers try what they may not. Gateways are stopped, not killed. */
  readonly access?: SoakAccess | undefined;
}

/**
 * 32 writers append to eight new streams through two gateways, and others read them, while servers and gateways are killed and
 * paused by a schedule that depends only on the seed. The effects also depend on timing. Throws HistoryError.
 */
export async function soak(environment: Environment, options: SoakOptions): Promise<Soaked> {
  const { nodes } = environment;
  const { access, seed } = options;
  const ports = await freePorts(soakGateways);
  const all = await Promise.all(
    ports.map((port, index) => startTarget(environment, port, access && { access, index })),
  );
  const clients = all.flatMap(({ address }) =>
    access === undefined
      ? [connectRpc(address)]
      : [access.alpha, access.beta].map((token) => connectRpc(address, token)),
  );
  const done: string[] = [];
  try {
    const names = Array.from({ length: streams }, (_, index) => `soak.${randomUUID()}.${index}`);
    const intruders = access && intrude(access, all, names);
    const writers = begin(options, clients, { environment, names });
    const targets = [...nodes.map(serverTarget), ...all];
    await strikeOften({ environment, targets, clients, writers, done }, options);
    const faults = await writers.faults(environment.client);
    const tried = await intruders?.stopped(all.map(({ starts }) => starts));
    await Promise.all(all.map((one) => one.stop()));
    if (access !== undefined && tried !== undefined)
      faults.push(...tried.faults, ...(await auditFaults(access, writers, tried, environment.client)));
    if (faults.length > 0)
      throw new HistoryError(await report(faults, { seed, done, writers, client: environment.client }));
    return { strikes: done, counts: { ...countsOf(writers), ...tried?.counts } };
  } catch (error) {
    if (error instanceof HistoryError) throw error;
    throw new Error(`seed ${seed}, ${done.at(-1) ?? 'at the start'}: ${String(error)}`, { cause: error });
  } finally {
    for (const one of clients) one[Symbol.dispose]();
    await Promise.all(all.map((one) => one[Symbol.asyncDispose]()));
  }
}

function begin(
  { isControlled = false, isConditional = false }: SoakOptions,
  clients: readonly RpcClient[],
  { environment, names }: { readonly environment: Environment; readonly names: readonly string[] },
): Writers {
  if (isConditional) return startConditionalWriters(clients, `conditional-${randomUUID()}`);
  return isControlled
    ? startControlledWriters(clients, environment.urls, streams)
    : startWriters(clients, { streams: names, ...load });
}

function countsOf(writers: Writers): Record<string, number> {
  return {
    stored: writers.count('stored'),
    refused: writers.count('refused'),
    unknown: writers.count('unknown'),
    looks: writers.looks,
  };
}

/** Begins to change the auth files, and to try what is not permitted. */
function intrude(
  access: SoakAccess,
  gateways: readonly GatewayTarget[],
  [target = '']: readonly string[],
): Intruders {
  access.keepChanging(gateways);
  const addresses = gateways.map(({ address }) => address);
  return startIntruders(access, addresses, { target, correlationId: 'soak' });
}

interface UnderAttack {
  readonly environment: Environment;
  readonly targets: readonly Target[];
  readonly clients: readonly RpcClient[];
  readonly writers: Writers;
  /** The strikes so far. */
  readonly done: string[];
}

async function strikeOften(
  { environment, targets, clients, writers, done }: UnderAttack,
  { seconds, seed, isOperated = false, isConditional = false }: SoakOptions,
): Promise<void> {
  const endMs = Date.now() + seconds * 1_000;
  // Whether a condition holds is decided by the leader.
  if (isConditional && environment.nodes.length > 1) await killLeader(environment, writers, done);
  for (const next of strikes(randomFrom(seed), environment.nodes.length, soakGateways)) {
    const hand = isOperated ? hands[done.length % hands.length] : undefined;
    if (hand !== undefined) await operate(environment.urls, hand);
    done.push(`${hand === undefined ? '' : `${hand.name}; `}${describe(targets, next)}`);
    await strike(targets, next);
    await environment.settled();
    for (const one of [environment.client, ...clients]) await serves(one);
    await writers.more(streams);
    if (Date.now() > endMs) return;
  }
}

/** Kills the leader of the log while appends are under way, and waits for the next one. */
async function killLeader(environment: Environment, writers: Writers, done: string[]): Promise<void> {
  await writers.more(streams);
  const leader = await leaderOf(environment.nodes);
  done.push('kill the leader');
  await leader.kill();
  await writers.more(streams);
  await leader.start();
  await environment.settled();
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

interface GatewayTarget extends Target, Reloaded, AsyncDisposable {
  readonly address: string;
  /** How often it was started. */
  readonly starts: number;
  /** Ends it in order, so that its audit log is complete. */
  stop(): Promise<void>;
}

interface Guarded {
  readonly access: SoakAccess;
  readonly index: number;
}

async function startTarget(
  { urls, flags }: Environment,
  port: number,
  guarded: Guarded | undefined,
): Promise<GatewayTarget> {
  const own = [
    ...flags,
    `--replica-dir=${makeReplicaDir()}`,
    ...(guarded?.access.flags(guarded.index) ?? []),
  ];
  const begin = (): Promise<GatewayProcess> => startUnsweptProcess(urls, own, port);
  let gateway = await begin();
  let starts = 1;
  let isServing = true;
  const stop = async (): Promise<void> => {
    isServing = false;
    gateway.process.signal('SIGCONT'); // a paused process handles no other signal
    await gateway[Symbol.asyncDispose]();
  };
  return {
    name: `gateway at ${port}`,
    address: gateway.address,
    get starts() {
      return starts;
    },
    pause() {
      gateway.process.signal('SIGSTOP');
    },
    resume() {
      gateway.process.signal('SIGCONT');
    },
    async kill() {
      // One that is killed may lose the last lines of its audit log.
      if (guarded === undefined) gateway.process.signal('SIGKILL');
      await stop();
    },
    async start() {
      gateway = await begin();
      starts++;
      isServing = true;
    },
    reload() {
      // Before it serves, the signal would end it.
      if (isServing) gateway.process.signal('SIGHUP');
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** What is wrong with what the audit logs say of the appends, and of what was denied. */
async function auditFaults(
  access: SoakAccess,
  writers: Writers,
  { denials, stored }: Tried,
  client: RpcClient,
): Promise<string[]> {
  const audits = await Promise.all(denials.map((_, index) => readAudit(access.auditFile(index))));
  const acknowledged = [...writers.histories.values()].flatMap(({ attempts }) =>
    attempts.flatMap(({ outcome }) => (outcome.kind === 'stored' ? [outcome.position.toString()] : [])),
  );
  const { events } = await client.readAll();
  const inLog = new Set(events.map(({ position }) => position.toString()));
  const isAudited = (position: string): boolean => audits.some(({ commits }) => commits.has(position));
  const missing = [...acknowledged, ...stored.flat()].filter((position) => !isAudited(position));
  const invented = audits.flatMap(({ commits }) => [...commits.keys()].filter((one) => !inLog.has(one)));
  const denied = events.filter(({ type }) => type === deniedType);
  return [
    ...audits.flatMap(({ faults }) => faults),
    ...missing.map((position) => `position ${position} was acknowledged, and no audit log has it`),
    ...invented.map((position) => `position ${position} is in an audit log, and not in the store`),
    ...denied.map(({ stream }) => `${stream} has an event of an append that was denied`),
    ...denials.flatMap((count, index) => denialFaults(count, audits[index]?.denials ?? 0)),
  ];
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
