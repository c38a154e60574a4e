import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocks } from '../test/docs/markdown';
import { build, toolVersions, type Built } from './build';
import type { CaseFile } from './case-file';
import { startEnvironment } from './environment';
import type { Language } from './languages';
import { play } from './play';
import type { Column } from './results';
import { run } from './run';
import { startRunner } from './runner';

/** What a language is to show. */
export interface Checks {
  readonly files: readonly CaseFile[];
  /** Whether it is a failure that its tools are not there. */
  readonly required: boolean;
  /** Whether its example is run as well. */
  readonly withExample: boolean;
  /** Is given a line for each thing as soon as it is known. */
  readonly say: (line: string) => void;
}

/** Files that need the same gateway. */
type Group = readonly [CaseFile, ...CaseFile[]];

/** The column of a language: what came of its build, its cases and its example. */
export async function check(
  language: Language,
  { files, required, withExample, say }: Checks,
): Promise<Column> {
  const { name } = language;
  const column: Column = { name, versions: '', results: new Map() };
  const tell = (what: string, why: string | undefined): void => {
    column.results.set(what, why);
    say(why === undefined ? `ok ${name}: ${what}` : `FAILED ${name}: ${what}: ${why}`);
  };
  const versions = await outcomeOf(toolVersions(language));
  if (versions.why !== undefined) {
    if (required) tell('tools', versions.why);
    else say(`**** SKIPPED ${name}: its tools are not here: ${versions.why}`);
    return required ? column : { ...column, skipped: true };
  }
  const built = await outcomeOf(build(language, versions.value));
  tell('build', built.why);
  if (built.why !== undefined) return column;
  for (const [index, group] of bySettings(files).entries()) {
    const example = index === 0 && withExample;
    const started = await outcomeOf(playGroup(group, language, built.value, { example, column, tell }));
    if (started.why !== undefined) tell(`start: ${group[0].name}`, started.why);
  }
  return column;
}

interface Telling {
  readonly example: boolean;
  readonly column: Column;
  readonly tell: (what: string, why: string | undefined) => void;
}

async function playGroup(
  group: Group,
  language: Language,
  { folder, cache }: Built,
  { example, column, tell }: Telling,
): Promise<void> {
  const [{ gateway, nats }] = group;
  await using environment = await startEnvironment({ gateway, nats });
  await using runner = await startRunner(language.runner(folder, cache), environment.address);
  column.versions = runner.versions;
  for (const file of group) {
    for (const one of file.cases) {
      const { why } = await outcomeOf(play(one, runner, environment));
      tell(`${file.name}: ${one.name}`, why);
    }
  }
  if (!example) return;
  const { why } = await outcomeOf(runExample(language.example(folder, cache), environment.address));
  tell('example of docs/clients.md', why);
}

async function runExample(command: readonly string[], address: string): Promise<void> {
  const printed = await run([...command, address], { cwd: '.' });
  const page = blocks(readFileSync(join('docs', 'clients.md'), 'utf8'));
  const shown = page.find(({ language }) => language === 'text');
  if (printed !== shown?.code) throw new Error(`it printed ${JSON.stringify(printed)}`);
}

function bySettings(files: readonly CaseFile[]): Group[] {
  const groups = new Map<string, [CaseFile, ...CaseFile[]]>();
  for (const file of files) {
    const key = JSON.stringify([file.gateway, file.nats]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [file]);
    else group.push(file);
  }
  return [...groups.values()];
}

type Outcome<T> = { readonly value: T; readonly why: undefined } | { readonly why: string };

async function outcomeOf<T>(work: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work, why: undefined };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}
