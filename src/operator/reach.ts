import { readdir, stat } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { EmbeddedNats, OperatorConfig } from '../config/config';
import type { NatsOptions } from '../jetstream/nats/options';
import { startEmbeddedNats } from '../nats-server/embedded';
import { embeddedPaths } from '../nats-server/embedded-config';
import { FolderInUseError, lockFolder } from '../nats-server/folder-lock';
import { readOperatorAccess } from '../nats-server/operator-login';
import { findBinary } from '../reach-nats';

/** NATS for a command of an operator. */
export interface OperatorNats {
  readonly options: NatsOptions;
  /** Stops what was started for the command. */
  close(): Promise<void>;
}

/** The data folder has no store, or its nats-server cannot be reached. */
export class DataFolderError extends Error {}

/**
 * Your own NATS; or the embedded nats-server of the gateway that uses the data folder, with a login that the gateway has left there
 * for this user; or, if no gateway uses the folder, an embedded nats-server for the time of the command. `mayCreate`: the folder need
 * not exist.
 */
export async function reachAsOperator(
  { nats, store, replicaDir }: OperatorConfig,
  log: Logger,
  mayCreate: boolean,
): Promise<OperatorNats> {
  if (nats.kind === 'external') return { options: nats.options, close: () => Promise.resolve() };
  const { dataDir } = nats;
  if (!mayCreate && !(await hasStreams(dataDir)))
    throw new DataFolderError(`${dataDir} is not the data folder of an embedded nats-server with a store`);
  const running = await readOperatorAccess(dataDir);
  try {
    if (!(await isOwn(dataDir))) await refuseUnused(dataDir, log);
    const binary = await findBinary(nats, log);
    const { storeBytesMax } = nats;
    const server = await startEmbeddedNats({ dataDir, binary, store, replicaDir, log, storeBytesMax });
    const access = await readOperatorAccess(server.dataDir);
    if (access === undefined)
      throw new DataFolderError('the embedded nats-server has no login for operators');
    return { options: optionsOf(nats, access), close: () => server.close() };
  } catch (error) {
    if (!(error instanceof FolderInUseError)) throw error;
    if (running === undefined) throw error;
    return { options: optionsOf(nats, running), close: () => Promise.resolve() };
  }
}

function optionsOf(
  { connections }: EmbeddedNats,
  { url, user, password }: { readonly url: string; readonly user: string; readonly password: string },
): NatsOptions {
  return {
    servers: [url],
    user,
    password,
    token: undefined,
    credsFile: undefined,
    tls: undefined,
    ...connections,
  };
}

/** Whether the gateway that has used the folder last was run by this user. */
async function isOwn(dataDir: string): Promise<boolean> {
  const { getuid } = process;
  const found = await stat(embeddedPaths(dataDir).config).catch(() => undefined);
  return found === undefined || getuid === undefined || found.uid === getuid();
}

/** A nats-server of this user would leave files that the user of the gateway can neither read nor remove. */
async function refuseUnused(dataDir: string, log: Logger): Promise<never> {
  const lock = await lockFolder({ path: dataDir, kind: 'data folder' }, log, () => undefined);
  await lock.release();
  throw new DataFolderError(
    `${dataDir} belongs to another user, and no gateway uses it: run this command as that user`,
  );
}

async function hasStreams(dataDir: string): Promise<boolean> {
  const { streams } = embeddedPaths(dataDir);
  const found = await readdir(streams).catch((): string[] => []);
  return found.length > 0;
}
