import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Limits } from '../limits';
import { StoreUnavailableError } from '../store/errors';
import type { CallContext } from '../store/event-store';
import type { Log, LogEnd } from '../store/log';
import { indexPath, takeCleanMark } from './clean-mark';
import { isIndex, readHeaderOf } from './index-header';
import { fetchRecords } from './fetch';
import type { Judge } from './judge';
import { errorOf } from './record';
import { ReplicaIndex } from './replica-index';
import { Segments } from './segments';
import { take } from './take';
import { decodeState, type ReplicaState } from './state';

/** The files of a replica, opened. They are others after it was made again. */
export interface OpenFiles {
  readonly segments: Segments;
  readonly index: ReplicaIndex;
  /** For what is not in the segments any more. */
  readonly log: Log;
}

export interface ReplicaOptions {
  /** Of this gateway alone. */
  readonly folder: string;
  readonly log: Log;
  readonly limits: Limits;
  readonly logger: Logger;
}

/** Opens the files of a folder, or makes new ones if those that are there are not of the log that ends so. */
export async function openFiles(
  options: ReplicaOptions,
  judge: Judge,
  end: LogEnd,
  call: CallContext,
): Promise<{ readonly files: OpenFiles; readonly state: ReplicaState }> {
  const { folder, logger, limits } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await findFiles(folder, judge, end, call);
  const index = typeof found === 'string' ? await newIndex(folder, found, logger) : found.index;
  const state = typeof found === 'string' ? emptyState(end.identity) : found.state;
  try {
    const segments = await Segments.open(join(folder, 'segments'), limits, state.end, state.applied);
    const files = { segments, index, log: options.log };
    await tellFaults(options, files);
    return { files, state };
  } catch (error) {
    await index.close();
    throw error;
  }
}

interface Found {
  readonly index: ReplicaIndex;
  readonly state: ReplicaState;
}

/** What lies in a folder, or why it cannot be used. Throws while that is not certain. */
async function findFiles(
  folder: string,
  judge: Judge,
  end: LogEnd,
  call: CallContext,
): Promise<Found | string> {
  const mark = await takeCleanMark(folder);
  if (mark === 'cut') return 'a part of its index is gone';
  const index = openIndex(folder);
  if (typeof index === 'string') return index;
  try {
    const state = decodeState(index.state(), mark === 'clean');
    if (typeof state === 'string') {
      await index.close();
      return state;
    }
    const { reason, isCertain } = await judge.disagreement(end, { known: state, acknowledged: 0n }, call);
    if (reason === undefined) return { index, state };
    if (!isCertain) throw new StoreUnavailableError(`${reason}; asking again`);
    await index.close();
    return reason;
  } catch (error) {
    await index.close();
    throw error;
  }
}

/** What is no matter of what lies in the files. */
const passing = ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM', 'EIO'];

function openIndex(folder: string): ReplicaIndex | string {
  try {
    const path = join(folder, 'index');
    const header = readHeaderOf(indexPath(path));
    if (header !== undefined && !isIndex(header)) return 'its index is not one';
    return new ReplicaIndex(path);
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (passing.includes(code)) throw error;
    return `its index cannot be opened: ${message}`;
  }
}

async function newIndex(folder: string, reason: string, logger: Logger): Promise<ReplicaIndex> {
  logger.info({ folder, reason }, 'the replica of the log is made');
  await removeFiles(folder);
  return new ReplicaIndex(join(folder, 'index'));
}

export async function removeFiles(folder: string): Promise<void> {
  for (const name of ['index', 'segments']) await rm(join(folder, name), { recursive: true, force: true });
}

function emptyState(identity: string): ReplicaState {
  return {
    identity,
    applied: 0n,
    last: undefined,
    end: { segment: 0, offset: 0 },
    newestNanos: 0n,
    lost: { messages: 0n, last: 0n },
  };
}

/** What cannot be read may have been met before this start. */
async function tellFaults({ log, limits }: ReplicaOptions, files: OpenFiles): Promise<void> {
  const located = take(files.index.places('damage', 0n), limits.unreadableRememberedMax);
  for (const { bytes, header } of await fetchRecords(files, located)) {
    if (header.kind !== 'lost' || log.faults.isCut) log.faults.noteUnreadable(errorOf(bytes, header));
  }
}
