import { z } from 'zod';
import { indexPrefix } from '../jetstream/nats/open-stream';
import { connectionSettings } from './connection-settings';
import { httpSettings } from './http-settings';
import { limitSettings } from './limit-settings';
import { parseNatsUrls } from './nats-url';
import { natsVersionRecommended } from '../versions';
import { logLevels } from './log-level';
import {
  httpAddress,
  integer,
  levelFile,
  listenAddress,
  nonEmpty,
  oneOf,
  readableFile,
  secretFile,
  webUrl,
  workerCount,
} from './setting-values';

/** The group of a setting: settings of `nats` need --nats-url, settings of `embedded` exclude it. */
export type Group = 'gateway' | 'access' | 'tls' | 'nats' | 'embedded' | 'connections' | 'store' | 'limits';

/** One setting. Its flag and its variable follow from its key, see `flagOf` and `variableOf`. */
export interface Setting {
  readonly group: Group;
  /** As a user would write it; undefined: the setting is optional. */
  readonly default: string | undefined;
  readonly schema: z.ZodType<unknown, string>;
  readonly description: string;
  /** What is never printed: all of it, or the login in its URLs. */
  readonly secret?: 'all' | 'login';
  /** The flag without a value means true. */
  readonly isSwitch?: true;
}

/**
 * Groups whose variables must not be empty. An empty one comes from a missing secret; "not set" would open the gateway to anyone,
 * log in to NATS without credentials, or store the events elsewhere.
 */
export const neverEmpty: readonly Group[] = ['access', 'tls', 'nats'];

/** Every setting: the parser, --help, --print-config and the test of the documentation follow from this list. */
export const settings = {
  listen: {
    group: 'gateway',
    default: '127.0.0.1:50051',
    schema: listenAddress(),
    description:
      'Address and port for gRPC; port 0: a free port. Or unix:/path for a Unix socket, for callers of the same user on this machine.',
  },
  httpListen: {
    group: 'gateway',
    default: '127.0.0.1:8080',
    schema: httpAddress(),
    description:
      'Address and port for HTTP: metrics and health, open to everyone who reaches it, and calls; port 0: a free port; off: none.',
  },
  workers: {
    group: 'gateway',
    default: '1',
    schema: workerCount(),
    description:
      'Processes that serve gRPC, beside one that follows the log: a number, or auto for one for each processor. 1: one ' +
      'process does everything.',
  },
  logLevel: {
    group: 'gateway',
    default: 'info',
    schema: oneOf(logLevels),
    description: 'Lowest level of the JSON log on stderr: trace, debug, info, warn, error, fatal or silent.',
  },
  logLevelFile: {
    group: 'gateway',
    default: undefined,
    schema: levelFile(),
    description: 'File that holds the level instead of --log-level. It is read again on SIGHUP.',
  },
  slowCallMs: {
    group: 'gateway',
    default: '1000',
    schema: integer(0, 3_600_000),
    description:
      'Calls that take the gateway longer are logged as slow, in milliseconds; 0: none. Subscriptions and append ' +
      'sessions never are.',
  },
  replicaDir: {
    group: 'gateway',
    default: undefined,
    schema: nonEmpty(),
    description:
      'Folder for the replica of the log, on a local disk, for this gateway only. Not set: `replica` in --data-dir.',
  },
  authFile: optionalFile(
    'access',
    'Access control, JSON: who callers are, what they may do and how much. Not set: every caller may do everything.',
  ),
  recordPrincipal: toggle(
    'access',
    'Stores the principal that has appended a commit beside it, in a header of its message.',
  ),
  reflection: {
    group: 'access',
    default: undefined,
    schema: oneOf(['on', 'authenticated', 'off']),
    description:
      'Whether the gateway describes its services and messages (server reflection): on, authenticated (to no anonymous ' +
      'caller) or off. Not set: authenticated with --auth-file, else on.',
  },
  insecure: toggle(
    'access',
    'Allows plain text, and callers without authentication, on an address that other machines can reach.',
  ),
  ...httpSettings,
  tlsCert: optionalFile('tls', 'Certificate chain of the gateway, PEM. If set, gRPC uses TLS.'),
  tlsKey: optionalFile('tls', 'Private key for --tls-cert, PEM.'),
  tlsClientCa: optionalFile(
    'tls',
    'Certificate authorities, PEM. If set, clients present a certificate of theirs (mutual TLS).',
  ),
  tlsClientCert: {
    group: 'tls',
    default: 'required',
    schema: oneOf(['required', 'optional']),
    description:
      'Whether clients must present a certificate of --tls-client-ca: required, or optional, so that others come ' +
      'with a token. One that is presented must be valid in either case.',
  },
  natsUrl: {
    group: 'nats',
    default: undefined,
    schema: z.string().transform(parseNatsUrls),
    description:
      'NATS servers, comma-separated: nats://a:4222,nats://b:4222; tls:// requires TLS. Not set: the gateway ' +
      'runs an embedded nats-server.',
    secret: 'login',
  },
  natsUser: { group: 'nats', default: undefined, schema: nonEmpty(), description: 'User name for NATS.' },
  natsPassword: {
    group: 'nats',
    default: undefined,
    schema: nonEmpty(),
    description: 'Password of --nats-user.',
    secret: 'all',
  },
  natsPasswordFile: {
    group: 'nats',
    default: undefined,
    schema: secretFile(),
    description: 'File with the password of --nats-user.',
    // An error must not show a secret that was given instead of a file.
    secret: 'all',
  },
  natsToken: {
    group: 'nats',
    default: undefined,
    schema: nonEmpty(),
    description: 'Token for NATS.',
    secret: 'all',
  },
  natsTokenFile: {
    group: 'nats',
    default: undefined,
    schema: secretFile(),
    description: 'File with the token for NATS.',
    secret: 'all',
  },
  natsCreds: optionalFile('nats', 'NATS credentials file (JWT and seed).'),
  natsTlsCa: optionalFile(
    'nats',
    'Certificate authorities for NATS servers, PEM. Not set: those of the system.',
  ),
  natsTlsCert: optionalFile('nats', 'Client certificate for NATS, PEM.'),
  natsTlsKey: optionalFile('nats', 'Private key for --nats-tls-cert, PEM.'),
  dataDir: {
    group: 'embedded',
    default: './data',
    schema: nonEmpty(),
    description: 'Folder for the data of the embedded nats-server, on a local disk, never NFS.',
  },
  sync: {
    group: 'embedded',
    default: 'always',
    schema: oneOf(['always', 'interval']),
    description:
      'When events are synced to disk: always (before an append is acknowledged) or interval (every two minutes; ' +
      'a power failure can lose acknowledged appends).',
  },
  storeBytesMax: {
    group: 'embedded',
    default: undefined,
    schema: integer(1_000_000, 2 ** 50),
    description:
      'Bytes that the store may take on the disk. Not set: three quarters of the disk, for log and replica together.',
  },
  natsServer: {
    group: 'embedded',
    default: undefined,
    schema: nonEmpty(),
    description: 'Path of the nats-server to run. Not set: it is searched for, then fetched.',
  },
  cacheDir: {
    group: 'embedded',
    default: undefined,
    schema: nonEmpty(),
    description: "Folder for a fetched nats-server. Not set: sluice in the user's cache folder.",
  },
  releaseMirror: {
    group: 'embedded',
    default: undefined,
    schema: webUrl(),
    description:
      'Base URL for downloads of nats-server releases, instead of their page; may contain a login.',
    secret: 'login',
  },
  releaseSha256: {
    group: 'embedded',
    default: undefined,
    schema: z.string().regex(/^[0-9a-f]{64}$/i, 'must be 64 hexadecimal digits'),
    description:
      `SHA-256 of the release archive of nats-server ${natsVersionRecommended} for this platform; without it no ` +
      'release is downloaded.',
  },
  ...connectionSettings,
  storeName: {
    group: 'store',
    default: 'EVENTS',
    schema: z.string().regex(/^[A-Za-z0-9_-]{1,200}$/, 'must be 1 to 200 characters of A-Z a-z 0-9 _ -'),
    description: 'Name of the JetStream stream that holds the store.',
  },
  storePrefix: {
    group: 'store',
    default: 'es',
    schema: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,32}$/, 'must be 1 to 32 characters of A-Z a-z 0-9 _ -')
      .refine((prefix) => prefix !== indexPrefix && prefix !== '_INBOX', 'is reserved for Sluice or NATS'),
    description: 'First token of the subjects of the store.',
  },
  storeReplicas: {
    group: 'store',
    default: '1',
    schema: integer(1, 5).refine((count) => count % 2 === 1, 'must be 1, 3 or 5'),
    description: 'Servers that keep a copy of the store: 1, 3 or 5.',
  },
  createStore: toggle(
    'store',
    'Create the store if NATS has no stream of this name: for the first start only. With the embedded nats-server ' +
      'it is only needed if the data folder has other stores.',
  ),
  storeImmutable: toggle(
    'store',
    'Create the store so that nothing is ever removed from it: NATS then refuses to delete its messages. Only for the ' +
      'start that creates it; it cannot be changed later.',
  ),
  lostMessagesAccepted: {
    group: 'store',
    default: '0',
    schema: integer(0, Number.MAX_SAFE_INTEGER),
    description: 'Messages that the store may have lost: the gateway serves the rest as if it were complete.',
  },
  ...limitSettings,
} as const satisfies Readonly<Record<string, Setting>>;

export type Key = keyof typeof settings;

type Value<K extends Key> =
  | z.output<(typeof settings)[K]['schema']>
  | ((typeof settings)[K]['default'] extends string ? never : undefined);

/** All settings, parsed. */
export type Values = { readonly [K in Key]: Value<K> };

export const keys = Object.keys(settings) as readonly Key[];

/** `--nats-url` for `natsUrl`. */
export function flagOf(key: Key): string {
  return `--${kebab(key)}`;
}

/** `SLUICE_NATS_URL` for `natsUrl`. */
export function variableOf(key: Key): string {
  return `SLUICE_${kebab(key).replaceAll('-', '_').toUpperCase()}`;
}

function kebab(key: Key): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function optionalFile<G extends Group>(group: G, description: string) {
  return { group, default: undefined, schema: readableFile(), description } as const;
}

function toggle<G extends Group>(group: G, description: string) {
  const schema = oneOf(['true', 'false']).transform((word) => word === 'true');
  return { group, default: 'false', schema, description, isSwitch: true } as const;
}
