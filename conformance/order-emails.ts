import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '../src/client/client';
import { blocks, section } from '../test/docs/markdown';
import { compileExamples } from '../test/support/examples';
import { sendEmails, type MemberCommand } from '../test/support/order-emails';
import { buildExample, toolVersions } from './build';
import { plainSettings } from './case-file';
import { outcomeOf, teller } from './check';
import { startEnvironment } from './environment';
import { languages, type Language } from './languages';
import type { Column } from './results';

const example = join('examples', 'order-emails');
/** What the commands end with. */
const exampleArguments = ' 127.0.0.1:50051 outbox\n';
/** Languages that have a program there. */
const names = ['typescript', 'go', 'python'];
const orders = 60;

/**
 * Lets members of one group in all languages send e-mails together. Languages without tools are left out; their columns say so
 * already.
 */
export async function sendTogether(columns: readonly Column[], say: (line: string) => void): Promise<void> {
  const all = columns.filter(({ name, results }) => names.includes(name) && results.has('build'));
  if (all.length === 0) return;
  using compiled = await compileExamples('.', 'dist-conformance');
  const built: { readonly column: Column; readonly command: MemberCommand }[] = [];
  const tell = (column: Column, why: string | undefined): void => {
    teller(column, say)(example, why);
  };
  for (const column of all) {
    const outcome = await outcomeOf(build(column.name, compiled.folder));
    if (outcome.why === undefined) built.push({ column, command: outcome.value });
    else tell(column, outcome.why);
  }
  const outcome = await outcomeOf(run(built.map(({ command }) => command)));
  for (const [i, { column }] of built.entries()) tell(column, outcome.why ?? outcome.value[i]);
}

async function run(commands: readonly MemberCommand[]): Promise<(string | undefined)[]> {
  await using environment = await startEnvironment(plainSettings);
  using client = connect(environment.address);
  return await sendEmails(client, environment.address, commands, orders);
}

/** Builds a program by the commands of README.md, of which the last block starts it. */
async function build(name: string, folder: string): Promise<MemberCommand> {
  const language = languages.find((one) => one.name === name) as Language;
  const page = section(readFileSync(join(example, 'README.md'), 'utf8'), `### ${language.title}`);
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
  return { command: ['sh', '-c', `exec ${starting.replace(exampleArguments, '')} "$0" "$1"`], cwd };
}
