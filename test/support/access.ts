import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOfToken, makeToken } from '../../src/auth/token';
import type { Limits } from '../../src/limits';
import { startTestGateway, type LocalGateway } from './gateway';
import { startNats, type TestNats } from './nats-server';
import { makeReplicaDir } from './replica-dir';
import { connectRpc, type RpcClient } from './rpc-client';
import { connectWire, type WireClient } from './wire-client';

/** What an auth file says of one principal, as it is written there. */
export interface PrincipalEntry {
  readonly grants?: readonly {
    readonly actions: readonly string[];
    readonly streams?: readonly string[];
  }[];
  readonly limits?: Readonly<Record<string, number>>;
  /** When its token expires; by default it does not. */
  readonly expires?: string;
}

/** The principals of an auth file by the names of their tokens; `anonymous` has no token. */
export type Principals = Readonly<Record<string, PrincipalEntry>>;

/** An auth file in a folder of its own, which later versions replace. */
export interface TestAuthFile {
  readonly path: string;
  /** The token of a principal: always the same. */
  tokenOf(name: string): string;
  /** Writes the file with these principals, and those alone. */
  write(principals: Principals): void;
}

/** `more`: further parts of the file, such as `audit`. */
export function makeAuthFile(principals: Principals, more: object = {}): TestAuthFile {
  const path = join(makeReplicaDir(), 'auth.json');
  const tokens = new Map<string, string>();
  const tokenOf = (name: string): string => {
    const token = tokens.get(name) ?? makeToken();
    tokens.set(name, token);
    return token;
  };
  const file: TestAuthFile = {
    path,
    tokenOf,
    write(wanted) {
      const named = Object.entries(wanted).filter(([name]) => name !== 'anonymous');
      const content = {
        ...more,
        tokens: named.map(([name, { expires }]) => ({
          id: name,
          sha256: digestOfToken(tokenOf(name)),
          principal: name,
          expires,
        })),
        principals: Object.fromEntries(
          Object.entries(wanted).map(([name, { grants, limits }]) => [
            name === 'anonymous' ? name : `token:${name}`,
            { grants, limits },
          ]),
        ),
      };
      writeFileSync(path, JSON.stringify(content));
    },
  };
  file.write(principals);
  return file;
}

/** A gateway with an auth file, and the NATS server that it uses. */
export interface GuardedGateway extends AsyncDisposable {
  readonly nats: TestNats;
  readonly gateway: LocalGateway;
  readonly file: TestAuthFile;
  /** A client with the token of a principal; undefined: without a credential. */
  as(name: string | undefined): RpcClient;
  wireAs(name: string | undefined): WireClient;
}

/** How often the gateway looks at the auth file, unless a test says so. */
const lookIntervalMs = 200;

export async function startGuarded(
  principals: Principals,
  limits: Partial<Limits> = {},
  args: readonly string[] = [],
  more: object = {},
): Promise<GuardedGateway> {
  const file = makeAuthFile(principals, more);
  const nats = await startNats();
  const clients: Disposable[] = [];
  const keep = <T extends Disposable>(client: T): T => {
    clients.push(client);
    return client;
  };
  const tokenOf = (name: string | undefined): string | undefined =>
    name === undefined ? undefined : file.tokenOf(name);
  try {
    const gateway = await startTestGateway([nats.url], [`--auth-file=${file.path}`, ...args], {
      authLookIntervalMs: lookIntervalMs,
      ...limits,
    });
    return {
      nats,
      gateway,
      file,
      as: (name) => keep(connectRpc(gateway.address, tokenOf(name))),
      wireAs: (name) => keep(connectWire(gateway.address, { token: tokenOf(name) })),
      async [Symbol.asyncDispose]() {
        for (const client of clients) client[Symbol.dispose]();
        await gateway[Symbol.asyncDispose]();
        await nats[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await nats[Symbol.asyncDispose]();
    throw error;
  }
}
