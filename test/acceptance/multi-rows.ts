import { randomUUID } from 'node:crypto';
import {
  connect,
  OutcomeUnknownError,
  type AppendMultiResult,
  type SluiceClient,
} from '../../src/client/client';
import { newEvents } from '../support/attempts';
import { startGatewayProcess } from '../support/gateway';
import { leaderOf } from '../support/monitor';
import { until } from '../support/nats-server';
import { serves, type Environment } from './environment';

/** A transaction that was sent, and what its caller got. */
interface Sent {
  readonly id: string;
  readonly streams: readonly string[];
  readonly eventCount: number;
  readonly outcome: AppendMultiResult | 'unknown' | 'refused';
}

const prefix = 'transactions';
const streams = Array.from({ length: 8 }, (_, index) => `${prefix}.${index}`);
const writersPerGateway = 8;
const blows = 2;
const betweenBlows = 150;

/**
 * test_append_multi: transactions over several streams through two gateways, beside appends of their own, while the leader is
 * killed. A reader or subscriber of all of it sees each transaction whole, or not at all.
 */
export async function appendMultiThroughKills(environment: Environment): Promise<void> {
  const { urls, flags, client, nodes } = environment;
  await using one = await startGatewayProcess(urls, flags);
  await using other = await startGatewayProcess(urls, flags);
  const sent: Sent[] = [];
  const faults: string[] = [];
  const ending = new AbortController();
  const writers = [one, other].flatMap(({ address }, gateway) =>
    Array.from({ length: writersPerGateway }, (_, index) =>
      write(address, gateway * writersPerGateway + index, sent, ending.signal),
    ),
  );
  const watchers = [
    readAgainAndAgain(one.address, faults, ending.signal),
    follow(other.address, faults, ending.signal),
  ];
  try {
    for (let blow = 0; blow < blows; blow++) {
      await storedMore(sent, betweenBlows);
      const node = await leaderOf(nodes);
      await node.kill();
      await node.start();
    }
    await storedMore(sent, betweenBlows);
  } finally {
    ending.abort();
  }
  await Promise.all([...writers, ...watchers]);
  await environment.settled();
  await serves(client);
  const { events } = await client.readAll({ patterns: [`${prefix}.>`] });
  expect([...faults, ...brokenSteps(events), ...untrue(sent, events)]).toEqual([]);
  for (const stream of streams) {
    const read = await client.readStream({ stream });
    expect(read.events).toEqual(events.filter((event) => event.stream === stream));
    expect(read.events.map(({ version }) => version)).toEqual(
      read.events.map((_, index) => BigInt(index + 1)),
    );
  }
}

async function storedMore(sent: readonly Sent[], count: number): Promise<void> {
  const stored = (): number => sent.filter(({ outcome }) => typeof outcome === 'object').length;
  const wanted = stored() + count;
  await until(() => stored() >= wanted, 60_000);
}

/** Every third one is an append of its own; every second one knows the version of its first stream. */
async function write(address: string, writer: number, sent: Sent[], signal: AbortSignal): Promise<void> {
  using client = connect(address);
  for (let round = 0; !signal.aborted; round++) {
    const id = randomUUID();
    const width = round % 3 === 0 ? 1 : 2 + (round % 3);
    const chosen = Array.from(
      { length: width },
      (_, index) => streams[(writer + round * 3 + index) % streams.length] as string,
    );
    const counts = chosen.map((_, index) => 1 + ((round + index) % 2));
    const eventCount = counts.reduce((sum, count) => sum + count, 0);
    const appends = chosen.map((stream, index) => ({
      stream,
      events: newEvents(counts[index] as number).map(({ id: eventId, type }) => ({
        id: eventId,
        type,
        metadata: { transaction: id, events: eventCount.toString() },
      })),
    }));
    const outcome = await append(client, appends, round).catch((error: unknown) =>
      error instanceof OutcomeUnknownError ? ('unknown' as const) : ('refused' as const),
    );
    sent.push({ id, streams: chosen, eventCount, outcome });
  }
}

type Appends = Parameters<SluiceClient['appendMulti']>[0];

async function append(client: SluiceClient, appends: Appends, round: number): Promise<AppendMultiResult> {
  const [first, ...others] = appends as [Appends[number], ...Appends[number][]];
  const checks = [{ stream: `${prefix}-checked`, expectedVersion: 0 }];
  if (others.length === 0) {
    const result = await client.append(first.stream, first.events);
    return { ...result, streams: [{ stream: first.stream, ...result }] };
  }
  if (round % 2 === 0) return client.appendMulti(appends, { checks });
  const { version } = await client.getVersion(first.stream);
  return client.appendMulti([{ ...first, expectedVersion: version }, ...others], { checks });
}

interface TransactionEvent {
  readonly stream: string;
  readonly version: bigint;
  readonly position: bigint;
  readonly metadata: ReadonlyMap<string, string>;
}

function byTransaction(events: readonly TransactionEvent[]): Map<string, TransactionEvent[]> {
  const transactions = new Map<string, TransactionEvent[]>();
  for (const event of events) {
    const id = event.metadata.get('transaction') ?? '';
    const own = transactions.get(id);
    if (own === undefined) transactions.set(id, [event]);
    else own.push(event);
  }
  return transactions;
}

/** Transactions of which some events are missing among these, or that do not lie at one position. */
function brokenSteps(events: readonly TransactionEvent[]): string[] {
  const transactions = byTransaction(events);
  return [...transactions].flatMap(([id, own]) => {
    const wanted = Number(own[0]?.metadata.get('events'));
    const positions = new Set(own.map(({ position }) => position)).size;
    return own.length === wanted && positions === 1
      ? []
      : [`transaction ${id}: ${own.length} of ${wanted} events at ${positions} positions`];
  });
}

/** Answers that are not so. */
function untrue(sent: readonly Sent[], events: readonly TransactionEvent[]): string[] {
  const transactions = byTransaction(events);
  return sent.flatMap(({ id, outcome }) => {
    const own = transactions.get(id) ?? [];
    if (outcome === 'unknown') return [];
    if (outcome === 'refused')
      return own.length === 0 ? [] : [`transaction ${id} was refused, and is stored`];
    const isThere = outcome.streams.every(({ stream, version, firstVersion }) => {
      const versions = own.filter((event) => event.stream === stream).map((event) => event.version);
      return versions[0] === firstVersion && versions.at(-1) === version;
    });
    const isAt = own.every(({ position }) => position === outcome.position);
    return isThere && isAt && own.length > 0 ? [] : [`transaction ${id} is not where it was said to be`];
  });
}

async function readAgainAndAgain(address: string, faults: string[], signal: AbortSignal): Promise<void> {
  using client = connect(address);
  while (!signal.aborted) {
    const events = [];
    try {
      for await (const event of client.readAll({ patterns: [`${prefix}.>`] })) events.push(event);
    } catch {
      continue; // the server is away
    }
    faults.push(...brokenSteps(events).map((fault) => `read: ${fault}`));
  }
}

/** Events of one position come in one go, so those of a transaction are all there when the next position begins. */
async function follow(address: string, faults: string[], signal: AbortSignal): Promise<void> {
  using client = connect(address);
  let last: TransactionEvent[] = [];
  const seen = new Set<bigint>();
  const events = client.subscribe({ patterns: [`${prefix}.>`], signal });
  try {
    for await (const event of events) {
      if (last[0] !== undefined && last[0].position !== event.position) {
        faults.push(...brokenSteps(last).map((fault) => `followed: ${fault}`));
        last = [];
        if (seen.has(event.position)) faults.push(`followed: position ${event.position} comes twice`);
      }
      seen.add(event.position);
      last.push(event);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
