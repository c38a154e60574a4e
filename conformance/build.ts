import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultCacheDir } from '../src/jetstream/nats-binary';
import { section } from '../test/docs/markdown';
import type { Language } from './languages';
import { run } from './run';

/** What was built of a language. */
export interface Built {
  readonly folder: string;
  readonly cache: string;
}

/** What a language is built from, beside its own folder. */
const shared = ['proto', 'stubs', join('docs', 'clients.md'), join('conformance', 'languages.ts')];
/** Read before the gateways' variables are taken away. */
const cacheFolder = join(process.env['SLUICE_CACHE_DIR'] || defaultCacheDir(process.env), 'conformance');
/** Older builds are removed. */
const keptMs = 14 * 24 * 3_600_000;

/** What the tools of a language say of their versions; throws if one is not there. */
export async function toolVersions({ tools }: Language): Promise<string> {
  const said: string[] = [];
  for (const tool of tools) said.push(await run(tool, { cwd: '.' }));
  return said.join('');
}

/** Builds a language in the user's cache folder, if what it is made from has changed since it last was. */
export async function build(language: Language, versions: string): Promise<Built> {
  const own = join('conformance', language.name);
  const base = join(cacheFolder, language.name);
  const cache = join(base, 'cache');
  const folder = join(base, hashOf([own, ...shared], versions));
  await mkdir(cache, { recursive: true });
  await removeOld(base);
  if (existsSync(folder)) return { folder, cache };
  const making = await mkdtemp(join(base, 'making-'));
  await cp(own, making, { recursive: true });
  for (const name of ['proto', 'stubs']) await cp(name, join(making, name), { recursive: true });
  const page = section(readFileSync(join('docs', 'clients.md'), 'utf8'), `## ${language.title}`);
  await language.build({ folder: making, cache, page });
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
