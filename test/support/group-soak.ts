import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../acceptance/environment';
import { groupsOf, isSettled } from '../acceptance/group-rows';
import { insist, newEvents } from './attempts';
import { groupFaults, type ObservedDelivery } from './group-history';
import { startGroupWorker, type GroupWorker } from './group-journal';
import { leaderOf } from './monitor';
import { until } from './nats-server';
import { randomFrom, type Random } from './random';
import { startRestartable, type RestartableGateway } from './restartable-gateway';
import { connectRpc, type RpcClient } from './rpc-client';
import { HistoryError, type Soaked } from './soak';
import type { WireClient, WireMessage } from './wire-client';

const group = 'soak';
const prefix = 'soak';
const workers = 4;
const writers = 16;
const appendsPerStream = 100;
/** Of a group, far below the bound of parked events. */
const parkedAbout = 1_000;
const strikeMsMax = 2_000;
const settleTimeoutMs = 120_000;
const faultsShown = 20;

export interface GroupSoakOptions {
  /** Appends, of one or two events each. */
  readonly appends: number;
  /** Of the schedule of the strikes. */
  readonly seed: number;
}

interface Field {
  readonly environment: Environment;
  readonly gateways: readonly RestartableGateway[];
  readonly clients: readonly RpcClient[];
  readonly wire: WireClient;
  /** Starts a member process. */
  readonly startMember: () => void;
  /** All member processes, also those that have ended. */
  readonly members: GroupWorker[];
  /** Those that run. */
  readonly running: Set<GroupWorker>;
}

/**
 * Writers append to many streams, and members, each a process, share the events in a group, and retry and park some of them by chance,
 * while members, gateways and the leader of the log are killed, and members leave. Each event must be acknowledged once or parked, in
 * order for each stream, with none left out. Throws HistoryError.
 */
export async function groupSoak(environment: Environment, options: GroupSoakOptions): Promise<Soaked> {
  const args = [`--nats-url=${environment.urls.join(',')}`, ...environment.flags];
  await using first = await startRestartable(args);
  await using second = await startRestartable(args);
  const gateways = [first, second];
  using wire = groupsOf(second.address);
  using firstClient = connectRpc(first.address);
  using secondClient = connectRpc(second.address);
  const parkShare = Math.min(0.01, parkedAbout / (2 * options.appends));
  const folder = mkdtempSync(join(tmpdir(), 'sluice-group-soak-'));
  const members: GroupWorker[] = [];
  const running = new Set<GroupWorker>();
  const workerArgs = [group, parkShare.toString(), ...gateways.map(({ address }) => address)];
  const startMember = (): void => {
    const member = startGroupWorker(join(folder, `${members.length}.jsonl`), workerArgs);
    members.push(member);
    running.add(member);
  };
  const clients = [firstClient, secondClient];
  const field: Field = { environment, gateways, clients, wire, startMember, members, running };
  try {
    return await soakGroup(field, options, folder);
  } finally {
    await Promise.all(members.map((member) => member.kill()));
  }
}

async function soakGroup(field: Field, { appends, seed }: GroupSoakOptions, folder: string): Promise<Soaked> {
  const { wire, members, running, startMember } = field;
  const backoff = { backoff_min: { nanos: 10_000_000 }, backoff_max: { nanos: 100_000_000 } };
  const settings = { patterns: [`${prefix}.>`], attempts_max: 0, parked_max: 10 * parkedAbout, ...backoff };
  await wire.unary('CreateGroup', { group, settings });
  for (let i = 0; i < workers; i++) startMember();
  const beganMs = Date.now();
  const writing = write(field, appends);
  const done: string[] = [];
  await strikeWhile(field, writing, { random: randomFrom(seed), done });
  const streams = await writing;
  await until(() => isSettled(wire, group).catch(() => false), settleTimeoutMs);
  const seconds = Math.round((Date.now() - beganMs) / 1_000);
  await Promise.all([...running].map((member) => member.stop()));
  const observed = members.flatMap((member) => member.observed());
  const parked = await parkedOf(wire);
  const faults = [...(await faultsOf(field, streams, { observed, parked })), ...parkFaults(observed, parked)];
  if (faults.length > 0) {
    writeFileSync(join(folder, 'faults.json'), JSON.stringify({ seed, strikes: done, faults }, undefined, 1));
    const shown = faults.slice(0, faultsShown);
    throw new HistoryError(
      [`seed ${seed}: ${faults.length} faults; the journals are in ${folder}`, ...shown].join('\n'),
    );
  }
  return { strikes: done, counts: { ...countsOf(observed), appends, parked: parked.size, seconds } };
}

/** Resolves with the names of the streams. */
async function write({ clients }: Field, appends: number): Promise<string[]> {
  const streams = Array.from(
    { length: Math.ceil(appends / appendsPerStream) },
    (_, index) => `${prefix}.${index}`,
  );
  let begun = 0;
  const writeOn = async (_: unknown, writer: number): Promise<void> => {
    const own = writer % 2 === 0 ? clients : clients.toReversed();
    while (begun < appends) {
      const stream = streams[begun++ % streams.length] as string;
      await insist(own, { stream, events: newEvents(1 + (begun % 2)) });
    }
  };
  await Promise.all(Array.from({ length: writers }, writeOn));
  return streams;
}

interface Schedule {
  readonly random: Random;
  /** The strikes so far. */
  readonly done: string[];
}

type Strike = (field: Field, random: Random) => Promise<void>;

const blows: Readonly<Record<string, Strike>> = {
  async 'a member is killed'({ running, startMember }, random) {
    const member = pick([...running], random);
    running.delete(member);
    await member.kill();
    startMember();
  },
  async 'a member leaves'({ running, startMember }, random) {
    const member = pick([...running], random);
    running.delete(member);
    startMember();
    await member.stop();
  },
  async 'a gateway is killed'({ gateways }, random) {
    await pick(gateways, random).restart('SIGKILL');
  },
  async 'the leader is killed'({ environment }) {
    const leader = await leaderOf(environment.nodes);
    await leader.kill();
    await leader.start();
    await environment.settled();
  },
};

/** Each kind of strike once at least, and then as long as the writers write. */
async function strikeWhile(field: Field, writing: Promise<unknown>, schedule: Schedule): Promise<void> {
  const { random, done } = schedule;
  const over = new AbortController();
  const end = (): void => {
    over.abort();
  };
  writing.then(end, end);
  const kinds = Object.entries(blows);
  for (let turn = 0; turn < kinds.length || !over.signal.aborted; turn++) {
    await sleep(random() * strikeMsMax);
    const [name, blow] = turn < kinds.length ? (kinds[turn] as [string, Strike]) : pick(kinds, random);
    done.push(name);
    await blow(field, random);
  }
}

function pick<Item>(items: readonly Item[], random: Random): Item {
  return items[Math.floor(random() * items.length)] as Item;
}

async function parkedOf(wire: WireClient): Promise<Set<string>> {
  const messages = await wire.stream('ListParked', { group });
  const parked = messages.flatMap((message) => message['parked'] as WireMessage[]);
  return new Set(parked.map(({ stream, version }) => `${String(stream)} ${String(version)}`));
}

interface Outcomes {
  readonly observed: readonly ObservedDelivery[];
  readonly parked: ReadonlySet<string>;
}

/** Stream by stream, since the judge compares each delivery with all others. */
async function faultsOf(
  { environment: { client } }: Field,
  streams: readonly string[],
  { observed, parked }: Outcomes,
): Promise<string[]> {
  const byStream = new Map<string, ObservedDelivery[]>();
  for (const one of observed) byStream.set(one.stream, [...(byStream.get(one.stream) ?? []), one]);
  const faults: string[] = [];
  for (const stream of new Set([...streams, ...byStream.keys()])) {
    const { events } = await client.readStream({ stream });
    const log = new Map([[stream, events.map(({ version }) => Number(version))]]);
    const deliveries = byStream.get(stream) ?? [];
    faults.push(...groupFaults({ log, deliveries, parked, isComplete: true }));
  }
  return faults;
}

/** The list has what a member parked and none has done, and nothing that no member parked. */
function parkFaults(observed: readonly ObservedDelivery[], parked: ReadonlySet<string>): string[] {
  const byMembers = new Set<string>();
  const settled = new Set<string>();
  for (const { stream, versions, outcome, handled = 0 } of observed) {
    const done = outcome === 'acknowledged' ? versions : outcome === 'lost' ? [] : versions.slice(0, handled);
    for (const version of done) settled.add(`${stream} ${version}`);
    if (outcome === 'parked') byMembers.add(`${stream} ${String(versions[handled])}`);
  }
  return [
    ...[...byMembers]
      .filter((event) => !settled.has(event) && !parked.has(event))
      .map((event) => `${event} was parked, and is not on the list`),
    ...[...parked]
      .filter((event) => !byMembers.has(event))
      .map((event) => `${event} is on the list, and nobody parked it`),
  ];
}

/** `again`: events that were acknowledged more than once. */
function countsOf(observed: readonly ObservedDelivery[]): Record<string, number> {
  const counts: Record<string, number> = { deliveries: observed.length, redelivered: 0, again: 0, lost: 0 };
  const add = (name: string): void => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  const acknowledged = new Set<string>();
  for (const { stream, versions, redelivered, outcome = 'open' } of observed) {
    add(outcome);
    if (redelivered) add('redelivered');
    for (const version of outcome === 'acknowledged' ? versions : []) {
      const event = `${stream} ${version}`;
      if (acknowledged.has(event)) add('again');
      acknowledged.add(event);
    }
  }
  return counts;
}
