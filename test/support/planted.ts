import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DeepPartial, Event } from '../../generated/sluice/v1/event';
import { serves } from '../acceptance/environment';
import { startSluice } from '../cli/process';
import { makeReplicaDir } from './replica-dir';
import { connectRpc, type RpcClient } from './rpc-client';

/** Something that must not be found anywhere once it was erased. */
export const secret = 'planted-secret-7d1f0a93';

/** An event that has it wherever a caller can put something that an erasure takes away. */
export function planted(id: string, bytes = 0): DeepPartial<Event> {
  return {
    id,
    type: 'Registered',
    payload: { $case: 'text', value: `${'x'.repeat(bytes)}${secret}` },
    contentType: `text/${secret}`,
    correlationId: secret,
    causationId: secret,
    tags: [secret],
    metadata: new Map([[secret, secret]]),
  };
}

/** An event without it. */
export function harmless(bytes = 200): DeepPartial<Event> {
  return { type: 'Happened', payload: { $case: 'text', value: 'y'.repeat(bytes) } };
}

/** The files below a folder that have it. A file that goes away meanwhile has nothing. */
export function filesWithSecret(folder: string): string[] {
  return filesIn(folder).filter((file) => has(join(folder, file)));
}

function filesIn(folder: string): string[] {
  for (;;) {
    try {
      const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1));
    } catch (error) {
      // A folder that goes away while it is read.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

function has(file: string): boolean {
  try {
    return readFileSync(file).includes(secret);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** A gateway that writes everything to its log, and looks for what it has to remove all the time. */
export interface Searched extends AsyncDisposable {
  readonly client: RpcClient;
  readonly replicaDir: string;
  /** All that it has written. */
  log(): string;
}

/** Starts one with a replica in a folder that the test knows. */
export async function startSearched(
  urls: readonly string[],
  flags: readonly string[] = [],
  replicaDir = makeReplicaDir(),
): Promise<Searched> {
  const nats = [`--nats-url=${urls.join(',')}`, '--create-store', ...flags];
  const gateway = ['--listen=127.0.0.1:0', `--replica-dir=${replicaDir}`, '--log-level=trace'];
  const process = await startSluice([...nats, ...gateway], {
    NODE_OPTIONS: `--require=${join(__dirname, 'set-limits.cjs')}`,
    LIMITS: JSON.stringify({ sweepIntervalMs: 200 }),
  });
  const client = connectRpc(await process.serving());
  await serves(client);
  return {
    client,
    replicaDir,
    log: () => process.stdout() + process.stderr(),
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await process[Symbol.asyncDispose]();
    },
  };
}

/**
 * Plants the secret in a store: in a commit of one message, a commit of several, and a transaction, among events without it. Erases it
 * everywhere, tombstones one of the streams and truncates another, and returns what every reader must get: for each version, whether
 * it is a stub.
 */
export async function plantAndErase(
  client: RpcClient,
  whilePlanted: () => void,
): Promise<[string, bigint, boolean][]> {
  const { streams } = client;
  const append = (stream: string, events: DeepPartial<Event>[]): Promise<unknown> =>
    client.append({ stream, events });
  for (let index = 0; index < 40; index++) await append(`other.${index % 4}`, [harmless(), harmless()]);
  await append('small', [harmless()]);
  await append('small', [planted('a'), planted('b')]);
  await append('small', [harmless()]);
  // Larger than one message, and large enough to be stored apart.
  await append('large', [planted('c', 700_000), harmless(900_000), planted('d', 700_000)]);
  await client.appendMulti({
    appends: [
      { stream: 'shared', events: [planted('e')] },
      { stream: 'other.0', events: [harmless()] },
    ],
  });
  await append('dead', [planted('f')]);
  await append('cut', [planted('g')]);
  await append('cut', [harmless()]);
  for (let index = 0; index < 40; index++) await append(`other.${index % 4}`, [harmless(), harmless()]);
  whilePlanted();
  const reason = 'the test searches for it';
  for (const [stream, fromVersion, toVersion] of [
    ['small', 2n, 3n],
    ['large', 1n, 3n],
    ['shared', 1n, 1n],
    ['dead', 1n, 1n],
    ['cut', 1n, 1n],
  ] as const)
    await streams.erase({ stream, fromVersion, toVersion, reason });
  // Not before: what is hidden is removed without overwriting it.
  await streams.tombstone({ stream: 'dead' });
  await streams.truncate({ stream: 'cut', beforeVersion: 2n });
  return [
    ['small', 1n, false],
    ['small', 2n, true],
    ['small', 3n, true],
    ['small', 4n, false],
    ['large', 1n, true],
    ['large', 2n, true],
    ['large', 3n, true],
    ['shared', 1n, true],
    ['cut', 2n, false],
  ];
}

/** The same as a gateway has it now. */
export async function readBack(client: RpcClient): Promise<[string, bigint, boolean][]> {
  const { events } = await client.readAll({ patterns: ['small', 'large', 'shared', 'dead', 'cut'] });
  return events.map(({ stream, version, erased }) => [stream, version, erased]);
}
