import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocks, section } from '../test/docs/markdown';
import type { ProgramCommand } from '../test/support/order-programs';
import { buildExample, toolVersions } from './build';
import { outcomeOf, teller } from './check';
import { languages } from './languages';
import type { Column } from './results';

/** A program that README.md of an example has for several languages. */
export interface PageProgram {
  /** Of the example. */
  readonly folder: string;
  /** What stands before the title of a language in its heading, such as `##`. */
  readonly heading: string;
  /** What the command that starts it ends with; other arguments take its place. */
  readonly shown: RegExp;
}

export interface Built {
  readonly column: Column;
  readonly program: ProgramCommand;
}

/**
 * Builds a program by the commands of its page before the one that starts it. `compiled`: the folder that has what the
 * commands of TypeScript build.
 */
export async function buildByPage(
  { folder, heading, shown }: PageProgram,
  name: string,
  compiled?: string,
): Promise<ProgramCommand> {
  const language = languages.find((one) => one.name === name);
  if (language === undefined) throw new Error(`there is no language ${name}`);
  const page = section(readFileSync(join(folder, 'README.md'), 'utf8'), `${heading} ${language.title}`);
  const commands = blocks(page).map(({ code }) => code);
  const index = commands.findIndex((command) => shown.test(command));
  const starting = commands[index];
  if (starting === undefined) throw new Error(`no command ends with ${shown.source}`);
  const versions = await toolVersions(language);
  const cwd =
    name === 'typescript' && compiled !== undefined
      ? compiled
      : await buildExample(folder, language, { versions, commands: commands.slice(0, index).join('') });
  return { command: ['sh', '-c', `exec ${starting.replace(shown, '')} "$@"`, 'sh'], cwd };
}

/** Builds it for each column; a column whose program cannot be built says so and is left out. */
export async function buildAll(
  program: PageProgram,
  { columns, compiled, say }: BuildAll,
): Promise<readonly Built[]> {
  const built: Built[] = [];
  for (const column of columns) {
    const outcome = await outcomeOf(buildByPage(program, column.name, compiled));
    if (outcome.why === undefined) built.push({ column, program: outcome.value });
    else teller(column, say)(program.folder, outcome.why);
  }
  return built;
}

export interface BuildAll {
  readonly columns: readonly Column[];
  readonly compiled: string;
  readonly say: (line: string) => void;
}
