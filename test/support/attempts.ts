import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallOptions } from '@grpc/grpc-js';
import type { Attempt, Outcome } from './history';
import type { RpcClient } from './rpc-client';
import { RpcFailure } from './rpc-failure';

/** An event with an id, so that a history shows what became of it. */
export interface MarkedEvent {
  readonly id: string;
  readonly type: string;
  readonly payload: { $case: 'binary'; value: Buffer };
}

export interface Append {
  readonly stream: string;
  readonly events: MarkedEvent[];
  readonly expectedVersion?: bigint | undefined;
  readonly commitId?: string;
  readonly withCommitTime?: boolean;
}

/** Events with ids and this many bytes of payload. */
export function newEvents(count: number, payloadBytes = 16): MarkedEvent[] {
  return Array.from({ length: count }, () => ({
    id: randomUUID(),
    type: 'Happened',
    payload: { $case: 'binary', value: Buffer.alloc(payloadBytes, 0x2e) },
  }));
}

/** Sends an append and records what its caller observed. Fails if the contract does not allow that. */
export async function attempt(client: RpcClient, append: Append, options?: CallOptions): Promise<Attempt> {
  const startedAt = performance.now();
  const outcome = await client
    .append({ ...append, events: [...append.events] }, options)
    .then(
      ({ firstVersion, version, position }): Outcome => ({ kind: 'stored', firstVersion, version, position }),
      outcomeOf,
    );
  const eventIds = append.events.map(({ id }) => id);
  const { expectedVersion } = append;
  return { eventIds, expectedVersion, startedAt, endedAt: performance.now(), outcome };
}

/** Reasons for which any call may fail. */
export const refusals: readonly string[] = [
  'STORE_UNAVAILABLE',
  'REPLICA_FILLING',
  'OVERLOADED',
  'DEADLINE_EXCEEDED',
  // The credential has expired, or is no longer in the auth file.
  'UNAUTHENTICATED',
];
/** Reasons that mean that nothing was stored. */
const appendRefusals = [...refusals, 'STORE_FULL'];

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof RpcFailure)) throw error;
  const conflict = error.detail('sluice.v1.VersionConflict');
  if (conflict !== undefined) return { kind: 'refused', actualVersion: conflict.actualVersion };
  if (error.reason !== undefined && appendRefusals.includes(error.reason)) {
    return { kind: 'refused', actualVersion: undefined };
  }
  // Without a reason the error does not come from the gateway: the connection was lost, or the deadline has passed.
  if (error.reason === undefined || error.reason === 'OUTCOME_UNKNOWN') return { kind: 'unknown' };
  throw error;
}

const pauseMs = 50;

/** Repeats an append with one commit id, as a careful caller does, until it is stored or in conflict. */
export async function insist(
  clients: readonly RpcClient[],
  append: Append,
  giveUpMs = 60_000,
): Promise<Attempt> {
  const repeated = { ...append, commitId: randomUUID() };
  const startedAt = performance.now();
  for (let turn = 0; ; turn++) {
    const client = clients[turn % clients.length] as RpcClient;
    const last = await attempt(client, repeated, { deadline: Date.now() + 5_000 });
    const { outcome } = last;
    const decided =
      outcome.kind === 'stored' || (outcome.kind === 'refused' && outcome.actualVersion !== undefined);
    if (decided) return { ...last, startedAt };
    if (performance.now() - startedAt > giveUpMs) throw new Error(`still ${outcome.kind} in the end`);
    await sleep(pauseMs);
  }
}
