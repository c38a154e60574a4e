import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import pino from 'pino';
import { FolderInUseError, lockFolder } from './nats-server/folder-lock';
import { removeReplica, ReplicaFault, verifyReplica } from './replica/offline';

const exitCode = { ok: 0, fault: 1, usage: 2, inUse: 3 } as const;

const help = `Verify or remove the replica of the log of a gateway that is stopped.

Usage:
  sluice replica verify FOLDER    read every record and look it up in the index
  sluice replica rebuild FOLDER   remove the replica; the gateway builds it again when it starts

FOLDER is the folder "replica" in --data-dir, or that of --replica-dir.

Exit codes:
  0  the replica is intact, or it is removed
  1  the replica is damaged: rebuild it
  2  invalid arguments, or the folder does not exist
  3  a gateway uses the folder
`;

/** Runs `sluice replica`; resolves with the exit code. */
export async function replicaCommand(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) return print(help);
  const [verb = '', folder, ...others] = args;
  const isKnown = verb === 'verify' || verb === 'rebuild';
  if (!isKnown || folder === undefined || folder === '' || others.length > 0) {
    process.stderr.write(
      'sluice: sluice replica needs verify or rebuild, and a folder\nsee sluice replica --help\n',
    );
    return exitCode.usage;
  }
  try {
    return await inFolder(resolve(folder), verb === 'verify' ? verify : rebuild);
  } catch (error) {
    process.stderr.write(`sluice: ${(error as Error).message}\n`);
    if (error instanceof FolderInUseError) return exitCode.inUse;
    return error instanceof ReplicaFault ? exitCode.fault : exitCode.usage;
  }
}

/** Runs `work` on a folder that no gateway uses. */
async function inFolder(path: string, work: (folder: string) => Promise<number>): Promise<number> {
  const found = await stat(path).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  });
  if (found?.isDirectory() !== true) throw new Error(`the folder ${path} does not exist`);
  const folder = { path, kind: 'folder of the replica' } as const;
  const lock = await lockFolder(folder, pino({ level: 'silent' }), () => undefined);
  try {
    return await work(path);
  } finally {
    await lock.release();
  }
}

async function verify(folder: string): Promise<number> {
  const { position, records, bytes } = await verifyReplica(folder);
  const found = `${records.toString()} records with ${bytes.toString()} bytes`;
  return print(`the replica is intact: it has the log up to position ${position.toString()}, ${found}\n`);
}

async function rebuild(folder: string): Promise<number> {
  await removeReplica(folder);
  return print('the replica is removed; the gateway builds it again when it starts\n');
}

function print(text: string): number {
  process.stdout.write(text);
  return exitCode.ok;
}
