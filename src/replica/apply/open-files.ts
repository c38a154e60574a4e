import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Limits } from '../../limits';
import { StoreUnavailableError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { Log, LogEnd } from '../../store/log';
import { beginning } from '../../store/values';
import { noIdTimes } from '../index/commit-id-filter';
import { indexPath, lockPath } from '../index/index-files';
import { isIndex, readHeaderOf } from '../index/index-header';
import type { ReplicaFiles } from '../index/replica-files';
import { ReplicaIndex } from '../index/replica-index';
import { isDamagedReplica } from '../segments/damage';
import { fetchRecords } from '../segments/fetch-records';
import { errorOf } from '../segments/record';
import { removeSegmentFiles } from '../segments/segment-files';
import { Segments, type SegmentBounds } from '../segments/segments';
import { readShutdownState, removeCleanShutdownMark } from './clean-shutdown';
import type { LogComparer } from './log-comparer';
import { decodeState, type ReplicaState } from './state';

export interface ReplicaOptions {
  /** The folder of the replica, which no other gateway uses. */
  readonly folder: string;
  readonly log: Log;
  readonly limits: Limits;
  readonly logger: Logger;
  /** Other processes that read the replica; undefined: no other process reads it. */
  readonly readers?: ReplicaReaders | undefined;
}

/** Other processes that read the files of a replica. */
export interface ReplicaReaders {
  /** Whether one of them has subscribers, so that new commits are fetched at once. */
  readonly areAwaiting: boolean;
  /** The files have more, or the state of the replica has changed. */
  advanced(): void;
  /** No new commits arrive from the log, and have not for a while. */
  down(message: string): void;
  /** Resolves when no reader has the files open any more. */
  closing(): Promise<void>;
  /** The replica is closed. */
  close(): void;
}

/** The files of a replica that this process writes. */
export interface WrittenFiles extends ReplicaFiles {
  readonly segments: Segments;
}

export interface OpenedFiles {
  readonly files: WrittenFiles;
  readonly state: ReplicaState;
}

/** The log with which existing files are compared. */
export interface ComparedLog {
  readonly end: LogEnd;
  readonly comparer: LogComparer;
}

/** Opens the files of a replica, or creates new ones if the existing ones are damaged or do not match the log. */
export async function openFiles(
  options: ReplicaOptions,
  compared: ComparedLog,
  call: CallContext,
): Promise<OpenedFiles> {
  const { folder, logger } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await openExisting(options, compared, call);
  if (typeof found !== 'string') return found;
  logger.info({ folder, reason: found }, 'creating the replica of the log');
  await removeFiles(folder);
  const index = new ReplicaIndex(indexFolder(folder));
  try {
    return await openWith(options, index, emptyState(compared.end.identity));
  } catch (error) {
    await index.close();
    throw error;
  }
}

/** Opens the existing files; returns the reason if they cannot be used. Throws while that is not certain. */
async function openExisting(
  options: ReplicaOptions,
  compared: ComparedLog,
  call: CallContext,
): Promise<OpenedFiles | string> {
  const { folder } = options;
  const shutdown = await readShutdownState(folder);
  if (shutdown === 'truncated') return 'its index is truncated';
  const index = openIndex(folder);
  if (typeof index === 'string') return index;
  try {
    const stored = decodeState(index.state(), shutdown === 'clean');
    const state = typeof stored === 'string' ? stored : await matchingState(stored, compared, call);
    if (typeof state === 'string') {
      await index.close();
      return state;
    }
    const opened = await openWith(options, index, state);
    // Only now: a failed attempt must not make the next one believe that the shutdown was unclean.
    await removeCleanShutdownMark(folder);
    return opened;
  } catch (error) {
    await index.close();
    if (isDamagedReplica(error)) return `it is damaged: ${(error as Error).message}`;
    throw error;
  }
}

/** The state if it matches the log, otherwise the mismatch. Throws while that is not certain. */
async function matchingState(
  state: ReplicaState,
  { end, comparer }: ComparedLog,
  call: CallContext,
): Promise<ReplicaState | string> {
  const { mismatch, isCertain } = await comparer.compare(end, { known: state, acknowledged: 0n }, call);
  if (mismatch !== undefined && !isCertain) throw new StoreUnavailableError(`${mismatch}; trying again`);
  return mismatch ?? state;
}

async function openWith(
  options: ReplicaOptions,
  index: ReplicaIndex,
  state: ReplicaState,
): Promise<OpenedFiles> {
  const { folder, limits, log } = options;
  const segments = await openSegments(folder, limits, index, state);
  try {
    const files = { segments, index, log };
    await noteStoredFaults(options, files);
    return { files, state };
  } catch (error) {
    await segments.close();
    throw error;
  }
}

/** Opens the segments of a replica up to the end that its state has. Throws DamagedReplicaError. */
export function openSegments(
  folder: string,
  bounds: SegmentBounds,
  index: ReplicaIndex,
  { end, applied: position }: ReplicaState,
): Promise<Segments> {
  const sealedBytes = (segment: number): number | undefined => index.sealedBytes(segment);
  return Segments.open(segmentsFolder(folder), bounds, { end, position, sealedBytes });
}

/** Opens the index of a replica, or returns why it cannot be used. Throws other errors of the file system. */
function openIndex(folder: string): ReplicaIndex | string {
  const path = indexFolder(folder);
  const header = readHeaderOf(indexPath(path));
  if (header !== undefined && !isIndex(header))
    return 'its index is not an LMDB file of this kind of machine';
  try {
    return new ReplicaIndex(path);
  } catch (error) {
    if (isDamagedReplica(error)) return `its index is damaged: ${(error as Error).message}`;
    throw error;
  }
}

/** Removes a replica, and nothing else from its folder. */
export async function removeFiles(folder: string): Promise<void> {
  await removeCleanShutdownMark(folder);
  const index = indexFolder(folder);
  for (const path of [indexPath(index), lockPath(index)]) await rm(path, { force: true });
  await removeSegmentFiles(segmentsFolder(folder));
}

/** The folder of the index of a replica. */
export function indexFolder(folder: string): string {
  return join(folder, 'index');
}

/** The folder of the segments of a replica. */
export function segmentsFolder(folder: string): string {
  return join(folder, 'segments');
}

function emptyState(identity: string): ReplicaState {
  return {
    identity,
    applied: beginning,
    last: undefined,
    end: { segment: 0, offset: 0 },
    newestNanos: 0n,
    idTimes: noIdTimes,
    lost: { messages: 0n, last: 0n },
  };
}

/** Notes the damage that was found before this start. */
export async function noteStoredFaults(
  { log, limits }: Pick<ReplicaOptions, 'log' | 'limits'>,
  files: ReplicaFiles,
): Promise<void> {
  const located = files.index.locations('damage', 0n, 0n, limits.unreadableRememberedMax);
  for (const { bytes, header } of await fetchRecords(files, located))
    if (header.kind !== 'lost' || log.faults.isIncomplete) log.faults.noteUnreadable(errorOf(bytes, header));
}
