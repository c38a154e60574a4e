import type { Logger } from 'pino';
import type { Config, EmbeddedNats, ExternalNats } from './config/config';
import type { NatsOptions } from './jetstream/nats/options';
import { startEmbeddedNats, type EmbeddedServer } from './nats-server/embedded';
import { syncInGroups } from './nats-server/group-sync';
import { findNatsServer } from './nats-server/nats-binary';
import { syncStream } from './nats-server/sync-stream';
import { leftToNats, type Durability } from './store/durability';

/** What has happened to a commit when its append is acknowledged; see Durability in the contract. */
export type DurabilityLevel = 'fsyncAlways' | 'fsyncInterval' | 'unknown';

/** NATS, ready to be connected to. */
export interface ReachableNats {
  readonly options: NatsOptions;
  readonly level: DurabilityLevel;
  readonly durability: Durability;
  /** The server of this gateway; undefined: NATS runs elsewhere. */
  readonly embedded: EmbeddedServer | undefined;
}

/** Starts the embedded nats-server, unless NATS runs elsewhere. */
export async function reachNats(config: Config, log: Logger): Promise<ReachableNats> {
  const { nats } = config;
  return nats.kind === 'external' ? externalNats(nats) : embeddedNats(nats, config, log);
}

function externalNats({ options }: ExternalNats): ReachableNats {
  return { options, level: 'unknown', durability: leftToNats, embedded: undefined };
}

async function embeddedNats(
  nats: EmbeddedNats,
  { store, replicaDir }: Config,
  log: Logger,
): Promise<ReachableNats> {
  const { dataDir, storeBytesMax, connections } = nats;
  const binary = await findBinary(nats, log);
  const embedded = await startEmbeddedNats({ dataDir, binary, store, replicaDir, log, storeBytesMax });
  const { url, user, password } = embedded;
  const login = { user, password, token: undefined, credsFile: undefined, tls: undefined };
  const syncsAlways = nats.sync === 'always';
  return {
    options: { servers: [url], ...login, ...connections },
    level: syncsAlways ? 'fsyncAlways' : 'fsyncInterval',
    durability: syncsAlways
      ? syncInGroups({ dataDir: embedded.dataDir, stream: store.name, log })
      : leftToNats,
    embedded,
  };
}

/** What syncs a small stream of the embedded nats-server to disk; undefined: only NATS syncs. */
export function streamSync({ nats }: Pick<Config, 'nats'>): ((stream: string) => Promise<void>) | undefined {
  if (nats.kind === 'external' || nats.sync !== 'always') return undefined;
  const { dataDir } = nats;
  return (stream) => syncStream({ dataDir, stream });
}

/** Finds or fetches the program of the embedded nats-server. */
export function findBinary(nats: EmbeddedNats, log: Logger): ReturnType<typeof findNatsServer> {
  const { serverPath: explicitPath, cacheDir, releaseMirror, releaseSha256, env } = nats;
  return findNatsServer({
    explicitPath,
    cacheDir,
    releaseMirror,
    releaseSha256,
    env,
    log: (line) => {
      log.info(line);
    },
  });
}
