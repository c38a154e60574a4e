import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocks } from '../test/docs/markdown';
import { build, toolVersions, type Built } from './build';
import { plainSettings, type CaseFile } from './case-file';
import { startEnvironment } from './environment';
import type { Language } from './languages';
import { play } from './play';
import type { Column } from './results';
import { run } from './run';
import { runWithTokens } from './token-program';
import { startRunner } from './runner';

/** What is checked of a language. */
export interface Checks {
  readonly files: readonly CaseFile[];
  /** Whether missing tools are a failure. */
  readonly required: boolean;
  /** Whether its program is run as well. */
  readonly withPrograms: boolean;
  /** Gets a line for each outcome as soon as it is known. */
  readonly say: (line: string) => void;
}

/** How a program of docs/clients.md is called in the results. */
export const programName = 'program of docs/clients.md';

/** Says of a thing that was checked why it failed; undefined if it did not. */
export type Tell = (what: string, why: string | undefined) => void;

/** Puts an outcome into a column, and says it. */
export function teller({ name, results }: Column, say: Checks['say']): Tell {
  return (what, why) => {
    results.set(what, why);
    say(why === undefined ? `ok ${name}: ${what}` : `FAILED ${name}: ${what}: ${why}`);
  };
}

/** Files that need the same gateway. */
type Group = readonly [CaseFile, ...CaseFile[]];

/** The column of a language: what came of its build, its cases and its program. */
export async function check(
  language: Language,
  { files, required, withPrograms, say }: Checks,
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
    column.versions = language.program === undefined ? 'stubs alone, not compiled' : 'the program alone';
  } else {
    const played = language.isHttp === true ? files.map(withoutRequestStreams) : files;
    for (const group of bySettings(played)) {
      const started = await outcomeOf(
        playGroup(group, { runner, isHttp: language.isHttp }, { column, tell }),
      );
      if (started.why !== undefined) tell(`start: ${group[0].name}`, started.why);
    }
  }
  if (withPrograms) await runPrograms(programsOf(language, built.value), tell);
  const tokenProgram = language.tokenProgram?.(folder, cache);
  if (withPrograms && tokenProgram !== undefined)
    tell(`${programName}, with a token`, (await outcomeOf(runWithTokens(tokenProgram))).why);
  const conditionProgram = language.conditionProgram?.(folder, cache);
  if (withPrograms && conditionProgram !== undefined)
    tell('program of docs/conditions.md', (await outcomeOf(runOnCondition(conditionProgram))).why);
  return { ...column, command: language.program?.(folder, cache) };
}

/** Without the cases that have a call with many requests. */
function withoutRequestStreams(file: CaseFile): CaseFile {
  const methods = /\b(AppendSession|Consume|ServerReflectionInfo)$/;
  const isPlayed = ({ actions }: CaseFile['cases'][number]): boolean =>
    !actions.some(
      (action) =>
        ('call' in action && methods.test(action.call)) || ('open' in action && methods.test(action.open)),
    );
  return { ...file, cases: file.cases.filter(isPlayed) };
}

async function playGroup(
  group: Group,
  { runner: command, isHttp }: { readonly runner: readonly string[]; readonly isHttp: true | undefined },
  { column, tell }: { readonly column: Column; readonly tell: Tell },
): Promise<void> {
  await using environment = await startEnvironment(group[0]);
  await using runner = await startRunner(
    command,
    isHttp === true ? environment.httpAddress : environment.address,
  );
  column.versions = runner.versions;
  for (const file of group) {
    for (const one of file.cases) {
      const { why } = await outcomeOf(play(one, { runner, environment, tokens: file.tokens }));
      tell(`${file.name}: ${one.name}`, why);
    }
  }
}

/** What it is, and the command that starts it. */
type Program = readonly [string, readonly string[]];

function programsOf(language: Language, { folder, cache }: Built): Program[] {
  const programs = [
    [programName, language.program?.(folder, cache)],
    [`${programName}, stubs by buf`, language.programByBuf?.(folder, cache)],
  ] as const;
  return programs.flatMap(([name, command]) => (command === undefined ? [] : [[name, command] as const]));
}

/** Runs programs as the page shows it, one after the other, each on a store of its own. */
async function runPrograms(programs: readonly Program[], tell: Tell): Promise<void> {
  for (const [what, command] of programs) tell(what, (await outcomeOf(runAsShown(command))).why);
}

/** Runs the commands at the top of the page; they must print what is shown below them. */
async function runAsShown(command: readonly string[]): Promise<void> {
  await using environment = await startEnvironment(plainSettings);
  const page = blocks(readFileSync(join('docs', 'clients.md'), 'utf8'));
  const shown = page.find(({ language }) => language === 'text')?.code ?? '';
  const runs = shown.split(/^\$ shop 127\.0\.0\.1:50051 /m).slice(1);
  if (runs.length < 3) throw new Error('the page shows no commands');
  for (const one of runs) {
    const [args = '', ...lines] = one.split('\n');
    const printed = await run([...command, environment.address, ...args.split(' ')], { cwd: '.' });
    if (printed !== lines.join('\n')) throw new Error(`${args}: it printed ${JSON.stringify(printed)}`);
  }
}

/** Runs the program of docs/conditions.md, which must print the same in every language. */
async function runOnCondition(command: readonly string[]): Promise<void> {
  await using environment = await startEnvironment(plainSettings);
  const page = blocks(readFileSync(join('docs', 'conditions.md'), 'utf8'));
  const first = page.findIndex(({ language }) => language === 'ts');
  const shown = page[first + 1]?.code;
  const printed = await run([...command, environment.address], { cwd: '.' });
  if (printed !== shown)
    throw new Error(`it printed ${JSON.stringify(printed)}, not ${JSON.stringify(shown)}`);
}

function bySettings(files: readonly CaseFile[]): Group[] {
  const groups = new Map<string, [CaseFile, ...CaseFile[]]>();
  for (const file of files) {
    const key = JSON.stringify([file.gateway, file.nats, file.auth, file.tokens]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [file]);
    else group.push(file);
  }
  return [...groups.values()];
}

/** What came of some work: its value, or why it failed. */
type Outcome<T> = { readonly value: T; readonly why: undefined } | { readonly why: string };

export async function outcomeOf<T>(work: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work, why: undefined };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}
