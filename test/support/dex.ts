import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { defaultCacheDir, intoCache } from '../../src/nats-server/nats-cache';
import { freePorts } from './free-ports';
import { until } from './nats-server';

/** Dex, a real OpenID Connect provider, in a process on loopback. */
export interface Dex extends AsyncDisposable {
  /** The `iss` of its tokens. */
  readonly issuer: string;
  readonly keysUrl: string;
  /** A new id token of alice@example.com, for the client `sluice`. */
  token(): Promise<string>;
  /** The names of its keys, that of the key with which it signs first. */
  kids(): Promise<string[]>;
}

/** Dex has no release with a Go version that can be pinned; this is the commit of go.mod. */
const name = 'dex-20210917';
const source = join(__dirname, 'dex');

/** Whether Go and a C compiler are there, which its SQLite needs. */
export function canBuildDex(): boolean {
  const commands: [string, string][] = [
    ['go', 'version'],
    [process.env['CC'] || 'cc', '--version'],
  ];
  return commands.every(([command, argument]) => spawnSync(command, [argument]).status === 0);
}

/** The path of Dex from the cache, or built by Go, whose checksums test/support/dex/go.sum pins: this takes a minute or two. */
export async function buildDex(): Promise<string> {
  const cacheDir = process.env['SLUICE_CACHE_DIR'] || defaultCacheDir(process.env);
  const path = join(cacheDir, name);
  if (existsSync(path)) return path;
  return intoCache(cacheDir, async (folder) => {
    const made = join(folder, name);
    const args = ['build', '-o', made, 'github.com/dexidp/dex/cmd/dex'];
    await promisify(execFile)('go', args, { cwd: source, timeout: 600_000 });
    return { made, name };
  });
}

const secret = 'of-a-test';
/** Of the password "password". */
const passwordHash = '$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W';

/** `signingKeys`: the age at which Dex replaces its key. It looks at that every 30 s. */
export async function startDex(
  path: string,
  { signingKeys }: { readonly signingKeys: string },
): Promise<Dex> {
  const [port = 0] = await freePorts(1);
  const issuer = `http://127.0.0.1:${port}/dex`;
  const folder = mkdtempSync(join(tmpdir(), 'sluice-dex-'));
  const config = join(folder, 'config.json');
  const settings = {
    issuer,
    storage: { type: 'memory' },
    web: { http: `127.0.0.1:${port}` },
    expiry: { signingKeys, idTokens: '1h' },
    oauth2: { passwordConnector: 'local' },
    enablePasswordDB: true,
    staticPasswords: [{ email: 'alice@example.com', username: 'alice', userID: '1', hash: passwordHash }],
    staticClients: [{ id: 'sluice', name: 'sluice', secret, redirectURIs: ['http://127.0.0.1/'] }],
  };
  writeFileSync(config, JSON.stringify(settings));
  const child = spawn(path, ['serve', config], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const dex: Dex = {
    issuer,
    keysUrl: `${issuer}/keys`,
    async token() {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`sluice:${secret}`).toString('base64')}` },
        body: new URLSearchParams({
          grant_type: 'password',
          scope: 'openid email',
          username: 'alice@example.com',
          password: 'password',
        }),
      });
      if (!response.ok) throw new Error(`Dex gives no token: ${await response.text()}`);
      return ((await response.json()) as { id_token: string }).id_token;
    },
    async kids() {
      const response = await fetch(`${issuer}/keys`);
      return ((await response.json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await until(() =>
    dex.kids().then(
      () => true,
      () => child.exitCode !== null,
    ),
  );
  if (child.exitCode !== null) throw new Error('Dex does not start');
  return dex;
}
