import { accessSync, constants } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { isNativeError } from 'node:util/types';
import {
  debianPackage,
  downloadRelease,
  goInstall,
  natsModule,
  platformName,
  releaseVersion,
  run,
  type FetchOptions,
} from './nats-fetch';
import { atLeast, natsVersionFloor } from './nats-version';

/** A nats-server that can be started: its absolute path and its version, "2.15.1" for instance. */
export interface NatsBinary {
  readonly path: string;
  readonly version: string;
}

export interface FindOptions extends FetchOptions {
  /** Use this and no other. */
  readonly explicitPath: string | undefined;
  /** Where fetched programs are kept; made if it is not there. */
  readonly cacheDir: string;
}

/** No nats-server could be had; the message lists what was tried, why it failed and what would help. */
export class NatsBinaryError extends Error {}

const versionTimeoutMs = 10_000;
/** Older temporary folders in the cache were left by processes that died. */
const makingMaxMs = 24 * 3_600_000;

/** The folder where Sluice keeps programs that it fetched, after the XDG base directories. */
export function defaultCacheDir(env: Readonly<Record<string, string | undefined>>): string {
  const { XDG_CACHE_HOME: cache, HOME: home } = env;
  if (cache !== undefined && isAbsolute(cache)) return join(cache, 'sluice');
  return join(home !== undefined && isAbsolute(home) ? home : homedir(), '.cache', 'sluice');
}

/** Finds a nats-server that is new enough, or fetches one. Every step is bounded in time. Throws NatsBinaryError. */
export async function findNatsServer(found: FindOptions): Promise<NatsBinary> {
  const options = { ...found, cacheDir: resolve(found.cacheDir) };
  if (options.explicitPath !== undefined) {
    const path = resolve(options.explicitPath);
    return usable(path, options).catch((error: unknown) => {
      throw new NatsBinaryError(
        `the nats-server that SLUICE_NATS_SERVER (--nats-server) names cannot be used: ${reasonOf(error)}\n` +
          `  remedy: name one of version ${natsVersionFloor} or later, or leave the setting out to have one found`,
        { cause: error },
      );
    });
  }
  const failures: string[] = [];
  for (const { name, remedy, find } of steps(options)) {
    try {
      return await find();
    } catch (error) {
      failures.push(`  ${name}: ${reasonOf(error)}\n    remedy: ${remedy}`);
    }
  }
  throw new NatsBinaryError(
    `no nats-server of version ${natsVersionFloor} or later could be found or fetched:\n${failures.join('\n')}`,
  );
}

interface Step {
  readonly name: string;
  readonly remedy: string;
  readonly find: () => Promise<NatsBinary>;
}

function steps(options: FindOptions): Step[] {
  const fetched = (fetchInto: (folder: string) => Promise<string>) => () => fetchNats(options, fetchInto);
  return [
    {
      name: 'PATH',
      remedy: 'install nats-server on the PATH, or set SLUICE_NATS_SERVER to the path of one',
      find: () => onPath(options),
    },
    {
      name: `cache folder ${options.cacheDir}`,
      remedy: `copy a nats-server there under the name ${cachedName(releaseVersion)}`,
      find: () => cached(options),
    },
    {
      name: `download of release ${releaseVersion}`,
      remedy: 'let the release page be reached, or set SLUICE_RELEASE_MIRROR to a copy of it',
      find: fetched((folder) => downloadRelease(options, folder)),
    },
    {
      name: `go install ${natsModule}`,
      remedy: 'install Go on the PATH, with a module proxy that it can reach',
      find: fetched((folder) => goInstall(options, natsModule, folder)),
    },
    {
      name: "package of Debian's newest suite",
      remedy: 'on Debian, let apt-get reach its archive',
      find: fetched((folder) => debianPackage(options, folder)),
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
  if (version === undefined) throw new Error(`${path} --version does not tell a version`);
  if (!atLeast(version, natsVersionFloor)) {
    throw new Error(`${path} has version ${version}, needed is ${natsVersionFloor} or later`);
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
      options.log(`passing over a nats-server on the PATH: ${reasonOf(error)}`);
    }
  }
  throw new Error(reasons.length === 0 ? 'there is no nats-server on it' : reasons.join('; '));
}

/** The newest in the cache that can be used. */
async function cached(options: FindOptions): Promise<NatsBinary> {
  const names = await readdir(options.cacheDir).catch((): string[] => []);
  const versions = names
    .map((name) => /^nats-server-(\d+\.\d+\.\d+)-/.exec(name)?.[1] ?? '')
    .filter((version) => names.includes(cachedName(version)))
    .sort((a, b) => (a === b ? 0 : atLeast(a, b) ? -1 : 1));
  const reasons: string[] = [];
  for (const version of versions) {
    try {
      return await usable(join(options.cacheDir, cachedName(version)), options);
    } catch (error) {
      reasons.push(reasonOf(error));
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
  let version = '';
  const path = await intoCache(options.cacheDir, async (folder) => {
    const made = await fetchInto(folder);
    await chmod(made, 0o755);
    ({ version } = await usable(made, options));
    return { made, name: cachedName(version) };
  });
  options.log(`keeping nats-server ${version} as ${path}`);
  return { path, version };
}

/**
 * Has a file made in a folder of its own and moves it into the cache under its name in one step, so that nobody meets
 * half a file; processes that do so at once do the work twice and leave the same file. Resolves with its path.
 */
export async function intoCache(
  cacheDir: string,
  make: (folder: string) => Promise<{ readonly made: string; readonly name: string }>,
): Promise<string> {
  await mkdir(cacheDir, { recursive: true });
  await removeLeftovers(cacheDir);
  const folder = await mkdtemp(join(cacheDir, 'making-'));
  try {
    const { made, name } = await make(folder);
    const path = join(cacheDir, name);
    await rename(made, path);
    return path;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function removeLeftovers(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    if (!name.startsWith('making-')) continue;
    const path = join(cacheDir, name);
    const changedMs = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => Infinity,
    );
    if (Date.now() - changedMs < makingMaxMs) continue;
    // Another user's is not ours to remove, and no reason to fail.
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
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

/** Why a step failed, in one line: a program's own last line on stderr where there is one. */
function reasonOf(error: unknown): string {
  if (!isNativeError(error)) return String(error);
  const { code, path, killed, stderr } = error as Partial<Record<'code' | 'path' | 'stderr', string>> & {
    killed?: boolean;
  };
  if (code === 'ENOENT' && path !== undefined) return `${path} is not there`;
  if (code === 'EACCES' && path !== undefined) return `${path} may not be used: permission denied`;
  if (killed === true) return 'it took too long and was ended';
  const said = stderr?.trim().split('\n').at(-1) ?? '';
  if (said !== '') return said;
  const { cause } = error as { cause?: NodeJS.ErrnoException };
  const why = cause?.message === '' ? cause.code : cause?.message;
  return why === undefined ? error.message : `${error.message} (${why})`;
}
