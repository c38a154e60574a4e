import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocks, section } from '../test/docs/markdown';
import { compileExamples } from '../test/support/examples';
import { buildExample, toolVersions } from './build';
import { outcomeOf, teller } from './check';
import { plainSettings } from './case-file';
import { startEnvironment } from './environment';
import { languages, type Language } from './languages';
import type { Column } from './results';
import { run } from './run';

const example = join('examples', 'order-data');
/** The gateway of its commands. */
const exampleAddress = '127.0.0.1:50051';
/** Languages that have a program there. */
const names = ['typescript', 'go', 'python'];

interface Shop {
  /** Of the gateway that has the orders. */
  readonly address: string;
  /** Has dist-examples/. */
  readonly folder: string;
  /** What the programs must print, computed without a store. */
  readonly report: string;
}

/**
 * Imports orders into one gateway, and runs the programs that report on them. Languages without tools are left out; their
 * columns say so already.
 */
export async function askInTurn(
  columns: readonly Column[],
  { orders, say }: { readonly orders: number; readonly say: (line: string) => void },
): Promise<void> {
  const asked = columns.filter(({ name, results }) => names.includes(name) && results.has('build'));
  if (asked.length === 0) return;
  const tell = (column: Column, why: string | undefined): void => {
    teller(column, say)(example, why);
  };
  const { why } = await outcomeOf(
    withShop(orders, async (shop) => {
      for (const column of asked) tell(column, (await outcomeOf(ask(column.name, shop))).why);
    }),
  );
  if (why !== undefined) for (const column of asked) tell(column, why);
}

async function withShop(orders: number, work: (shop: Shop) => Promise<void>): Promise<void> {
  using compiled = await compileExamples('.', 'dist-conformance');
  const { folder } = compiled;
  await using environment = await startEnvironment(plainSettings);
  const { address } = environment;
  const node = (...args: readonly string[]): Promise<string> =>
    run([process.execPath, ...args], { cwd: folder });
  await node(join('dist-examples', 'order-data', 'main.js'), 'generate', `--orders=${orders}`);
  await node(join('dist', 'src', 'main.js'), 'import', 'orders.ndjson', '--address', address);
  const report = readFileSync(join(folder, 'orders.report.txt'), 'utf8');
  await work({ address, folder, report });
}

/** Builds and runs a program by the commands of README.md, of which the last block asks. */
async function ask(name: string, { address, folder, report }: Shop): Promise<void> {
  const language = languages.find((one) => one.name === name) as Language;
  const page = section(readFileSync(join(example, 'README.md'), 'utf8'), `### ${language.title}`);
  const commands = blocks(page).map(({ code }) => code);
  const asking = commands.pop() ?? '';
  if (!asking.includes(exampleAddress)) throw new Error(`its command has no ${exampleAddress}`);
  const versions = await toolVersions(language);
  const cwd =
    commands.length === 0
      ? folder
      : await buildExample(example, language, { versions, commands: commands.join('') });
  const printed = await run(['sh', '-e', '-c', asking.replace(exampleAddress, address)], { cwd });
  if (printed !== report)
    throw new Error(`it printed ${JSON.stringify(printed)}, not ${JSON.stringify(report)}`);
}
