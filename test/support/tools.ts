import { execFile } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { findNatsServer, type NatsBinary } from '../../src/nats-server/nats-binary';
import { defaultCacheDir, intoCache } from '../../src/nats-server/nats-cache';
import { goInstall, natsModule, platformName } from '../../src/nats-server/nats-fetch';
import { natsVersionRecommended } from '../../src/versions';

/** The programs that tests need beside what npm installs. Found or fetched once, before all tests. */
interface Tools {
  readonly natsServer: string;
  /** undefined: not available. */
  readonly grpcurl: string | undefined;
  /** Whether openssl is available, to make certificates. */
  readonly openssl: boolean;
}

const grpcurlVersion = '1.9.3';
const grpcurlModule = `github.com/fullstorydev/grpcurl/cmd/grpcurl@v${grpcurlVersion}`;
/** The variable with the result for the workers. Not SLUICE_: the gateway refuses unknown variables with that prefix. */
const toolsVariable = 'TOOLS_OF_SLUICE_TESTS';

/** For the global set-up of jest. Fails without nats-server; without grpcurl or openssl only if CI=true. */
export async function prepareTools(): Promise<void> {
  const natsServer = await ensureNatsServer();
  const [grpcurl, openssl] = [await findGrpcurl(), await findOpenssl()];
  if (process.env['CI'] === 'true') {
    if (grpcurl === undefined) throw new Error('CI needs grpcurl');
    if (!openssl) throw new Error('CI needs openssl');
  }
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-tools-')), 'tools.json');
  writeFileSync(file, JSON.stringify({ natsServer: natsServer.path, grpcurl, openssl } satisfies Tools));
  process.env[toolsVariable] = file;
}

/** A folder that is removed when all tests have run. */
export function temporaryFolder(): string {
  const file = process.env[toolsVariable];
  return file === undefined ? tmpdir() : dirname(file);
}

/** For the global tear-down of jest. */
export function removeTools(): void {
  const file = process.env[toolsVariable];
  if (file !== undefined) rmSync(dirname(file), { recursive: true, force: true });
}

/**
 * The nats-server of the tests: found as the gateway finds it, but built by Go if it has to be fetched, since the faster ways fetch
 * an older one. Throws NatsBinaryError.
 */
export async function ensureNatsServer(): Promise<NatsBinary> {
  const name = `nats-server-${natsVersionRecommended}-${platformName}`;
  const places = [...onPath('nats-server'), join(cacheDir(), name)];
  if (!process.env['SLUICE_NATS_SERVER'] && !places.some(isExecutable)) {
    await intoCache(cacheDir(), async (folder) => {
      const made = await goInstall({ env: process.env, log }, natsModule, folder);
      return { made, name };
    }).catch((error: unknown) => {
      log(`${natsModule} cannot be built: ${error instanceof Error ? error.message : String(error)}`);
    });
  }
  const binary = await findNatsServer({
    explicitPath: process.env['SLUICE_NATS_SERVER'] || undefined,
    cacheDir: cacheDir(),
    releaseMirror: process.env['SLUICE_RELEASE_MIRROR'] || undefined,
    releaseSha256: process.env['SLUICE_RELEASE_SHA256'] || undefined,
    env: process.env,
    log,
  });
  log(`nats-server ${binary.version} at ${binary.path}`);
  return binary;
}

/**
 * grpcurl from the PATH or the cache, or built by Go, which verifies it against Go's checksum database. Its releases are
 * not downloaded: none of their checksums is pinned here. Prints a warning if there is no grpcurl.
 */
export async function findGrpcurl(): Promise<string | undefined> {
  const name = `grpcurl-${grpcurlVersion}-${platformName}`;
  const places = [...onPath('grpcurl'), join(cacheDir(), name)];
  try {
    const path =
      places.find(isExecutable) ??
      (await intoCache(cacheDir(), async (folder) => {
        const made = await goInstall({ env: process.env, log }, grpcurlModule, folder);
        return { made, name };
      }));
    await promisify(execFile)(path, ['-version'], { timeout: 10_000 });
    log(`grpcurl at ${path}`);
    return path;
  } catch (error) {
    log('**************************************************************************');
    log(`SKIPPED: the tests with grpcurl. It is neither on the PATH nor in ${cacheDir()},`);
    log(`and go install ${grpcurlModule} failed: ${error instanceof Error ? error.message : String(error)}`);
    log('**************************************************************************');
    return undefined;
  }
}

/** Whether openssl is on the PATH. Prints a warning if it is not. */
export async function findOpenssl(): Promise<boolean> {
  try {
    await promisify(execFile)('openssl', ['version'], { timeout: 10_000 });
    return true;
  } catch (error) {
    log('**************************************************************************');
    log(`SKIPPED: the tests with TLS. ${error instanceof Error ? error.message : String(error)}`);
    log('**************************************************************************');
    return false;
  }
}

/** Path of nats-server, in a test. */
export function natsServerPath(): string {
  return tools().natsServer;
}

/** Path of grpcurl, in a test; undefined: not available. */
export function grpcurlPath(): string | undefined {
  return tools().grpcurl;
}

/** Whether openssl is available, in a test. */
export function haveOpenssl(): boolean {
  return tools().openssl;
}

function tools(): Tools {
  const file = process.env[toolsVariable];
  if (file === undefined) throw new Error('jest did not run test/support/global-setup.ts');
  return JSON.parse(readFileSync(file, 'utf8')) as Tools;
}

function cacheDir(): string {
  return process.env['SLUICE_CACHE_DIR'] || defaultCacheDir(process.env);
}

function onPath(program: string): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => resolve(folder, program));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function log(line: string): void {
  process.stderr.write(`test tools: ${line}\n`);
}
