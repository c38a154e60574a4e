import { setTimeout as sleep } from 'node:timers/promises';
import { attempt, insist, newEvents } from './attempts';
import { historyFaults, type Attempt, type Look } from './history';
import { keepLooking, look } from './lookers';
import { until } from './nats-server';
import type { RpcClient } from './rpc-client';
import { writeInSessions } from './session-writer';

/** What the callers of one stream observed. */
export interface StreamHistory {
  readonly attempts: Attempt[];
  readonly looks: Look[];
}

/** Callers that append to streams and read them all the time, and what they observed. */
export interface Writers {
  /** The number of appends with this outcome. */
  count(kind: Attempt['outcome']['kind']): number;
  /** How many lookups and reads were served. */
  readonly looks: number;
  /** Waits until this many more appends have been stored; fails at once if a writer has failed. */
  more(appends: number): Promise<void>;
  /** Waits for the appends under way, reads all streams through a client, and resolves with their faults. */
  faults(client: RpcClient): Promise<string[]>;
  /** By stream. */
  readonly histories: ReadonlyMap<string, StreamHistory>;
}

export interface WritersOptions {
  readonly streams: readonly string[];
  /** Event counts of the appends, which each writer cycles through. */
  readonly counts: readonly number[];
  readonly payloadBytes: number;
  /** How long each writer pauses between two appends. Default: not at all. */
  readonly restMs?: number;
}

const writersPerStream = 4;
/** A pause after a refusal, as callers make; it also bounds the history. */
const pauseMs = 20;

/**
 * Starts four writers for each stream, over all clients: with and without an expected version, with and without retries, with and
 * without the commit time, in all combinations; one of the four appends in sessions. Another caller for each client looks up
 * the version and reads.
 */
export function startWriters(clients: readonly RpcClient[], options: WritersOptions): Writers {
  const stop = new AbortController();
  const { signal } = stop;
  const histories = new Map<string, StreamHistory>();
  for (const stream of options.streams) histories.set(stream, { attempts: [], looks: [] });
  const all = [...histories].flatMap(([stream, history]) => [
    ...Array.from({ length: writersPerStream - 1 }, (_, number) =>
      write(clients, stream, number, options, history, signal),
    ),
    writeInSessions(clients, stream, options, history.attempts, signal),
    ...clients.map((client) => keepLooking(client, stream, history.looks, signal)),
  ]);
  let failure: unknown;
  const ended = Promise.all(all);
  ended.catch((error: unknown) => (failure = error));
  const count: Writers['count'] = (kind) =>
    [...histories.values()].reduce(
      (sum, { attempts }) => sum + attempts.filter(({ outcome }) => outcome.kind === kind).length,
      0,
    );
  return {
    count,
    get looks() {
      return [...histories.values()].reduce((sum, { looks }) => sum + looks.length, 0);
    },
    histories,
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
      const faults: string[] = [];
      for (const [stream, { attempts, looks }] of histories) {
        const { events } = await client.readStream({ stream });
        faults.push(...historyFaults(attempts, events, looks).map((fault) => `${stream}: ${fault}`));
      }
      return faults;
    },
  };
}

async function write(
  clients: readonly RpcClient[],
  stream: string,
  number: number,
  { counts, payloadBytes, restMs = 0 }: WritersOptions,
  { attempts, looks }: StreamHistory,
  signal: AbortSignal,
): Promise<void> {
  let known: bigint | undefined;
  for (let turn = number; !signal.aborted; turn++) {
    const events = newEvents(counts[turn % counts.length] as number, payloadBytes);
    const expectedVersion = turn % 2 === 0 ? undefined : known;
    const append = { stream, events, expectedVersion, withCommitTime: turn % 3 === 0 };
    const order = turn % clients.length;
    const inTurn = [...clients.slice(order), ...clients.slice(0, order)];
    const done = number === 0 ? await attempt(inTurn[0] as RpcClient, append) : await insist(inTurn, append);
    attempts.push(done);
    const { outcome } = done;
    if (outcome.kind === 'stored') known = outcome.version;
    else if (outcome.kind === 'refused') known = outcome.actualVersion ?? known;
    // What one gateway has acknowledged is visible through the next one at once.
    if (outcome.kind === 'stored')
      await look(inTurn.at(-1) as RpcClient, stream, turn % 3 === 0 ? known : undefined, looks);
    const restsMs = outcome.kind === 'stored' ? restMs : Math.max(restMs, pauseMs);
    if (restsMs > 0) await sleep(restsMs);
  }
}
