import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unfinishedRestore } from '../jetstream/nats/unfinished-restore';
import type { OpenedLog } from '../jetstream/open-log';
import { BackupError } from './backup-error';
import { checkLog, type Checked } from './check-log';
import type { OnProgress } from './progress';
import type { Finding } from './stream-versions';

export interface VerifyOptions {
  readonly log: OpenedLog;
  readonly store: { readonly name: string };
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

export interface Verified extends Checked {
  /** The position up to which the log was read. */
  readonly position: number;
}

/** Reads the log of a store up to the end that it has at the beginning. Throws BackupError if there is no such store. */
export async function verify({ log, store, onProgress, signal }: VerifyOptions): Promise<Verified> {
  const info = await log.info();
  if (info === undefined) throw new BackupError(`NATS has no JetStream stream ${store.name}`);
  if (unfinishedRestore(info.config) !== undefined)
    throw new BackupError(`the store ${store.name} has not been restored completely`);
  const { end, isWhole } = await log.wholeEnd(info);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-verify-'));
  try {
    const checked = await checkLog(log, end, { folder, onVersions: readAll, onProgress, signal });
    const position = Number(end);
    return isWhole ? { ...checked, position } : { ...withCutEnd(checked, position + 1), position };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The versions are compared while they are read. */
async function readAll(versions: AsyncIterable<unknown>): Promise<void> {
  const iterator = versions[Symbol.asyncIterator]();
  while ((await iterator.next()).done !== true);
}

function withCutEnd(checked: Checked, position: number): Checked {
  const { first, count } = checked.findings;
  const cut: Finding = {
    stream: '',
    position,
    reason: 'the log ends within a transaction or a commit in parts',
  };
  return { ...checked, findings: { first: [...first, cut], count: count + 1 } };
}
