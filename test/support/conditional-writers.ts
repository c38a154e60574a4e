import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { refusals } from './attempts';
import { predecessorFaults, type LoggedEvent } from './condition-history';
import type { Attempt, Outcome } from './history';
import { until } from './nats-server';
import { randomFrom, type Random } from './random';
import type { RpcClient } from './rpc-client';
import { RpcFailure } from './rpc-failure';
import type { StreamHistory, Writers } from './writers';

const conditionalWriters = 32;
/** They append without a condition, and so disturb the others. */
const plainWriters = 4;
const hotTags = ['hot:1', 'hot:2'];
const coldTags = 200;
const restMs = 20;
const deadlineMs = 5_000;
const pageOfLog = 50;

/**
 * Starts callers that look with a query of tags, and append an event with these tags on condition that no other one was stored since,
 * over all clients; hot tags, which many use, and cold ones. Each event stores the last one that its writer had seen. In the end, each
 * one is compared with the log, and what was acknowledged must be there.
 */
export function startConditionalWriters(clients: readonly RpcClient[], run: string): Writers {
  const stop = new AbortController();
  const attempts: Attempt[] = [];
  let looks = 0;
  let failure: unknown;
  const begin = async (number: number): Promise<void> => {
    const random = randomFrom(number);
    while (!stop.signal.aborted) {
      const client = clients[Math.floor(random() * clients.length)] as RpcClient;
      const tags = chooseTags(random, run);
      const seen = number < conditionalWriters ? await look(client, tags) : undefined;
      if (seen !== undefined) looks++;
      if (seen !== 'refused') attempts.push(await append(client, { run, random, tags, seen }));
      await sleep(random() * restMs);
    }
  };
  const ended = Promise.all(
    Array.from({ length: conditionalWriters + plainWriters }, (_, number) => begin(number)),
  );
  ended.catch((error: unknown) => (failure = error));
  const count: Writers['count'] = (kind) => attempts.filter(({ outcome }) => outcome.kind === kind).length;
  return {
    count,
    get looks() {
      return looks;
    },
    get histories() {
      return new Map<string, StreamHistory>();
    },
    async more(appends) {
      const enough = count('stored') + appends;
      await until(() => {
        if (failure !== undefined) throw failure as Error;
        return count('stored') >= enough;
      }, 60_000);
    },
    async faults(client) {
      stop.abort();
      await ended;
      const { events } = await client.readAll({ patterns: [`${run}.>`] });
      const stored = new Map(events.map(({ id, position }) => [id, position]));
      const lost = attempts.filter(
        ({ outcome, eventIds }) =>
          (outcome.kind === 'stored') !== stored.has(eventIds[0] ?? '') && outcome.kind !== 'unknown',
      );
      const twice = events.length - stored.size;
      return [
        ...predecessorFaults(events.map(toLogged)),
        ...lost.map(
          ({ eventIds, outcome }) => `event ${String(eventIds[0])} was ${outcome.kind}, and the log differs`,
        ),
        ...(twice > 0 ? [`${twice} events are stored twice`] : []),
      ];
    },
  };
}

function toLogged(event: {
  readonly id: string;
  readonly position: bigint;
  readonly tags: readonly string[];
  readonly metadata: ReadonlyMap<string, string>;
}): LoggedEvent {
  const seen = event.metadata.get('seen');
  return { ...event, seen: seen === undefined ? undefined : BigInt(seen) };
}

function chooseTags(random: Random, run: string): string[] {
  const one = (tags: readonly string[]): string => tags[Math.floor(random() * tags.length)] as string;
  const cold = `${run}:cold:${Math.floor(random() * coldTags)}`;
  const hot = `${run}:${one(hotTags)}`;
  const kind = random();
  if (kind < 0.3) return [hot];
  return kind < 0.8 ? [cold] : [hot, cold];
}

/** What a caller has seen of a query. */
interface Seen {
  /** The last event. */
  readonly last: bigint;
  /** Up to here. */
  readonly position: bigint;
}

async function look(client: RpcClient, tags: readonly string[]): Promise<Seen | 'refused'> {
  try {
    const request = { query: { items: [{ tags: [...tags] }] }, page: { eventsMax: pageOfLog } };
    const { header, events } = await client.readAll(request);
    return { last: events.at(-1)?.position ?? 0n, position: header.position };
  } catch (error) {
    if (!(error instanceof RpcFailure)) throw error;
    if (error.reason !== undefined && !refusals.includes(error.reason)) throw error;
    return 'refused';
  }
}

interface Decided {
  readonly run: string;
  readonly random: Random;
  readonly tags: string[];
  /** undefined: without a condition. */
  readonly seen: Seen | undefined;
}

async function append(client: RpcClient, { run, random, tags, seen }: Decided): Promise<Attempt> {
  const id = randomUUID();
  const metadata = new Map(seen === undefined ? [] : [['seen', seen.last.toString()]]);
  const condition = seen && { query: { items: [{ tags }] }, afterPosition: seen.position };
  const stream = `${run}.${Math.floor(random() * 50)}`;
  const startedAt = performance.now();
  const request = { stream, events: [{ id, type: 'Decided', tags, metadata }], condition };
  const outcome = await client
    .append(request, { deadline: Date.now() + deadlineMs })
    .then(
      ({ firstVersion, version, position }): Outcome => ({ kind: 'stored', firstVersion, version, position }),
      outcomeOf,
    );
  return { eventIds: [id], expectedVersion: undefined, startedAt, endedAt: performance.now(), outcome };
}

const notStored: readonly string[] = [
  ...refusals,
  'APPEND_CONDITION_FAILED',
  'CONDITION_CONTENDED',
  'STORE_FULL',
];

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof RpcFailure)) throw error;
  if (error.reason === undefined || error.reason === 'OUTCOME_UNKNOWN') return { kind: 'unknown' };
  if (notStored.includes(error.reason)) return { kind: 'refused', actualVersion: undefined };
  throw error;
}
