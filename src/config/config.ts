import { join, resolve } from 'node:path';
import { contradictions, givenLimits, isLocal, requiresCertificate, type AllGiven } from './contradictions';
import { commandVariables, readFlags, readVariables, type Environment, type Reading } from './given';
import { defaultCacheDir } from '../nats-server/nats-cache';
import type { NatsOptions, StoreOptions } from '../jetstream/nats/options';
import { closedCalls, type HttpCalls } from './http-calls';
import { doesFollow, limitsInForce } from './limit-relations';
import { defaultLimits, type Limits } from '../limits';
import type { LogLevel } from './log-level';
import { withoutCredentials, type NatsUrls } from './nats-url';
import { operatorKeys } from './operator-keys';
import { flagOf, keys, settings, variableOf, type Key, type Setting, type Values } from './settings';

/** Everything that can be set, checked. */
export interface Config {
  /** host:port for gRPC, or unix:/path. */
  readonly address: string;
  /** Whether only this machine can reach the address. */
  readonly local: boolean;
  /** host:port for HTTP; undefined: none. */
  readonly httpAddress: string | undefined;
  readonly httpCalls: HttpCalls;
  /** Processes that serve gRPC; 1: the only process. */
  readonly workers: number;
  /** undefined: plain text. */
  readonly tls: ServerTls | undefined;
  /** The file for access control, absolute; undefined: every caller may do everything. */
  readonly authFile: string | undefined;
  /** Whether callers must show who they are: by the auth file, or by a client certificate. */
  readonly authenticates: boolean;
  /** Whether the principal of each commit is stored beside it. */
  readonly recordPrincipal: boolean;
  readonly reflection: 'on' | 'authenticated' | 'off';
  /** Whether plain text and callers without authentication are allowed on an address that other machines can reach. */
  readonly insecure: boolean;
  readonly nats: ExternalNats | EmbeddedNats;
  readonly store: StoreOptions;
  /** Whether the store may be created if it does not exist. */
  readonly createStore: boolean;
  /** Folder of the replica of the log; absolute. */
  readonly replicaDir: string;
  readonly limits: Limits;
  /** The one in force at the start. */
  readonly logLevel: LogLevel;
  /** The file that has it, absolute; undefined: it stays. */
  readonly logLevelFile: string | undefined;
  /** Calls that take the gateway longer are logged as slow; 0: none. */
  readonly slowCallMs: number;
}

/** Paths of PEM files. */
export interface ServerTls {
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities of client certificates; undefined: none is asked for. */
  readonly clientCaFile: string | undefined;
  /** Whether clients must present a certificate. One that is presented must be valid in either case. */
  readonly clientCert: 'required' | 'optional';
}

export interface ExternalNats {
  readonly kind: 'external';
  readonly options: NatsOptions;
}

/** The gateway runs an embedded nats-server. */
export interface EmbeddedNats {
  readonly kind: 'embedded';
  /** Absolute. */
  readonly dataDir: string;
  readonly sync: 'always' | 'interval';
  /** undefined: as much as the disk allows. */
  readonly storeBytesMax: number | undefined;
  readonly serverPath: string | undefined;
  readonly cacheDir: string;
  readonly releaseMirror: string | undefined;
  readonly releaseSha256: string | undefined;
  /** For the search for a nats-server: its PATH, and the variables that the Go toolchain needs. */
  readonly env: Environment;
  readonly connections: Pick<NatsOptions, 'connectTimeoutMs' | 'appendConnections' | 'readConnections'>;
}

/** What the commands backup, restore and verify need, checked. */
export interface OperatorConfig extends Pick<Config, 'nats' | 'store' | 'replicaDir' | 'limits'> {
  /** Whether `store.replicas` was given. */
  readonly replicasGiven: boolean;
}

/** The settings cannot be used; `problems` has a line for each error. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`the settings cannot be used:\n${problems.map((line) => `  ${line}`).join('\n')}`);
  }
}

/** What the commands beside `serve` use unless they get a flag. */
export interface CommandDefaults {
  /** The host:port of the gateway. */
  readonly address: string;
  /** The file with the token that they send; undefined: none. */
  readonly tokenFile: string | undefined;
}

export function commandDefaults(env: Environment = process.env): CommandDefaults {
  return {
    address: env[commandVariables.address] || settings.listen.default,
    tokenFile: env[commandVariables.tokenFile] || undefined,
  };
}

/** The configuration from flags and the environment; a flag wins. Throws ConfigError with everything that is wrong. */
export function loadConfig(argv: readonly string[], env: Environment = process.env): Config {
  const { given, values } = parse(readFlags(argv), readVariables(env));
  return {
    ...storeConfig(given, values, env),
    address: values.listen,
    local: isLocal(values.listen),
    httpAddress: values.httpListen,
    httpCalls: {
      origins: values.httpOrigins ?? [],
      closed: closedCalls(
        values,
        values.httpListen === undefined || isLocal(values.httpListen),
        requiresCertificate(values.tlsClientCa !== undefined, values),
      ),
    },
    workers: values.workers,
    tls:
      values.tlsCert === undefined || values.tlsKey === undefined
        ? undefined
        : {
            certFile: values.tlsCert,
            keyFile: values.tlsKey,
            clientCaFile: values.tlsClientCa,
            clientCert: values.tlsClientCert,
          },
    authFile: values.authFile === undefined ? undefined : resolve(values.authFile),
    authenticates:
      values.authFile !== undefined || requiresCertificate(values.tlsClientCa !== undefined, values),
    recordPrincipal: values.recordPrincipal,
    reflection: values.reflection ?? (values.authFile === undefined ? 'on' : 'authenticated'),
    insecure: values.insecure,
    createStore: values.createStore,
    logLevel: values.logLevelFile?.level ?? values.logLevel,
    logLevelFile: values.logLevelFile === undefined ? undefined : resolve(values.logLevelFile.path),
    slowCallMs: values.slowCallMs,
  };
}

/**
 * The configuration of an operator's command, of the same flags and variables; variables of other settings are ignored. Throws
 * ConfigError with everything that is wrong.
 */
export function loadOperatorConfig(argv: readonly string[], env: Environment = process.env): OperatorConfig {
  const [flags, variables] = [readFlags(argv), readVariables(env)];
  const isMine = (key: Key): boolean => operatorKeys.includes(key);
  const others = [...flags.given]
    .filter(([key]) => !isMine(key))
    .map(([, { name }]) => `${name} is for serve`);
  const mine = new Map([...variables.given].filter(([key]) => isMine(key)));
  const problems = [...flags.problems, ...others];
  const { given, values } = parse({ ...flags, problems }, { ...variables, given: mine });
  return { ...storeConfig(given, values, env), replicasGiven: given.has('storeReplicas') };
}

function storeConfig(
  given: AllGiven,
  values: Values,
  env: Environment,
): Pick<Config, 'nats' | 'store' | 'replicaDir' | 'limits'> {
  return {
    nats: values.natsUrl === undefined ? embeddedNats(values, env) : externalNats(values.natsUrl, values),
    store: {
      name: values.storeName,
      prefix: values.storePrefix,
      replicas: values.storeReplicas,
      lostMessagesAccepted: values.lostMessagesAccepted,
      immutable: values.storeImmutable,
    },
    replicaDir: resolve(values.replicaDir ?? join(values.dataDir, 'replica')),
    limits: limitsInForce(givenLimits(given, values)),
  };
}

/**
 * The settings in force and where they come from, a line each, without secrets; then the limits that cannot be set, as comments.
 * Throws ConfigError.
 */
export function printConfig(argv: readonly string[], env: Environment = process.env): string {
  const { given, values } = parse(readFlags(argv), readVariables(env));
  const limits = limitsInForce(givenLimits(given, values));
  const fixed = (Object.keys(limits) as (keyof Limits)[]).filter((key) => !(key in settings));
  const lines = [
    ...keys.map((key) => settingLine(key, given, limits)),
    ...fixed.map((key) => fixedLimitLine(key, limits)),
  ];
  return lines.join('\n') + '\n';
}

function settingLine(key: Key, given: AllGiven, limits: Limits): string {
  const setting: Setting = settings[key];
  const source = given.get(key);
  const text = source?.text ?? (key in limits ? String(limits[key as keyof Limits]) : setting.default);
  const origin = text === setting.default ? 'default' : 'follows other limits';
  return withOrigin(
    `${variableOf(key)}=${text === undefined ? '' : shown(key, text)}`,
    source?.name ?? (text === undefined ? 'not set' : origin),
  );
}

function fixedLimitLine(key: keyof Limits, limits: Limits): string {
  const origin = limits[key] === defaultLimits[key] ? 'default' : 'follows other limits';
  return withOrigin(`# ${snakeCase(key)}=${limits[key]}`, doesFollow(key) ? origin : 'fixed');
}

function withOrigin(line: string, origin: string): string {
  return `${line.padEnd(44)} # ${origin}`;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function parse(flags: Reading, variables: Reading): { given: AllGiven; values: Values } {
  const given: AllGiven = new Map([...variables.given, ...flags.given]);
  const problems = [...flags.problems, ...variables.problems];
  const values: Partial<Record<Key, unknown>> = {};
  for (const key of keys) {
    const setting: Setting = settings[key];
    const { text, name } = given.get(key) ?? { text: setting.default, name: flagOf(key) };
    if (text === undefined) continue;
    const parsed = setting.schema.safeParse(text);
    if (parsed.success) values[key] = parsed.data;
    else {
      // A URL that cannot be parsed may have its login anywhere.
      const mayShow = setting.secret === undefined || (setting.secret === 'login' && !text.includes('@'));
      const found = mayShow ? `; found "${text}"` : '';
      for (const { message } of parsed.error.issues) problems.push(`${name} ${message}${found}`);
    }
  }
  problems.push(...contradictions(given, values as Partial<Values>));
  if (problems.length > 0) throw new ConfigError(problems);
  return { given, values: values as Values };
}

function externalNats({ servers, tls, login }: NatsUrls, values: Values): ExternalNats {
  const { natsTlsCa: caFile, natsTlsCert: certFile, natsTlsKey: keyFile } = values;
  return {
    kind: 'external',
    options: {
      servers,
      user: login?.kind === 'user' ? login.user : values.natsUser,
      password: login?.kind === 'user' ? login.password : (values.natsPassword ?? values.natsPasswordFile),
      token: login?.kind === 'token' ? login.token : (values.natsToken ?? values.natsTokenFile),
      credsFile: values.natsCreds,
      tls: tls || (caFile ?? certFile) !== undefined ? { caFile, certFile, keyFile } : undefined,
      ...connections(values),
    },
  };
}

function embeddedNats(values: Values, env: Environment): EmbeddedNats {
  return {
    kind: 'embedded',
    dataDir: resolve(values.dataDir),
    sync: values.sync,
    storeBytesMax: values.storeBytesMax,
    serverPath: values.natsServer,
    cacheDir: values.cacheDir ?? defaultCacheDir(env),
    releaseMirror: values.releaseMirror,
    releaseSha256: values.releaseSha256,
    env,
    connections: connections(values),
  };
}

function connections({
  connectTimeoutMs,
  appendConnections,
  readConnections,
}: Values): EmbeddedNats['connections'] {
  return { connectTimeoutMs, appendConnections, readConnections };
}

function shown(key: Key, text: string): string {
  const { secret }: Setting = settings[key];
  if (secret === undefined) return text;
  return secret === 'all' ? '***' : withoutCredentials(text);
}
