import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const timeoutMs = 300_000;

export const umaDBVersion = '0.7.8';
export const messageDBVersion = '1.3.1';

/** Installs UmaDB from its Python wheel into a folder; returns the path of its server. */
export async function installUmaDB(folder: string): Promise<string> {
  const venv = join(folder, 'umadb-venv');
  await run('python3', ['-m', 'venv', venv], { timeout: timeoutMs });
  const pip = join(venv, 'bin', 'pip');
  await run(pip, ['install', '--quiet', '--only-binary=:all:', `umadb==${umaDBVersion}`], {
    timeout: timeoutMs,
  });
  return join(venv, 'bin', 'umadb');
}

/** Downloads the schema of Message DB into a folder; returns the path of its install.sh. */
export async function installMessageDB(folder: string): Promise<string> {
  const wanted = `@eventide/message-db@${messageDBVersion}`;
  const options = { cwd: folder, timeout: timeoutMs };
  const { stdout } = await run('npm', ['pack', '--silent', wanted], options);
  await run('tar', ['xzf', stdout.trim()], options);
  return join(folder, 'package', 'database');
}

/** The folder with the programs of the PostgreSQL server. Throws if PostgreSQL is not installed. */
export function findPostgres(): string {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ];
  const found = folders.find((folder) => existsSync(join(folder, 'initdb')));
  if (found === undefined) throw new Error('PostgreSQL is not installed');
  return found;
}
