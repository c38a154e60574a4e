import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import manifest from '../../package.json';
import { document, root, section, tableRows } from '../docs/markdown';
import { deployTool, runTool } from '../support/deploy-tools';
import { startInstalled, type InstalledGateway } from '../support/installed-gateway';
import { freePorts } from '../support/free-ports';
import { startNats } from '../support/nats-server';
import { asOtherUser, giveToOtherUser, haveOtherUser } from '../support/other-user';
import { natsServerPath } from '../support/tools';
import { below, commandsOf, containerfile, copyContext, only, runCommand, variables } from './container';

/**
 * The container without an engine, and the package as an operator installs it: the commands of deploy/Containerfile run in a plain
 * folder, with the Node.js of its base image; what they make is run as another user.
 */
let base: string;
/** The variables of every command. */
let env: Record<string, string>;
let tarball: string;

beforeAll(async () => {
  haveOtherUser();
  base = mkdtempSync(join(tmpdir(), 'sluice-container-'));
  chmodSync(base, 0o755);
  for (const name of ['build', 'tmp', 'opt', 'var/lib', 'bin', 'home'])
    mkdirSync(join(base, name), { recursive: true });
  await copyPrograms();
  giveToOtherUser(join(base, 'home'));
  env = {
    ...(process.env as Record<string, string>),
    PATH: [join(base, 'bin'), process.env['PATH'] ?? ''].join(delimiter),
  };
  copyContext(join(base, 'build'));
  for (const command of commandsOf('pack')) await runStep(command, join(base, 'build'));
  for (const command of commandsOf('install')) await runStep(command, join(base, 'opt', 'sluice'));
  const [packed = ''] = readdirSync(join(base, 'tmp'));
  tarball = join(base, packed);
  copyFileSync(join(base, 'tmp', packed), tarball);
}, 300_000);
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

/** The Node.js of the base image, and a nats-server, where another user can run them. */
async function copyPrograms(): Promise<void> {
  const [, major = ''] = /node:(\d+)\./.exec(only('ARG')) ?? [];
  const node = await runCommand([process.execPath, join(root, 'scripts', 'node.mjs'), major], {});
  copyFileSync(node.trim(), join(base, 'bin', 'node'));
  copyFileSync(natsServerPath(), join(base, 'bin', 'nats-server'));
}

async function runStep(command: string, cwd: string): Promise<void> {
  // Only root can give files away.
  const possible = process.getuid?.() === 0 ? command : command.replace(/&& chown \S+ \S+/, '');
  await runCommand(['sh', '-e', '-c', below(base, possible)], { cwd, env });
}

describe('the container file', () => {
  test('passes a linter, which finds an error in another one', async () => {
    const hadolint = await deployTool('hadolint');
    if (hadolint === undefined) return;
    const good = await runTool(hadolint, ['--failure-threshold', 'style', containerfile]);
    expect(good).toEqual({ code: 0, stdout: '', stderr: '' });
    const wrong = join(base, 'Wrong');
    writeFileSync(wrong, readFileSync(containerfile, 'utf8').replace('USER 10001:10001', 'USER root'));
    const bad = await runTool(hadolint, ['--failure-threshold', 'style', wrong]);
    expect(bad).toMatchObject({ code: 1, stdout: expect.stringContaining('DL3002') as string });
  });

  test('begins with a Node.js that the tests run, and keeps nothing of what builds', async () => {
    const version = await runCommand([join(base, 'bin', 'node'), '--version'], {});
    expect(only('ARG')).toBe(`NODE_IMAGE=docker.io/library/node:${version.trim().slice(1)}-bookworm-slim`);
    const packages = readdirSync(join(base, 'opt', 'sluice', 'node_modules'));
    expect(packages).toEqual(
      expect.arrayContaining(Object.keys(manifest.dependencies).map((name) => name.split('/')[0])),
    );
    for (const name of ['typescript', 'jest', 'eslint', 'prettier']) expect(packages).not.toContain(name);
    expect(readdirSync(join(base, 'opt', 'sluice'))).not.toContain('src');
  });

  test('what it installs serves as another user, writes only to its volume and /tmp, and is healthy', async () => {
    await using nats = await startNats();
    const [grpc = 0, http = 0] = await freePorts(2);
    const given = variables();
    expect(given).toMatchObject({ SLUICE_LISTEN: '0.0.0.0:50051', SLUICE_HTTP_LISTEN: '0.0.0.0:8080' });
    const inside = {
      PATH: env['PATH'] ?? '',
      ...Object.fromEntries(
        Object.entries(given)
          .filter(([name]) => name !== 'PATH')
          .map(([name, value]) => [name, below(base, value)]),
      ),
      SLUICE_LISTEN: `127.0.0.1:${grpc}`,
      SLUICE_HTTP_LISTEN: `127.0.0.1:${http}`,
      SLUICE_NATS_URL: nats.url,
      SLUICE_CREATE_STORE: 'true',
    };
    const volume = join(base, 'var', 'lib', 'sluice');
    expect(only('USER')).toBe('10001:10001');
    if (haveOtherUser()) expect(statSync(volume).uid).toBe(10_001);
    const [, ...healthCheck] = JSON.parse(/CMD (\[.*\])$/.exec(only('HEALTHCHECK'))?.[1] ?? '[]') as string[];
    const health = async (): Promise<number> => {
      const command = ['node', ...healthCheck.map((part) => below(base, part))] as [string, ...string[]];
      return (await runTool({ path: command[0] }, command.slice(1), { env: inside })).code;
    };
    expect(await health()).toBe(1);

    const [entry = ''] = JSON.parse(only('ENTRYPOINT')) as string[];
    const command = asOtherUser([below(base, entry)]);
    await using gateway = startInstalled(command, inside, volume);
    const address = await gateway.serving();
    expect(await health()).toBe(0);
    expect(await appendAndRead(below(base, entry), address)).toMatch(/\torder\.1\t1\tPlaced\tfirst$/);
    expect(readdirSync(volume)).toEqual(['replica']);
    expect(await gateway.terminated()).toBe(0);
    expect(await health()).toBe(1);
  }, 120_000);
});

/** Appends an event and reads the stream with the command, as the other user; gives what it reads. */
async function appendAndRead(sluice: string, address: string): Promise<string> {
  const options = { env: { ...env, HOME: join(base, 'home') } };
  const append = ['append', 'order.1', '--type', 'Placed', '--data', 'first', '--address', address];
  await runCommand(asOtherUser([sluice, ...append]), options);
  return readStream(sluice, address);
}

async function readStream(sluice: string, address: string): Promise<string> {
  const options = { env: { ...env, HOME: join(base, 'home') } };
  return (await runCommand(asOtherUser([sluice, 'read', 'order.1', '--address', address]), options)).trim();
}

describe('the package, installed globally by another user without install scripts', () => {
  const home = (): string => join(base, 'home');
  const prefix = (): string => join(home(), 'prefix');
  const sluice = (): string => join(prefix(), 'bin', 'sluice');

  async function install(file: string): Promise<void> {
    const how = [
      '--global',
      '--prefix',
      prefix(),
      '--omit=dev',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
    ];
    const options = { env: { ...env, HOME: home(), npm_config_cache: join(home(), 'cache') }, cwd: home() };
    await runCommand(asOtherUser(['npm', 'install', ...how, file]), options);
  }

  /** The same package with an earlier version number. */
  async function packEarlier(): Promise<string> {
    const folder = join(base, 'earlier');
    mkdirSync(folder);
    await runCommand(['tar', '-xzf', tarball, '-C', folder, '--strip-components=1'], {});
    const file = join(folder, 'package.json');
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace(`"version": "${manifest.version}"`, '"version": "0.0.1"'),
    );
    await runCommand(['npm', 'pack', '--ignore-scripts', '--pack-destination', base], { cwd: folder, env });
    return join(base, 'sluice-eventstore-0.0.1.tgz');
  }

  function start(): InstalledGateway {
    const args = ['--listen=127.0.0.1:0', '--http-listen=off', `--data-dir=${join(home(), 'data')}`];
    const nats = `--nats-server=${join(base, 'bin', 'nats-server')}`;
    return startInstalled(asOtherUser([sluice(), ...args, nats]), { ...env, HOME: home() }, home());
  }

  test('serves, is upgraded in place, and reads what the earlier version has stored', async () => {
    await install(await packEarlier());
    expect(await runCommand(asOtherUser([sluice(), '--version']), { env })).toBe('0.0.1\n');
    {
      await using gateway = start();
      expect(await appendAndRead(sluice(), await gateway.serving())).toMatch(/\tPlaced\tfirst$/);
      expect(await gateway.terminated()).toBe(0);
    }
    await install(tarball);
    expect(await runCommand(asOtherUser([sluice(), '--version']), { env })).toBe(`${manifest.version}\n`);
    await using gateway = start();
    expect(await readStream(sluice(), await gateway.serving())).toMatch(/\tPlaced\tfirst$/);
    expect(await gateway.terminated()).toBe(0);
  }, 180_000);

  test('has the sizes of the page', async () => {
    const kib = async (path: string): Promise<number> =>
      Number((await runCommand(['du', '-sk', '--apparent-size', path], {})).split('\t')[0]);
    const sizes = {
      'the package': statSync(tarball).size / 1024,
      'the package, unpacked': await kib(join(base, 'earlier')),
      'installed, with what it needs': await kib(join(prefix(), 'lib')),
      'in the container, without the base image': await kib(join(base, 'opt', 'sluice')),
    };
    const rows = tableRows(section(document('docs/operations/deploy.md'), '## Sizes'));
    const stated = new Map(
      rows.map(([what = '', size = '']) => [what, Number(size.replace(' MB', '')) * 1024]),
    );
    expect([...stated.keys()]).toEqual(Object.keys(sizes));
    for (const [what, size] of Object.entries(sizes)) {
      const ratio = size / (stated.get(what) ?? 0);
      // The files of others differ by platform.
      if (ratio < 0.75 || ratio > 1.25) throw new Error(`${what}: ${(size / 1024).toFixed(1)} MB`);
    }
  });
});
