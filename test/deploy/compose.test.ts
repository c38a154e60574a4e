import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { spawnTied, type TiedProcess } from '../../src/nats-server/tied-process';
import { runSluice, startSluice, type SluiceProcess } from '../cli/process';
import { root } from '../docs/markdown';
import { buildOnce } from '../support/build';
import { deployTool, runTool, type Tool } from '../support/deploy-tools';
import { freePorts } from '../support/free-ports';
import { until } from '../support/nats-server';
import { nodeFlags } from '../support/node-flags';
import { startPrometheus } from '../support/prometheus';
import { haveOpenssl, natsServerPath } from '../support/tools';
import { variables as variablesOfImage } from './container';

/**
 * deploy/compose without an engine for containers: docker-compose reads the file, and this test runs what it says as processes,
 * each server on an address of its own on loopback.
 */
interface Service {
  readonly image: string;
  readonly command: readonly string[] | null;
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes: readonly { readonly type: string; readonly source: string; readonly target: string }[];
  readonly secrets?: readonly { readonly source: string; readonly target: string }[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

let compose: Tool | undefined;
/** A copy of deploy/, with secrets. */
let deploy: string;
let read: Compose;

beforeAll(async () => {
  compose = await deployTool('dockerCompose');
  if (compose === undefined || !haveOpenssl()) return;
  deploy = mkdtempSync(join(tmpdir(), 'sluice-compose-'));
  for (const name of ['compose', 'prometheus', 'grafana']) {
    mkdirSync(join(deploy, name));
    for (const file of readdirSync(join(root, 'deploy', name)).filter((entry) => entry !== 'secrets'))
      copyFileSync(join(root, 'deploy', name, file), join(deploy, name, file));
  }
  await makeSecrets();
  const { code, stdout, stderr } = await runTool(compose, ['config', '--format', 'json'], {
    cwd: join(deploy, 'compose'),
    env: { SLUICE_CREATE_STORE: 'true' },
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  read = JSON.parse(stdout) as Compose;
}, 180_000);
afterAll(() => {
  if (compose !== undefined) rmSync(deploy, { recursive: true, force: true });
});

async function makeSecrets(): Promise<void> {
  const SLUICE = [process.execPath, ...nodeFlags, await buildOnce()].join(' ');
  const script = join(deploy, 'compose', 'make-secrets.sh');
  execFileSync(script, { env: { ...process.env, SLUICE }, stdio: ['ignore', 'pipe', 'pipe'] });
}

test('every image has a version, and every file that is mounted exists', () => {
  if (compose === undefined || !haveOpenssl()) return;
  const { services, secrets } = read;
  expect(Object.keys(services).sort()).toEqual([
    ...['gateway-1', 'gateway-2', 'grafana', 'nats-1', 'nats-2', 'nats-3', 'prometheus'],
  ]);
  for (const { image, volumes } of Object.values(services)) {
    expect(image).toMatch(/:v?\d+\.\d+\.\d+(-alpine)?$/);
    for (const { type, source } of volumes)
      if (type === 'bind') expect([source, existsSync(source)]).toEqual([source, true]);
  }
  for (const { file } of Object.values(secrets)) expect([file, existsSync(file)]).toEqual([file, true]);
});

test('the secrets are made once, and closed to others', () => {
  if (compose === undefined || !haveOpenssl()) return;
  const folder = join(deploy, 'compose', 'secrets');
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  const before = readFileSync(join(folder, 'nats-password'), 'utf8');
  expect(before).toMatch(/^[0-9a-f]{48}$/);
  expect(() => execFileSync(join(deploy, 'compose', 'make-secrets.sh'), { stdio: 'pipe' })).toThrow(
    'exists already',
  );
  expect(readFileSync(join(folder, 'nats-password'), 'utf8')).toBe(before);
  const ignored = execFileSync('git', ['check-ignore', 'deploy/compose/secrets/me.token'], { cwd: root });
  expect(ignored.toString().trim()).toBe('deploy/compose/secrets/me.token');
});

test('three servers, two gateways and Prometheus run as it says', async () => {
  const tool = await deployTool('prometheus');
  if (compose === undefined || !haveOpenssl() || tool === undefined) return;
  await using servers = await startServers();
  const [first, second] = [await addresses(), await addresses()];
  await using one = await startGateway('gateway-1', servers.hosts, first);
  await using two = await startGateway('gateway-2', servers.hosts, second);
  await Promise.all([one.serving(), two.serving()]);

  const secrets = join(deploy, 'compose', 'secrets');
  const access = ['--tls-ca', join(secrets, 'ca.crt'), '--token-file', join(secrets, 'me.token')];
  const appended = await runSluice([
    ...[
      'append',
      'order.1',
      '--type',
      'Placed',
      '--data',
      'first',
      '--address',
      first.SLUICE_LISTEN,
      ...access,
    ],
  ]);
  expect(appended).toMatchObject({ code: 0 });
  const seen = await runSluice(['read', 'order.1', '--address', second.SLUICE_LISTEN, ...access]);
  expect(seen).toMatchObject({ code: 0, stdout: expect.stringMatching(/\tPlaced\tfirst\n$/) as string });

  const text = readFileSync(join(deploy, 'compose', 'prometheus.yml'), 'utf8')
    .replace('gateway-1:8080', first.SLUICE_HTTP_LISTEN)
    .replace('gateway-2:8080', second.SLUICE_HTTP_LISTEN)
    .replace('sluice.rules.yml', join(deploy, 'prometheus', 'sluice.rules.yml'))
    .replaceAll('15s', '1s');
  await using prometheus = await startPrometheus(tool.path, text);
  await until(async () => (await prometheus.query('up{job="sluice"} == 1')) === 2, 30_000);
  await until(async () => (await prometheus.brokenAlerts()) !== undefined, 30_000);
  expect(await prometheus.brokenAlerts()).toEqual([]);
  for (const process of [one, two]) {
    process.signal('SIGTERM');
    expect(await process.ended()).toBe(0);
  }
}, 180_000);

/** Where a gateway listens instead of on every address. */
async function addresses(): Promise<{ SLUICE_LISTEN: string; SLUICE_HTTP_LISTEN: string }> {
  const [grpc = 0, http = 0] = await freePorts(2);
  return { SLUICE_LISTEN: `127.0.0.1:${grpc}`, SLUICE_HTTP_LISTEN: `127.0.0.1:${http}` };
}

/** The addresses of the NATS servers by name. */
interface Servers extends AsyncDisposable {
  readonly hosts: ReadonlyMap<string, string>;
}

/** Starts them, each on port 4222 of its own address on loopback. */
async function startServers(): Promise<Servers> {
  const network = `127.${100 + Math.floor(Math.random() * 100)}.${Math.floor(Math.random() * 250)}`;
  const names = Object.keys(read.services).filter((name) => name.startsWith('nats-'));
  const hosts = new Map(names.map((name, i) => [name, `${network}.${i + 1}`]));
  const processes = names.map((name) => startServer(name, hosts));
  const servers = {
    hosts,
    async [Symbol.asyncDispose]() {
      await Promise.all(processes.map((server) => server.stop(10_000)));
    },
  };
  try {
    await until(async () => {
      for (const server of processes)
        if (server.end !== undefined)
          throw new Error(`nats-server ended with ${server.end}: ${server.stderrTail()}`);
      const healthy = await Promise.all(Array.from(hosts.values(), isHealthy));
      return !healthy.includes(false);
    }, 60_000);
    return servers;
  } catch (error) {
    await servers[Symbol.asyncDispose]();
    throw error;
  }
}

async function isHealthy(host: string): Promise<boolean> {
  return fetch(`http://${host}:8222/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Text in which the names of servers are addresses. */
function located(text: string, hosts: ReadonlyMap<string, string>): string {
  return text.replace(/nats-\d(?=:)/g, (name) => hosts.get(name) ?? name);
}

function startServer(name: string, hosts: ReadonlyMap<string, string>): TiedProcess {
  const { command, volumes, environment, secrets = [] } = read.services[name] as Service;
  const data = join(deploy, name);
  mkdirSync(data);
  const mounted = volumes.find(({ target }) => target === '/etc/nats/nats.conf');
  const config = join(data, basename(mounted?.source ?? ''));
  // They are mounted into the folder of the configuration.
  for (const { source, target } of secrets) {
    expect(dirname(target)).toBe('/etc/nats');
    copyFileSync(read.secrets[source]?.file ?? '', join(data, basename(target)));
  }
  const text = readFileSync(mounted?.source ?? '', 'utf8')
    .replaceAll('0.0.0.0', hosts.get(name) ?? '')
    .replace('"/data"', JSON.stringify(data));
  writeFileSync(config, located(text, hosts));
  const args = command?.map((arg) => (arg === '/etc/nats/nats.conf' ? config : arg)) ?? [];
  const variables = Object.entries(environment ?? {}).map(([variable, value]) => `${variable}=${value}`);
  return spawnTied('/usr/bin/env', [...variables, natsServerPath(), ...args]);
}

/** Starts a gateway with the variables of the image and of the service. */
async function startGateway(
  name: string,
  hosts: ReadonlyMap<string, string>,
  listen: Readonly<Record<string, string>>,
): Promise<SluiceProcess> {
  const { environment = {}, secrets = [], command } = read.services[name] as Service;
  const replica = join(deploy, name, 'replica');
  mkdirSync(dirname(replica), { recursive: true });
  const files = new Map(secrets.map(({ source, target }) => [target, read.secrets[source]?.file ?? '']));
  const given = { ...variablesOfImage(), ...environment, SLUICE_REPLICA_DIR: replica, ...listen };
  const settings = Object.entries(given)
    .filter(([variable]) => variable.startsWith('SLUICE_'))
    .map(([variable, value]) => [variable, located(files.get(value) ?? value, hosts)]);
  return startSluice(command ?? [], Object.fromEntries(settings) as Record<string, string>);
}
