import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder of this package: the nearest one above this file, compiled or not, that has a package.json. */
export const packageFolder = folderFrom(__dirname);

/** The version of this package, from its package.json. */
export const version = readVersion(packageFolder);

function folderFrom(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : folderFrom(dirname(folder));
}

function readVersion(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
}
