import { setTimeout as sleep } from 'node:timers/promises';
import { attempt, insist, newEvents } from './attempts';
import { historyFaults, type Attempt } from './history';
import { until } from './nats-server';
import type { RpcClient } from './rpc-client';

/** Callers that append to streams all the time, and what they saw. */
export interface Writers {
  /** How many appends ended so. */
  count(kind: Attempt['outcome']['kind']): number;
  /** Waits until so many more appends have been stored; fails at once if a writer has failed. */
  more(appends: number): Promise<void>;
  /** Lets the appends under way end, reads all streams through a client, and tells what is wrong with them. */
  faults(client: RpcClient): Promise<string[]>;
}

export interface WritersOptions {
  readonly streams: readonly string[];
  /** Events of one append; each writer goes round. */
  readonly counts: readonly number[];
  readonly payloadBytes: number;
}

const writersPerStream = 4;
/** After a refusal, as a caller does; it also bounds the history. */
const pauseMs = 20;

/**
 * Starts four writers for each stream, over all clients: they expect a version or do not, give up or insist, ask for the
 * commit time or do not, in all combinations.
 */
export function startWriters(clients: readonly RpcClient[], options: WritersOptions): Writers {
  const stop = new AbortController();
  const histories = new Map(options.streams.map((stream) => [stream, [] as Attempt[]]));
  const all = [...histories].flatMap(([stream, attempts]) =>
    Array.from({ length: writersPerStream }, (_, number) =>
      write(clients, stream, number, options, attempts, stop.signal),
    ),
  );
  let failure: unknown;
  const ended = Promise.all(all);
  ended.catch((error: unknown) => (failure = error));
  const count: Writers['count'] = (kind) =>
    [...histories.values()].flat().filter(({ outcome }) => outcome.kind === kind).length;
  return {
    count,
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
      for (const [stream, attempts] of histories) {
        const { events } = await client.readStream({ stream });
        faults.push(...historyFaults(attempts, events).map((fault) => `${stream}: ${fault}`));
      }
      return faults;
    },
  };
}

async function write(
  clients: readonly RpcClient[],
  stream: string,
  number: number,
  { counts, payloadBytes }: WritersOptions,
  attempts: Attempt[],
  signal: AbortSignal,
): Promise<void> {
  let known: bigint | undefined;
  for (let turn = number; !signal.aborted; turn++) {
    const events = newEvents(counts[turn % counts.length] as number, payloadBytes);
    const expectedVersion = turn % 2 === 0 ? undefined : known;
    const append = { stream, events, expectedVersion, withCommitTime: turn % 3 === 0 };
    const order = turn % clients.length;
    const inTurn = [...clients.slice(order), ...clients.slice(0, order)];
    const done =
      number < writersPerStream / 2
        ? await attempt(inTurn[0] as RpcClient, append)
        : await insist(inTurn, append);
    attempts.push(done);
    const { outcome } = done;
    if (outcome.kind === 'stored') known = outcome.version;
    else if (outcome.kind === 'refused') known = outcome.actualVersion ?? known;
    if (outcome.kind !== 'stored') await sleep(pauseMs);
  }
}
