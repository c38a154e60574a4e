import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startInstalled, type InstalledGateway } from '../support/installed-gateway';
import { startNats } from '../support/nats-server';
import { nodeFlags } from '../support/node-flags';

/** The package as users get it: packed, installed in an empty folder, compiled against and run. */
const root = join(__dirname, '..', '..');
const run = promisify(execFile);

interface Manifest {
  readonly version: string;
  readonly files: readonly string[];
  readonly bin: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

let folder: string;
/** Where the package is installed. */
let user: string;
let manifest: Manifest;
/** Paths within the package. */
let packed: readonly string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-package-'));
  user = join(folder, 'user');
  const tarball = await pack(join(folder, 'checkout'));
  await mkdir(user);
  await writeFile(join(user, 'package.json'), '{ "private": true }');
  await run('npm', ['install', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', tarball], {
    cwd: user,
  });
  const installed = join(user, 'node_modules', 'sluice-eventstore');
  manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as Manifest;
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Packs a copy of the sources, so that the checkout's own dist/ is left alone, and gives the path of the tarball. */
async function pack(checkout: string): Promise<string> {
  await mkdir(checkout);
  const { files } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest;
  const sources = [
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts/build-console.mjs',
    'src',
    'generated',
    'test',
    'bench',
  ];
  for (const name of [...sources, ...files]) {
    if (name === 'dist' || !existsSync(join(root, name))) continue;
    await cp(join(root, name), join(checkout, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(checkout, 'node_modules'));
  // Left over from a build of long ago.
  await mkdir(join(checkout, 'dist', 'src'), { recursive: true });
  await writeFile(join(checkout, 'dist', 'src', 'stale.js'), '');
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: checkout });
  const [tarball] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  packed = tarball.files.map(({ path }) => path);
  return join(folder, tarball.filename);
}

test('it holds what it needs and nothing else', async () => {
  const pages = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'];
  const single = ['package.json', ...pages, 'LICENSE', 'bin/sluice'];
  expect(packed).toEqual(expect.arrayContaining(single));
  expect(packed.filter((path) => /^docs\/.*\.md$/.test(path))).not.toEqual([]);
  const protos = await readdir(join(root, 'proto'), { recursive: true });
  for (const name of protos.filter((path) => path.endsWith('.proto')))
    expect(packed).toContain(join('proto', name));
  const isBuilt = (path: string): boolean => {
    if (/^dist\/console\/(index\.html|assets\/[\w-]+\.(js|css|svg|woff2|txt))(\.(br|gz))?$/.test(path))
      return true;
    const source = /^dist\/((?:src|generated)\/.+?)(?:\.js|\.d\.ts)$/.exec(path)?.[1];
    return source !== undefined && existsSync(join(root, `${source}.ts`));
  };
  const others = packed.filter((path) => !single.includes(path) && !/^(docs|examples|proto)\//.test(path));
  expect(others.filter((path) => !isBuilt(path))).toEqual([]);
  expect(others).toEqual(expect.arrayContaining(['dist/src/main.js', 'dist/console/index.html']));
});

test('it names every package that it imports, and runs nothing when it is installed', async () => {
  const imported = new Set<string>();
  for (const path of packed.filter((name) => name.startsWith('dist/'))) {
    const text = await readFile(join(user, 'node_modules', 'sluice-eventstore', path), 'utf8');
    for (const [, name = ''] of text.matchAll(/\b(?:require\(|from |import\()["']([^."'][^"']*)["']/g)) {
      if (!name.startsWith('node:') && !builtinModules.includes(name)) imported.add(packageOf(name));
    }
  }
  expect([...imported].filter((name) => !(name in manifest.dependencies))).toEqual([]);
  expect(imported).toContain('@grpc/grpc-js');
  expect(Object.keys(manifest.scripts).filter((name) => /install|^prepare$/.test(name))).toEqual([]);
});

function packageOf(name: string): string {
  return name.split('/', name.startsWith('@') ? 2 : 1).join('/');
}

/** Runs a command for its version, and gives what it prints and the flags that Node.js was started with. */
async function versionAndFlags(
  command: string,
  ...args: readonly string[]
): Promise<{ version: string; flags: unknown }> {
  const look = join(folder, 'look.cjs');
  await writeFile(look, 'process.stderr.write(JSON.stringify(process.execArgv));');
  const env = { ...process.env, NODE_OPTIONS: `--require=${look}` };
  const { stdout, stderr } = await run(command, [...args, '--version'], { env, cwd: folder });
  return { version: stdout, flags: JSON.parse(stderr) };
}

test('its commands run with the flags of Node.js, whatever links lead to them', async () => {
  const expected = { version: `${manifest.version}\n`, flags: nodeFlags };
  const commands = join(user, 'node_modules', '.bin');
  expect(await versionAndFlags(join(commands, 'sluice'))).toEqual(expected);
  expect(await versionAndFlags(join(commands, 'sluice-eventstore'))).toEqual(expected);

  const elsewhere = join(folder, 'a folder of links');
  await mkdir(elsewhere);
  await symlink(join(commands, 'sluice'), join(elsewhere, 'absolute'));
  await symlink('absolute', join(elsewhere, '-relative'));
  expect(await versionAndFlags(join(elsewhere, '-relative'))).toEqual(expected);
  expect(await versionAndFlags('sh', join('a folder of links', '-relative'))).toEqual(expected);
});

test('npm start runs the same command', () => {
  expect(manifest.bin).toEqual({ 'sluice-eventstore': 'bin/sluice', sluice: 'bin/sluice' });
  expect(manifest.scripts['start']).toBe('bin/sluice');
});

test('a signal for its command ends the gateway, in order', async () => {
  await using nats = await startNats();
  await using gateway = start(nats.url);
  await gateway.serving();
  expect(await gateway.terminated()).toBe(0);
}, 60_000);

/** A program of a user, as an ES module and as a CommonJS one. */
const program = `
import { connect, jsonEvent, parseJson, SluiceError, VersionConflictError, type AnySluiceError } from 'sluice-eventstore';
import { openKeyFolder, withKeys, type KeyStore } from 'sluice-eventstore/keys';

const [address = '', stream = ''] = process.argv.slice(2);

function advice(error: AnySluiceError): string {
  switch (error.code) {
    case 'VERSION_CONFLICT':
      return \`at \${error.actual} instead of \${error.expected}\`;
    case 'UNAVAILABLE':
    case 'STORE_UNAVAILABLE':
    case 'OVERLOADED':
      return \`again in \${error.retryDelayMs} ms\`;
    case 'OUTCOME_UNKNOWN':
      return \`again with \${error.commitId}\`;
    default:
      return error.message;
  }
}

async function main(): Promise<void> {
  const client = connect(address, { deadlineMs: 10_000 });
  const { version } = await client.append(stream, [jsonEvent('Placed', { total: 3 }), { type: 'Paid' }], { expectedVersion: 0 });
  const read = client.readStream(stream, { fromVersion: 1n });
  const seen: string[] = [];
  for await (const event of read) {
    seen.push(event.data === undefined ? event.type : JSON.stringify(parseJson(event)));
  }
  const refused: unknown = await client.append(stream, [], { expectedVersion: 7 }).catch((error: unknown) => error);
  if (!(refused instanceof VersionConflictError && refused instanceof SluiceError)) throw refused;
  const head: bigint = read.head.version;
  console.log([version, head, ...seen, advice(refused)].join(' '));
  const keys: KeyStore = await openKeyFolder(\`keys-\${stream}\`);
  const secret = { ...jsonEvent('Named', { name: 'Ada' }), encryptFor: stream };
  const safe = withKeys(client, keys);
  await safe.append(stream, [secret]);
  await keys.forget(stream);
  for await (const event of safe.readStream(stream, { fromVersion: 3n })) console.log(event.type, event.forgotten);
  client.close();
}

void main();
`;

test('a strict TypeScript program compiles against its types and runs against its gateway', async () => {
  await writeFile(join(user, 'esm.mts'), program);
  await writeFile(join(user, 'cjs.cts'), program);
  const compilerOptions = {
    module: 'node16',
    target: 'es2022',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
  };
  await writeFile(
    join(user, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['esm.mts', 'cjs.cts'] }),
  );
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout: complaints } = await run(process.execPath, [tsc, '-p', user]).catch(
    (error: unknown) => error as { stdout: string },
  );
  expect(complaints).toBe('');

  await using nats = await startNats();
  await using gateway = start(nats.url);
  const address = await gateway.serving();
  for (const name of ['esm.mjs', 'cjs.cjs']) {
    const args = [join(user, name), address, `order.${name.slice(0, 3)}`];
    const { stdout } = await run(process.execPath, args, { cwd: folder });
    expect(stdout).toBe('2 2 {"total":3} Paid at 2 instead of 7\nNamed true\n');
  }
}, 90_000);

/** Runs the installed command. */
function start(natsUrl: string): InstalledGateway {
  const command = join(user, 'node_modules', '.bin', 'sluice');
  const args = ['--listen=127.0.0.1:0', '--http-listen=off', `--nats-url=${natsUrl}`, '--create-store'];
  return startInstalled([command, ...args], {});
}
