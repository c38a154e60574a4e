import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What the ways to fetch a nats-server need. Each puts what it makes into a folder and tells the binary's path there. */
export interface FetchOptions {
  /** Base of release URLs instead of the project's own page; `/v<version>/<archive>` is appended. */
  readonly releaseMirror: string | undefined;
  /** The environment of the programs that are run: their PATH, and what the Go toolchain needs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told of steps that take time. */
  readonly log: (line: string) => void;
  /** SHA-256 of the archives by platform; given in tests. */
  readonly checksums?: Readonly<Record<string, string>>;
}

/** The platform as releases name it, for instance "linux-amd64". */
export const platformName = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;

export const releaseVersion = '2.15.0';
const releasePage = 'https://github.com/nats-io/nats-server/releases/download';
/** From the SHA256SUMS of the release. */
const releaseChecksums: Readonly<Record<string, string>> = {
  'linux-amd64': '5d2c51caca950333aba84911df7d377f826f3a59ec36061c6539105084f65c92',
  'linux-arm64': 'cdc208f5a3f42963a52b6ab06ef65626bb870315dc936e26ba571780c6351112',
  'darwin-amd64': '5bd8b59ca5bf93fab3da2c5843cf564cd6e2e291e22ae3b861746e7ebe259b95',
  'darwin-arm64': 'e1c4e22d70bd44abfa0bcb3c16f7cf0c66f648c2e728c58924e8a1ce88913cc8',
};
export const natsModule = 'github.com/nats-io/nats-server/v2@v2.15.1';

/** Until the first bytes of the answer: a host that cannot be reached must not hold up the start. */
const answerTimeoutMs = 10_000;
const downloadTimeoutMs = 120_000;
const buildTimeoutMs = 600_000;
const quickTimeoutMs = 30_000;
/** Several times a release of today. */
const archiveBytesMax = 128 << 20;

/** Runs a program to its end. Rejects if it fails or takes longer than its time. */
export async function run(
  env: FetchOptions['env'],
  file: string,
  args: readonly string[],
  limits: { readonly timeoutMs: number; readonly cwd?: string; readonly killSignal?: NodeJS.Signals },
): Promise<{ stdout: string; stderr: string }> {
  const { timeoutMs: timeout, ...others } = limits;
  return promisify(execFile)(file, args, { env: { ...env }, timeout, ...others });
}

/** The pinned release, checked against the checksum that is written here. */
export async function downloadRelease(options: FetchOptions, folder: string): Promise<string> {
  const stem = `nats-server-v${releaseVersion}-${platformName}`;
  const checksum = (options.checksums ?? releaseChecksums)[platformName];
  if (checksum === undefined) throw new Error(`no checksum is known for ${platformName}`);
  const page = (options.releaseMirror ?? releasePage).replace(/\/+$/, '');
  const url = `${page}/v${releaseVersion}/${stem}.tar.gz`;
  options.log(`downloading ${url}`);
  const archive = await fetchBytes(url);
  const found = createHash('sha256').update(archive).digest('hex');
  if (found !== checksum) throw new Error(`${url} has SHA-256 ${found}, expected ${checksum}`);
  await writeFile(join(folder, 'archive.tar.gz'), archive);
  const member = `${stem}/nats-server`;
  await run(options.env, 'tar', ['-xozf', 'archive.tar.gz', member], {
    cwd: folder,
    timeoutMs: quickTimeoutMs,
  });
  return join(folder, member);
}

async function fetchBytes(url: string): Promise<Buffer> {
  const answering = new AbortController();
  const timer = setTimeout(() => {
    answering.abort(new Error(`no answer in ${answerTimeoutMs.toString()} ms`));
  }, answerTimeoutMs);
  const signal = AbortSignal.any([answering.signal, AbortSignal.timeout(downloadTimeoutMs)]);
  const { ok, status, body } = await fetch(url, { signal }).finally(() => {
    clearTimeout(timer);
  });
  if (!ok || body === null) {
    await body?.cancel();
    throw new Error(`${url} answers ${status.toString()}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > archiveBytesMax) throw new Error(`${url} has more than ${archiveBytesMax.toString()} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A Go program, built by the Go toolchain, which verifies the sources against Go's checksum database. */
export async function goInstall(
  { env, log }: Pick<FetchOptions, 'env' | 'log'>,
  module: string,
  folder: string,
): Promise<string> {
  await run(env, 'go', ['version'], { timeoutMs: quickTimeoutMs });
  log(`building ${module} with Go; this can take some minutes`);
  await run({ ...env, GOBIN: folder }, 'go', ['install', module], { timeoutMs: buildTimeoutMs });
  const name = (await readdir(folder))[0];
  if (name === undefined) throw new Error('go install made nothing');
  return join(folder, name);
}

/**
 * The package of Debian's newest suite, from the archive that this system's apt uses. apt verifies the signatures and
 * keeps its state in the folder; nothing is installed, and the system is not changed.
 */
export async function debianPackage({ env, log }: FetchOptions, folder: string): Promise<string> {
  const limits = { cwd: folder, timeoutMs: quickTimeoutMs };
  const targets = ['indextargets', '--format', '$(SITE)', 'Created-By: Packages'];
  const { stdout } = await run(env, 'apt-get', targets, limits);
  const archive = stdout.split('\n').find((line) => /^https?:\/\/.*\/debian\/?$/.test(line));
  if (archive === undefined) throw new Error('apt is set up for no Debian archive');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  await writeFile(join(folder, 'sources.list'), `deb [signed-by=${keyring}] ${archive} sid main\n`);
  // Hooks of the system would act on the system's own files.
  await writeFile(join(folder, 'apt.conf'), '#clear APT::Update;\n');
  await mkdir(join(folder, 'lists', 'partial'), { recursive: true });
  const apt = [
    `Dir::Etc::SourceList=${join(folder, 'sources.list')}`,
    'Dir::Etc::SourceParts=/dev/null',
    'Dir::Etc::Preferences=/dev/null',
    'Dir::Etc::PreferencesParts=/dev/null',
    `Dir::State::Lists=${join(folder, 'lists')}`,
    `Dir::Cache=${join(folder, 'cache')}`,
    'APT::Default-Release=',
    // The folder is ours alone, so apt's own user could not write to it.
    'APT::Sandbox::User=',
    'Acquire::Languages=none',
    'Acquire::Retries=0',
    ...['http', 'https'].map(
      (scheme) => `Acquire::${scheme}::Timeout=${(answerTimeoutMs / 1000).toString()}`,
    ),
  ].flatMap((option) => ['-o', option]);
  const aptGet = async (...args: readonly string[]): Promise<void> => {
    await run(env, 'apt-get', ['-q', '-c', join(folder, 'apt.conf'), ...apt, ...args], {
      cwd: folder,
      timeoutMs: downloadTimeoutMs,
    });
  };
  log(`asking ${archive} for Debian's newest nats-server`);
  await aptGet('update');
  await aptGet('download', 'nats-server');
  const name = (await readdir(folder)).find((entry) => entry.endsWith('.deb'));
  if (name === undefined) throw new Error('apt-get downloaded nothing');
  await run(env, 'dpkg-deb', ['-x', name, 'unpacked'], limits);
  return join(folder, 'unpacked', 'usr', 'sbin', 'nats-server');
}
