import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { defaultCacheDir } from '../src/nats-server/nats-cache';
import { blocks, section } from '../test/docs/markdown';
import type { Language } from './languages';
import { run } from './run';

/** The result of a build. */
export interface Built {
  readonly folder: string;
  readonly cache: string;
}

/** What a language is built from, beside its own folder, its client, and the blocks of its sections of the documentation. */
const shared = ['proto', 'stubs', join('conformance', 'languages.ts')];
/** Read before the variables of the gateways are removed. */
const cacheFolder = join(process.env['SLUICE_CACHE_DIR'] || defaultCacheDir(process.env), 'conformance');
/** Older builds are removed. */
const keptMs = 14 * 24 * 3_600_000;

/** The versions that the tools of a language print; throws if a tool is missing. */
export async function toolVersions({ tools }: Language): Promise<string> {
  const said: string[] = [];
  for (const tool of tools) said.push(await run(tool, { cwd: '.' }));
  return said.join('');
}

/** Builds a language in the user's cache folder, unless nothing has changed since its last build. */
export async function build(language: Language, versions: string): Promise<Built> {
  const own = join('conformance', language.name);
  const text = readFileSync(join('docs', 'clients.md'), 'utf8');
  const page = section(text, `## ${language.title}`);
  const tokenPage =
    language.tokenProgram === undefined ? '' : section(text, `### Token in ${language.title}`);
  const conditionPage =
    language.conditionProgram === undefined
      ? ''
      : section(readFileSync(join('docs', 'conditions.md'), 'utf8'), `### ${language.title}`);
  const client = join('clients', language.name, language.name === 'python' ? 'src' : '');
  const used = existsSync(client) ? await filesIn([client]) : [];
  const pages = [page, tokenPage, conditionPage].map(blocks);
  return inCache(
    language.name,
    hashOf([own, ...shared, ...used], versions + JSON.stringify(pages)),
    async (making, cache) => {
      await cp(own, making, { recursive: true });
      for (const name of ['proto', 'stubs']) await cp(name, join(making, name), { recursive: true });
      await language.build({ folder: making, cache, page, tokenPage, conditionPage });
    },
  );
}

/**
 * Runs the commands with which a page builds a language of an example, as they stand there, in a copy of what they need of
 * the checkout, and gives the folder of the copy.
 */
export async function buildExample(
  example: string,
  { name }: Language,
  { versions, commands }: { readonly versions: string; readonly commands: string },
): Promise<string> {
  const client = join('clients', name); // of a language that has one
  const files = await filesIn(['package.json', 'proto', 'stubs', client, join(example, name)]);
  const hash = hashOf(files, versions + commands);
  const { folder } = await inCache(join(basename(example), name), hash, async (making) => {
    for (const file of files) await cp(file, join(making, file));
    await symlink(resolve('node_modules'), join(making, 'node_modules'));
    await run(['sh', '-e', '-c', commands], { cwd: making });
  });
  return folder;
}

/** Files of the checkout, without build output. */
async function filesIn(paths: readonly string[]): Promise<string[]> {
  const listed = await run(
    ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', ...paths],
    { cwd: '.' },
  );
  return listed.split('\0').filter((file) => file !== '' && existsSync(file));
}

/** Makes the folder of a hash in the cache unless it exists. `make` gets that folder, and the one that stays from build to build. */
export async function inCache(
  name: string,
  hash: string,
  make: (folder: string, cache: string) => Promise<void>,
): Promise<Built> {
  const base = join(cacheFolder, name);
  const cache = join(base, 'cache');
  const folder = join(base, hash);
  await mkdir(cache, { recursive: true });
  await removeOld(base);
  if (existsSync(folder)) return { folder, cache };
  const making = await mkdtemp(join(base, 'making-'));
  await make(making, cache);
  await rename(making, folder).catch((error: unknown) => {
    // Another run may have been faster.
    if (!existsSync(folder)) throw error;
  });
  return { folder, cache };
}

function hashOf(paths: readonly string[], more: string): string {
  const hash = createHash('sha256').update(more);
  for (const path of paths) {
    const files = statSync(path).isDirectory()
      ? readdirSync(path, { recursive: true, encoding: 'utf8' })
          .map((name) => join(path, name))
          .filter((name) => statSync(name).isFile())
          .sort()
      : [path];
    for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(file));
  }
  return hash.digest('hex').slice(0, 16);
}

async function removeOld(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    const path = join(base, name);
    if (name !== 'cache' && Date.now() - (await stat(path)).mtimeMs > keptMs)
      await rm(path, { recursive: true, force: true });
  }
}
