import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '../src/client/client';
import { blocks, section } from '../test/docs/markdown';
import { trySubscriptions } from '../test/support/course-subscription';
import { compileExamples } from '../test/support/examples';
import type { ProgramCommand } from '../test/support/order-programs';
import { buildExample, toolVersions } from './build';
import { plainSettings } from './case-file';
import { outcomeOf, teller } from './check';
import { startEnvironment } from './environment';
import { languages, type Language } from './languages';
import type { Column } from './results';

const example = join('examples', 'course-subscription');
/** What the commands end with. */
const exampleArguments = ' 127.0.0.1:50051\n';
/** Languages that have a program there. */
const names = ['typescript', 'python'];

/**
 * Lets programs in all languages subscribe the same students to the same courses. Languages without tools are left out; their
 * columns say so already.
 */
export async function subscribeTogether(
  columns: readonly Column[],
  say: (line: string) => void,
): Promise<void> {
  const all = columns.filter(({ name, results }) => names.includes(name) && results.has('build'));
  if (all.length === 0) return;
  using compiled = await compileExamples('.', 'dist-conformance');
  const built: { readonly column: Column; readonly program: ProgramCommand }[] = [];
  for (const column of all) {
    const outcome = await outcomeOf(build(column.name, compiled.folder));
    if (outcome.why === undefined) built.push({ column, program: outcome.value });
    else teller(column, say)(example, outcome.why);
  }
  if (built.length === 0) return;
  const { why } = await outcomeOf(tryAll(built.map(({ program }) => program)));
  for (const { column } of built) teller(column, say)(example, why);
}

async function tryAll(programs: readonly ProgramCommand[]): Promise<void> {
  await using environment = await startEnvironment(plainSettings);
  using client = connect(environment.address);
  await trySubscriptions(programs, { address: environment.address, client });
}

/** Builds a program by the commands of README.md, of which the last one starts it. */
async function build(name: string, folder: string): Promise<ProgramCommand> {
  const language = languages.find((one) => one.name === name) as Language;
  const page = section(readFileSync(join(example, 'README.md'), 'utf8'), `## ${language.title}`);
  const commands = blocks(page).map(({ code }) => code);
  const starting = commands.pop() ?? '';
  if (!starting.endsWith(exampleArguments))
    throw new Error(`its command does not end with ${exampleArguments}`);
  const versions = await toolVersions(language);
  // In TypeScript the commands build what is compiled already.
  const cwd =
    name === 'typescript'
      ? folder
      : await buildExample(example, language, { versions, commands: commands.join('') });
  return { command: ['sh', '-c', `exec ${starting.replace(exampleArguments, '')} "$0"`], cwd };
}
