import { randomUUID } from 'node:crypto';
import type { Limits } from '../../limits';
import { callApi, streamInfo, type StreamConfig, type StreamInfo } from './api';
import { isRefused } from './errors';
import { unknownFeatures, withFeaturesOf } from './features';
import type { Link } from './link';
import { atLeast, natsVersionFloor } from '../../versions';
import type { StoreOptions } from './options';
import { unfinishedRestore } from './unfinished-restore';

/** The key of the store id in the metadata of the stream. */
const storeIdKey = 'sluice-store-id';

/** The id that the stream got when Sluice created it; "": the stream has no id. */
export function storeIdOf({ metadata }: StreamConfig): string {
  const id = (metadata as Readonly<Record<string, unknown>> | undefined)?.[storeIdKey];
  return typeof id === 'string' ? id : '';
}

/** The store cannot be served as it is; the message says what was found and what Sluice needs. */
export class StoreOpenError extends Error {}

/** The subject prefix of an index beside the log in older stores; a log must not use it. */
export const indexPrefix = 'ix';

type StreamOptions = Pick<StoreOptions, 'name' | 'prefix' | 'replicas'>;

/** What every stream of a store must have, so that NATS drops, changes and refuses nothing by itself. */
export function lastingStream({
  replicas,
}: Pick<StreamOptions, 'replicas'>): Readonly<Record<string, unknown>> {
  return {
    storage: 'file',
    retention: 'limits',
    discard: 'new',
    num_replicas: replicas,
    max_age: 0,
    max_msgs: -1,
    max_consumers: -1,
    max_msg_size: -1,
    allow_rollup_hdrs: false,
    allow_msg_counter: false,
    allow_msg_schedules: false,
    no_ack: false,
    sealed: false,
    mirror: undefined,
    sources: undefined,
    subject_transform: undefined,
    persist_mode: undefined,
    // They would apply to the consumers of the gateway, which then could not be created, or would stall.
    consumer_limits: {},
  };
}

/** The configuration that the log must have. Other fields, such as `max_bytes`, are up to the operator. */
export function logConfig(options: StreamOptions, limits: Limits): StreamConfig {
  return {
    name: options.name,
    description: 'Sluice event store: do not publish here by hand, see docs/storage.md',
    subjects: [`${options.prefix}.>`],
    // Events never expire and are never dropped to make space.
    ...lastingStream(options),
    max_msgs_per_subject: -1,
    allow_direct: true,
    allow_atomic: true,
    duplicate_window: limits.duplicateWindowMs * 1_000_000,
  };
}

/** Settings of a log from which nothing can be removed. NATS never takes them back. */
export const immutableSettings = { deny_delete: true, deny_purge: true } as const;

/** Whether NATS refuses to remove messages, or some ways to do it. */
export function isImmutable(config: StreamConfig): boolean {
  return Object.keys(immutableSettings).some((field) => config[field] === true);
}

/** Options for opening a stream. */
export interface Opening {
  readonly timeoutMs: number;
  /** Whether the stream is created if it does not exist. */
  readonly mayCreate: boolean;
  /** Of a stream that is created. Default: 1. */
  readonly firstSequence?: number;
  /** Whether a stream that is created is immutable. Default: false. */
  readonly immutable?: boolean | undefined;
}

/** Opens a stream. Throws StoreOpenError if its configuration differs, or if it does not exist and may not be created. */
export async function openStream(link: Link, wanted: StreamConfig, opening: Opening): Promise<StreamInfo> {
  const info = await findOrCreate(link, wanted, opening);
  checkStream(info, wanted);
  return info;
}

/** Throws StoreOpenError if the stream cannot be used as it is. */
export function checkStream(info: StreamInfo, wanted: StreamConfig): void {
  if (unfinishedRestore(info.config) !== undefined) throw new StoreOpenError(notRestored(wanted.name));
  const unknown = unknownFeatures(info.config);
  if (unknown.length > 0) throw new StoreOpenError(tooNew(wanted.name, unknown));
  const wrong = disagreements(info.config, wanted);
  if (wrong.length > 0) {
    throw new StoreOpenError(
      `the JetStream stream ${wanted.name} exists, but not with the configuration that a Sluice store needs:\n` +
        wrong.map((line) => `  ${line}`).join('\n') +
        `\n${remedy(wrong)}`,
    );
  }
  checkSequences(info);
}

/** NATS refuses to change these fields, or to reset them. */
const lasting = ['storage', 'mirror', 'sealed', 'persist_mode', 'allow_msg_counter', 'allow_msg_schedules'];

function remedy(wrong: readonly string[]): string {
  const fixed = lasting.filter((field) => wrong.some((line) => line.startsWith(`${field}:`)));
  if (fixed.length === 0) return 'Use another store name, or edit the stream with the nats command line.';
  return (
    `NATS cannot change ${fixed.join(', ')} of an existing stream. ` +
    'Use another store name; or back up the stream, delete it, and restore it with another\n' +
    'configuration: nats stream backup, nats stream rm, nats stream restore --config.'
  );
}

/** Numbers in JSON are exact up to 2^53, so this leaves space for more messages than any log has. */
const sequenceMax = 2 ** 52;

/** Throws StoreOpenError if the sequences of the stream are so large that they cannot be distinguished. */
function checkSequences({ config, state }: StreamInfo): void {
  if (Math.max(state.first_seq, state.last_seq) <= sequenceMax) return;
  throw new StoreOpenError(
    `the sequences of the JetStream stream ${config.name} are above ${sequenceMax.toString()} and no longer exact ` +
      `(first_seq ${state.first_seq.toString()}).\n` +
      'Use another store name, or create the stream again without first_seq.',
  );
}

/** The setting cannot be reset, and does no harm while no publisher uses it. */
export function messageTtlWarning(name: string): string {
  return (
    `the JetStream stream ${name} has allow_msg_ttl, which cannot be reset: Sluice never sets a time to live, but ` +
    'another publisher could, and its messages would be removed from the log'
  );
}

/** Finds a stream, or creates it if it may. Throws StoreOpenError. */
export async function findOrCreate(
  link: Link,
  wanted: StreamConfig,
  { timeoutMs, mayCreate, firstSequence, immutable = false }: Opening,
): Promise<StreamInfo> {
  try {
    return await streamInfo(link, wanted.name, undefined, { timeoutMs });
  } catch (error) {
    if (!isRefused(error, 'streamNotFound')) throw openError(error);
    if (!mayCreate) throw new StoreOpenError(notFound(wanted.name), { cause: error });
  }
  try {
    const settings = immutable ? immutableSettings : {};
    return await create(link, { ...wanted, ...settings, first_seq: firstSequence }, timeoutMs);
  } catch (error) {
    throw openError(error, wanted.name);
  }
}

async function create(link: Link, wanted: StreamConfig, timeoutMs: number): Promise<StreamInfo> {
  const created = { ...wanted, metadata: { [storeIdKey]: randomUUID() } };
  try {
    return await callApi<StreamInfo>(link, `STREAM.CREATE.${wanted.name}`, created, { timeoutMs });
  } catch (error) {
    if (!isRefused(error, 'streamNameExist')) throw error;
    // Another gateway has created it meanwhile, with another store id.
    return streamInfo(link, wanted.name, undefined, { timeoutMs });
  }
}

/** NATS also reports "not found" if it cannot read the files of a stream: creating it then can destroy their content. */
function notFound(name: string): string {
  return (
    `NATS has no JetStream stream ${name}.\n` +
    '  For a new store, start once with --create-store.\n' +
    '  If the store should exist, do not create it: that can delete what is on disk. Check whether the NATS server was\n' +
    '  started without its encryption key, with another store_dir, or for another account or domain.'
  );
}

function tooNew(name: string, unknown: readonly string[]): string {
  return (
    `the store ${name} has what this version of Sluice does not know: ${unknown.join(', ')}.\n` +
    '  Use a later version.'
  );
}

function notRestored(name: string): string {
  return (
    `the store ${name} is being restored from a backup, or its restore was interrupted: it may have only a part of the events.\n` +
    '  If no sluice restore is under way, delete the stream (nats stream rm) and restore the backup again.'
  );
}

function openError(error: unknown, creating?: string): unknown {
  if (!(error instanceof Error)) return error;
  const what =
    creating === undefined ? 'JetStream cannot be used' : `the stream ${creating} cannot be created`;
  return new StoreOpenError(`${what}: ${error.message}`, { cause: error });
}

/** A line for each field that differs. The server leaves out fields that are false, empty or zero. */
export function disagreements(found: StreamConfig, wanted: StreamConfig): string[] {
  const lines: string[] = [];
  for (const [field, need] of Object.entries(withFeaturesOf(found, wanted))) {
    if (field === 'description') continue;
    const has = found[field];
    if (JSON.stringify(has ?? emptyOf(need)) !== JSON.stringify(need ?? emptyOf(has))) {
      lines.push(`${field}: found ${show(has)}, needed ${show(need)}`);
    }
  }
  return lines;
}

function emptyOf(value: unknown): unknown {
  if (typeof value === 'boolean') return false;
  if (typeof value === 'number') return 0;
  if (Array.isArray(value)) return [];
  if (typeof value === 'object') return {};
  return value === undefined ? undefined : '';
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

/** Throws StoreOpenError if the server is older than Sluice needs. */
export function checkServerVersion(link: Link): void {
  if (!atLeast(link.serverVersion, natsVersionFloor)) {
    throw new StoreOpenError(
      `nats-server ${link.serverVersion} is too old: Sluice needs ${natsVersionFloor} or later (atomic batches)`,
    );
  }
}
