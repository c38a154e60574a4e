import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Limits } from '../../limits';
import { StoreUnavailableError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import type { Log, LogEnd } from '../../store/log';
import { cleanMark, removeCleanMark } from './clean-shutdown';
import { indexPath } from '../index/index-files';
import { isIndex, readHeaderOf } from '../index/index-header';
import { isDamagedReplica } from '../segments/damage';
import { fetchRecords } from '../segments/fetch-records';
import type { Judge } from './log-comparer';
import { lockPath } from '../index/index-files';
import { noIdTimes } from '../index/newest-ids';
import { errorOf } from '../segments/record';
import type { ReplicaFiles } from '../index/replica-files';
import { ReplicaIndex } from '../index/replica-index';
import { removeSegmentFiles } from '../segments/segment-files';
import { Segments } from '../segments/segments';
import { decodeState, type ReplicaState } from './state';

export interface ReplicaOptions {
  /** Of this gateway alone. */
  readonly folder: string;
  readonly log: Log;
  readonly limits: Limits;
  readonly logger: Logger;
}

/** The files, and what is in them. */
interface Opened {
  readonly files: ReplicaFiles;
  readonly state: ReplicaState;
}

/** Opens the files of a folder, or makes new ones if those that are there are not of the log that ends so, or damaged. */
export async function openFiles(
  options: ReplicaOptions,
  judge: Judge,
  end: LogEnd,
  call: CallContext,
): Promise<Opened> {
  const { folder, logger } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await findFiles(options, judge, end, call);
  if (typeof found !== 'string') return found;
  logger.info({ folder, reason: found }, 'the replica of the log is made');
  await removeFiles(folder);
  const index = new ReplicaIndex(join(folder, 'index'));
  try {
    return await openSegments(options, index, emptyState(end.identity));
  } catch (error) {
    await index.close();
    throw error;
  }
}

/** What lies in the folder, or why it cannot be used. Throws while that is not certain. */
async function findFiles(
  options: ReplicaOptions,
  judge: Judge,
  end: LogEnd,
  call: CallContext,
): Promise<Opened | string> {
  const { folder } = options;
  const mark = await cleanMark(folder);
  if (mark === 'cut') return 'a part of its index is gone';
  const index = openIndex(folder);
  if (typeof index === 'string') return index;
  try {
    const state = decodeState(index.state(), mark === 'clean');
    if (typeof state === 'string') return await without(index, state);
    const { reason, isCertain } = await judge.disagreement(end, { known: state, acknowledged: 0n }, call);
    if (reason !== undefined) {
      if (!isCertain) throw new StoreUnavailableError(`${reason}; asking again`);
      return await without(index, reason);
    }
    const opened = await openSegments(options, index, state);
    // Not before: an attempt that fails changes nothing, and the next one shall still know that it is clean.
    await removeCleanMark(folder);
    return opened;
  } catch (error) {
    await index.close();
    if (isDamagedReplica(error)) return `it is damaged: ${(error as Error).message}`;
    throw error;
  }
}

async function without(index: ReplicaIndex, reason: string): Promise<string> {
  await index.close();
  return reason;
}

async function openSegments(
  options: ReplicaOptions,
  index: ReplicaIndex,
  state: ReplicaState,
): Promise<Opened> {
  const { folder, limits, log } = options;
  const { end, applied: position } = state;
  const finishedBytes = (segment: number): number | undefined => index.finishedBytes(segment);
  const segments = await Segments.open(join(folder, 'segments'), limits, { end, position, finishedBytes });
  try {
    const files = { segments, index, log };
    await tellFaults(options, files);
    return { files, state };
  } catch (error) {
    await segments.close();
    throw error;
  }
}

/** Throws what is no matter of what lies in the file. */
function openIndex(folder: string): ReplicaIndex | string {
  const path = join(folder, 'index');
  const header = readHeaderOf(indexPath(path));
  if (header !== undefined && !isIndex(header)) return 'its index is not one';
  try {
    return new ReplicaIndex(path);
  } catch (error) {
    if (isDamagedReplica(error)) return `its index is damaged: ${(error as Error).message}`;
    throw error;
  }
}

/** Removes a replica, and nothing else that may lie in its folder. */
export async function removeFiles(folder: string): Promise<void> {
  await removeCleanMark(folder);
  const index = join(folder, 'index');
  for (const path of [indexPath(index), lockPath(index)]) await rm(path, { force: true });
  await removeSegmentFiles(join(folder, 'segments'));
}

function emptyState(identity: string): ReplicaState {
  return {
    identity,
    applied: 0n,
    last: undefined,
    end: { segment: 0, offset: 0 },
    newestNanos: 0n,
    idTimes: noIdTimes,
    lost: { messages: 0n, last: 0n },
  };
}

/** What cannot be read may have been met before this start. */
async function tellFaults({ log, limits }: ReplicaOptions, files: ReplicaFiles): Promise<void> {
  const located = files.index.locations('damage', 0n, 0n, limits.unreadableRememberedMax);
  for (const { bytes, header } of await fetchRecords(files, located)) {
    if (header.kind !== 'lost' || log.faults.isIncomplete) log.faults.noteUnreadable(errorOf(bytes, header));
  }
}
