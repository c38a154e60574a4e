import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { refusals } from './attempts';
import type { Look } from './history';
import type { RpcClient } from './rpc-client';
import { RpcFailure } from './rpc-failure';

/** The usual number of events of a read; some reads have all events. */
const someEvents = 20n;
const wholeReads = 40;
const restMs = 40;
/** A lookup in a gateway that has halted is given up after this time. */
const patienceMs = 2_000;

/** Looks up the version of a stream and reads it, in turns, until it is stopped. */
export async function keepLooking(
  client: RpcClient,
  stream: string,
  looks: Look[],
  signal: AbortSignal,
): Promise<void> {
  let known = 0n;
  for (let turn = 1; !signal.aborted; turn++) {
    const from = turn % wholeReads === 0 || known < someEvents ? 1n : known - someEvents + 1n;
    known = (await look(client, stream, turn % 2 === 0 ? from : undefined, looks)) ?? known;
    await sleep(restMs);
  }
}

/** Looks up the version or reads from one on, records the result, and resolves with the version. A failed lookup says nothing. */
export async function look(
  client: RpcClient,
  stream: string,
  fromVersion: bigint | undefined,
  looks: Look[],
): Promise<bigint | undefined> {
  const startedAt = performance.now();
  const options = { deadline: Date.now() + patienceMs };
  try {
    const { version, read } =
      fromVersion === undefined
        ? { ...(await client.getVersion({ stream }, options)), read: undefined }
        : await readFrom(client, stream, fromVersion, options);
    looks.push({ startedAt, endedAt: performance.now(), version, read });
    return version;
  } catch (error) {
    if (!(error instanceof RpcFailure)) throw error;
    // Without a reason the error does not come from the gateway.
    if (error.reason !== undefined && !refusals.includes(error.reason)) throw error;
    return undefined;
  }
}

async function readFrom(
  client: RpcClient,
  stream: string,
  fromVersion: bigint,
  options: { readonly deadline: number },
): Promise<Pick<Look, 'version' | 'read'>> {
  const { header, events } = await client.readStream({ stream, fromVersion }, options);
  return { version: header.version, read: { fromVersion, eventIds: events.map(({ id }) => id) } };
}
