import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { natsVersionRecommended } from '../versions';

/** What the ways to fetch a nats-server need. Each writes into a folder and resolves with the path of the binary in it. */
export interface FetchOptions {
  /** Base of release URLs instead of the page of the project; may hold a login. `/v<version>/<archive>` is appended. */
  readonly releaseMirror: string | undefined;
  /** SHA-256 of the release's archive for this platform, in hex. */
  readonly releaseSha256: string | undefined;
  /** The environment of the programs that are run: their PATH, and what the Go toolchain needs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Gets a line before everything that takes time. */
  readonly log: (line: string) => void;
}

/** The platform as releases name it, for instance "linux-amd64". */
export const platformName = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;

const releasePage = 'https://github.com/nats-io/nats-server/releases/download';
export const natsModule = `github.com/nats-io/nats-server/v2@v${natsVersionRecommended}`;

/** Until the first bytes of the answer: a host that cannot be reached must not delay the start for long. */
export const answerTimeoutMs = 10_000;
export const downloadTimeoutMs = 120_000;
export const quickTimeoutMs = 30_000;
const buildTimeoutMs = 600_000;
/** Several times the size of a current release. */
const archiveBytesMax = 128 << 20;

/** Runs a program to its end. Rejects if it fails or takes longer than `timeoutMs`. */
export async function run(
  env: FetchOptions['env'],
  file: string,
  args: readonly string[],
  limits: { readonly timeoutMs: number; readonly cwd?: string; readonly killSignal?: NodeJS.Signals },
): Promise<{ stdout: string; stderr: string }> {
  const { timeoutMs: timeout, ...others } = limits;
  return promisify(execFile)(file, args, { env: { ...env }, timeout, ...others });
}

/** The archive of the release, checked against its SHA-256. Without a SHA-256 it is not even downloaded. */
export async function downloadRelease(options: FetchOptions, folder: string): Promise<string> {
  const stem = `nats-server-v${natsVersionRecommended}-${platformName}`;
  const { releaseSha256, releaseMirror = releasePage } = options;
  if (releaseSha256 === undefined) throw new Error(`the SHA-256 of ${stem}.tar.gz is not given`);
  const { base, headers } = withoutLogin(releaseMirror);
  const url = `${base}/v${natsVersionRecommended}/${stem}.tar.gz`;
  options.log(`downloading ${url}`);
  const archive = await fetchBytes(url, headers);
  const found = createHash('sha256').update(archive).digest('hex');
  const expected = releaseSha256.toLowerCase();
  if (found !== expected) throw new Error(`${url} has SHA-256 ${found}, expected ${expected}`);
  await writeFile(join(folder, 'archive.tar.gz'), archive);
  const member = `${stem}/nats-server`;
  await run(options.env, 'tar', ['-xozf', 'archive.tar.gz', member], {
    cwd: folder,
    timeoutMs: quickTimeoutMs,
  });
  return join(folder, member);
}

/** `fetch` takes no login in a URL, and messages that show the URL must not show a login. */
function withoutLogin(mirror: string): { base: string; headers: Record<string, string> } {
  const url = new URL(mirror);
  const login = [url.username, url.password].map(decodeURIComponent).join(':');
  url.username = '';
  url.password = '';
  const base = url.href.replace(/\/+$/, '');
  return {
    base,
    headers: login === ':' ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` },
  };
}

async function fetchBytes(url: string, headers: Record<string, string>): Promise<Buffer> {
  const answering = new AbortController();
  const timer = setTimeout(() => {
    answering.abort(new Error(`no answer in ${answerTimeoutMs.toString()} ms`));
  }, answerTimeoutMs);
  const signal = AbortSignal.any([answering.signal, AbortSignal.timeout(downloadTimeoutMs)]);
  const { ok, status, body } = await fetch(url, { headers, signal }).finally(() => {
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
  log(`building ${module} with Go; this can take several minutes`);
  await run({ ...env, GOBIN: folder }, 'go', ['install', module], { timeoutMs: buildTimeoutMs });
  const name = (await readdir(folder))[0];
  if (name === undefined) throw new Error('go install made nothing');
  return join(folder, name);
}
