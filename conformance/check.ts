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

/** Says of a thing that was looked at why it failed; undefined if it did not. */
export type Tell = (what: string, why: string | undefined) => void;

/** Puts what is told into a column, and says it. */
export function teller({ name, results }: Column, say: Checks['say']): Tell {
  return (what, why) => {
    results.set(what, why);
    say(why === undefined ? `ok ${name}: ${what}` : `FAILED ${name}: ${what}: ${why}`);
  };
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
  const tell = teller(column, say);
  const versions = await outcomeOf(toolVersions(language));
  if (versions.why !== undefined) {
    if (required) tell('tools', versions.why);
    else say(`**** SKIPPED ${name}: its tools are not here: ${versions.why}`);
    return required ? column : { ...column, skipped: true };
  }
  const built = await outcomeOf(build(language, versions.value));
  tell('build', built.why);
  if (built.why !== undefined) return column;
  const { folder, cache } = built.value;
  const runner = language.runner?.(folder, cache);
  if (runner === undefined) {
    column.versions = language.example === undefined ? 'stubs alone, not compiled' : 'the example alone';
  } else {
    for (const group of bySettings(files)) {
      const started = await outcomeOf(playGroup(group, runner, { column, tell }));
      if (started.why !== undefined) tell(`start: ${group[0].name}`, started.why);
    }
  }
  const examples = withExample ? examplesOf(language, built.value) : [];
  if (examples.length === 0) return column;
  const started = await outcomeOf(runExamples(examples, tell));
  if (started.why !== undefined) tell('start: examples', started.why);
  return column;
}

async function playGroup(
  group: Group,
  command: readonly string[],
  { column, tell }: { readonly column: Column; readonly tell: Tell },
): Promise<void> {
  const [{ gateway, nats }] = group;
  await using environment = await startEnvironment({ gateway, nats });
  await using runner = await startRunner(command, environment.address);
  column.versions = runner.versions;
  for (const file of group) {
    for (const one of file.cases) {
      const { why } = await outcomeOf(play(one, runner, environment));
      tell(`${file.name}: ${one.name}`, why);
    }
  }
}

/** What it is, and the program. */
type Example = readonly [string, readonly string[]];

function examplesOf(language: Language, { folder, cache }: Built): Example[] {
  const what = 'example of docs/clients.md';
  const programs = [
    [what, language.example?.(folder, cache)],
    [`${what}, stubs by buf`, language.exampleByBuf?.(folder, cache)],
  ] as const;
  return programs.flatMap(([name, command]) => (command === undefined ? [] : [[name, command] as const]));
}

/** Runs programs that must print what the page shows, one after the other. */
async function runExamples(examples: readonly Example[], tell: Tell): Promise<void> {
  await using environment = await startEnvironment({ gateway: [], nats: [] });
  for (const [what, command] of examples) {
    const { why } = await outcomeOf(runExample(command, environment.address));
    tell(what, why);
  }
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

export async function outcomeOf<T>(work: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work, why: undefined };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}
