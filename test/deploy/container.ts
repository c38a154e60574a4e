import { execFile, type ExecFileOptions } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../docs/markdown';

/** deploy/Containerfile, read by the part of its language that it uses, and its commands run in a plain folder. */
export const containerfile = join(root, 'deploy', 'Containerfile');

/** An instruction, with its lines joined. */
interface Instruction {
  readonly name: string;
  readonly rest: string;
}

export function instructions(): Instruction[] {
  const text = readFileSync(containerfile, 'utf8')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ');
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', rest = ''] = /^(\w+) +(.+)$/.exec(line) ?? [];
      return { name, rest: rest.trim() };
    });
}

/** The only instruction of a name. */
export function only(name: string): string {
  const [found, ...others] = instructions().filter((instruction) => instruction.name === name);
  if (found === undefined || others.length > 0) throw new Error(`not one ${name}`);
  return found.rest;
}

/** The commands of a stage, by its name. */
export function commandsOf(stage: string): string[] {
  const all = instructions();
  const start = all.findIndex(({ name, rest }) => name === 'FROM' && rest.endsWith(` AS ${stage}`));
  const end = all.findIndex(({ name }, i) => i > start && name === 'FROM');
  return all.slice(start, end).flatMap(({ name, rest }) => (name === 'RUN' ? [rest] : []));
}

/** The variables of the image. */
export function variables(): Record<string, string> {
  const pairs = only('ENV').matchAll(/(\w+)=(\S+)/g);
  return Object.fromEntries(Array.from(pairs, ([, name = '', value = '']) => [name, value]));
}

/** Text in which the folders of the container are folders below `base`. */
export function below(base: string, text: string): string {
  return text.replace(/(?<![\w.-])\/(build|tmp|opt\/sluice|var\/lib\/sluice)\b/g, (path) => base + path);
}

/** Copies what the build gets from a checkout: what deploy/Containerfile.dockerignore lets through. */
export function copyContext(target: string): void {
  const patterns = readFileSync(`${containerfile}.dockerignore`, 'utf8').split('\n');
  for (const [, path = ''] of patterns.map((line) => /^!(.+)$/.exec(line) ?? [])) {
    if (path === '') continue;
    if (!existsSync(join(root, path))) throw new Error(`${path} is let through, but does not exist`);
    mkdirSync(dirname(join(target, path)), { recursive: true });
    const filter = (source: string): boolean => !source.includes('/node_modules');
    cpSync(join(root, path), join(target, path), { recursive: true, filter });
  }
}

/** Runs a command of the Containerfile in a folder. */
export async function runCommand(
  [program, ...args]: readonly [string, ...string[]],
  options: ExecFileOptions,
): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 16 << 20, ...options });
  return stdout.toString();
}
