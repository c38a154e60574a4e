import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, credsAuthenticator, type ConnectionOptions } from 'nats';
import type { Logger } from 'pino';
import type { Limits } from '../../limits';
import type { LinkFacts } from '../../store/store-facts';
import { readCredentials } from './credentials';
import { createLink, type Link } from './link';
import type { NatsOptions } from './options';

/**
 * The connections of the gateway, by role: with bulk reads on the connection of the appends, the median append takes 33 ms instead
 * of 0.3 ms.
 */
export interface NatsPool {
  /** A connection for appends and single requests. */
  append(): Link;
  /** A connection for reads. */
  read(): Link;
  /** The connection of the consumer that follows the log. */
  readonly tail: Link;
  /** Whether appends and reads have a connection. */
  readonly available: boolean;
  /** The listener gets `available`: now and whenever it changes. */
  onAvailability(listener: (available: boolean) => void): void;
  readonly facts: readonly LinkFacts[];
  /** The listener is called when any connection is lost or comes back. */
  onLinkChange(listener: () => void): void;
  close(): Promise<void>;
}

/** NATS could not be reached in time, or refused the login. */
export class ConnectError extends Error {}

const retryMs = 250;

/** Opens all connections. Throws ConnectError. */
export async function openPool(options: NatsOptions, limits: Limits, log: Logger): Promise<NatsPool> {
  const roles = { append: options.appendConnections, read: options.readConnections };
  const giveUpMs = performance.now() + options.connectTimeoutMs;
  const opened: Link[] = [];
  const open = async (role: string, count: number): Promise<Link[]> => {
    const links: Link[] = [];
    for (let i = 0; i < count; i++) {
      const link = await openLink(options, limits, `sluice-${role}-${i.toString()}`, giveUpMs);
      opened.push(link);
      links.push(link);
    }
    return links;
  };
  try {
    const [append, read] = [await open('append', roles.append), await open('read', roles.read)];
    return createPool(append, read, (await open('tail', 1))[0] as Link, log);
  } catch (error) {
    await Promise.all(opened.map((link) => link.close()));
    throw error;
  }
}

function createPool(append: readonly Link[], read: readonly Link[], tail: Link, log: Logger): NatsPool {
  const all = [...append, ...read, tail];
  const listeners: ((available: boolean) => void)[] = [];
  let available = true;
  let closing = false;
  const check = (): void => {
    const now = append.some((link) => link.connected) && read.some((link) => link.connected);
    if (now === available) return;
    available = now;
    if (!closing) {
      if (now) log.info('connected to NATS again');
      else log.warn('the connection to NATS is lost; reconnecting');
    }
    for (const listener of listeners) listener(now);
  };
  for (const link of all) link.onChange(check);
  return {
    append: roundRobin(append),
    read: roundRobin(read),
    tail,
    get available() {
      return available;
    },
    get facts() {
      return [linkFacts('append', append), linkFacts('read', read), linkFacts('tail', [tail])];
    },
    onAvailability(listener) {
      listeners.push(listener);
      listener(available);
    },
    onLinkChange(listener) {
      for (const link of all) link.onChange(listener);
    },
    async close() {
      closing = true;
      await Promise.all(all.map((link) => link.close()));
    },
  };
}

function linkFacts(role: LinkFacts['role'], links: readonly Link[]): LinkFacts {
  const sum = (of: (link: Link) => number): number => links.reduce((total, link) => total + of(link), 0);
  return {
    role,
    wanted: links.length,
    connected: sum((link) => Number(link.connected)),
    requests: sum((link) => link.counts.requests),
    reconnects: sum((link) => link.counts.reconnects),
  };
}

/** Takes turns among the links that are connected. */
function roundRobin(links: readonly Link[]): () => Link {
  let next = 0;
  return () => {
    for (let i = 0; i < links.length; i++) {
      const link = links[next++ % links.length] as Link;
      if (link.connected) return link;
    }
    return links[0] as Link;
  };
}

/** Opens a connection; `giveUpMs` is by `performance.now()`. Throws ConnectError. */
export async function openLink(
  options: NatsOptions,
  limits: Limits,
  name: string,
  giveUpMs: number,
): Promise<Link> {
  const connection = await connectionOptions(options, limits, name);
  for (;;) {
    const leftMs = giveUpMs - performance.now();
    try {
      return createLink(await connect({ ...connection, timeout: limits.natsDialTimeoutMs }));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (leftMs < retryMs || /auth/i.test((error as { code?: string }).code ?? '')) {
        throw new ConnectError(`cannot connect to NATS at ${serverList(options)}: ${reason}`, {
          cause: error,
        });
      }
      await sleep(retryMs);
    }
  }
}

/** The servers, without credentials in their URLs. */
function serverList({ servers }: NatsOptions): string {
  return servers.map((server) => server.replace(/\/\/[^@/]*@/, '//')).join(', ');
}

async function connectionOptions(
  options: NatsOptions,
  limits: Limits,
  name: string,
): Promise<ConnectionOptions> {
  const { servers, user, password, token, credsFile, tls } = options;
  const file = async (path: string | undefined): Promise<string | undefined> =>
    path === undefined ? undefined : await readFile(path, 'utf8');
  const creds = credsFile === undefined ? undefined : await readCredentials(credsFile);
  const [ca, cert, key] = await Promise.all([file(tls?.caFile), file(tls?.certFile), file(tls?.keyFile)]);
  return {
    servers: [...servers],
    name,
    maxReconnectAttempts: -1,
    // While a server is being set up or a secret is rotated, a refused login may be accepted later.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: retryMs,
    reconnectJitter: retryMs,
    pingInterval: limits.natsPingIntervalMs,
    maxPingOut: limits.natsPingsMax,
    noAsyncTraces: true,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(token === undefined ? {} : { token }),
    ...(creds === undefined ? {} : { authenticator: credsAuthenticator(creds) }),
    ...(tls === undefined
      ? {}
      : {
          tls: {
            ...(ca === undefined ? {} : { ca }),
            ...(cert === undefined ? {} : { cert }),
            ...(key === undefined ? {} : { key }),
          },
        }),
  };
}
