import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { prepareTools, removeTools } from '../test/support/tools';
import { build, toolVersions } from './build';
import { check, outcomeOf } from './check';
import { readCaseFiles, type Case } from './case-file';
import { subscribeTogether } from './course-subscription';
import { languages } from './languages';
import { askInTurn } from './order-data';
import { sendTogether } from './order-emails';
import { decideAndProject } from './order-programs';
import { tryPrograms } from './programs';
import { renderResults } from './results';

/** `npm run` runs it in the folder of the project. */
const casesFolder = join('conformance', 'cases');
const resultsFile = join('conformance', 'RESULTS.md');
/** Languages; most of what a case takes is waiting. */
const atATime = 2;
const help = `Usage: npm run conformance -- [flags]
Plays the cases of conformance/cases/ in each language whose tools are there, and runs the programs of docs/clients.md, under
faults as well, and those of the other examples in Go and Python.
  --only LANGUAGES     these only, with commas: ${languages.map(({ name }) => name).join(',')}
  --require LANGUAGES  fail where one of these has no tools; "all" for all
  --build-only         build what is not built yet, and play nothing
  --case TEXT          only cases with this in their name, and no programs
  --orders NUMBER      of orders to import for examples/order-data (default 2000)
  --write              write conformance/RESULTS.md
`;

interface Settings {
  readonly only: readonly string[];
  readonly required: readonly string[];
  readonly buildOnly: boolean;
  readonly named: string;
  readonly orders: number;
  readonly write: boolean;
}

function parseSettings(args: string[]): Settings | undefined {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      require: { type: 'string' },
      'build-only': { type: 'boolean', default: false },
      case: { type: 'string', default: '' },
      orders: { type: 'string', default: '2000' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const all = languages.map(({ name }) => name);
  const named = (list: string): readonly string[] => {
    const names = list === 'all' ? all : list.split(',').filter((name) => name !== '');
    const unknown = names.find((name) => !all.includes(name));
    if (unknown !== undefined) throw new Error(`there is no language ${unknown}`);
    return names;
  };
  return {
    only: named(values.only ?? 'all'),
    required: named(values.require ?? ''),
    buildOnly: values['build-only'],
    named: values.case,
    orders: Number(values.orders),
    write: values.write,
  };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Variables that say how to find the tools would be settings to the gateways. */
function cleanEnvironment(): void {
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('SLUICE_')) Reflect.deleteProperty(process.env, name);
  }
}

/** Does something with each item, a few at a time, and gives the results in the order of the items. */
async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const left = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of left) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: atATime }, worker));
  return results;
}

/** One language after the other: it is meant to run beside something else. Gives the exit code. */
async function buildAll({ only }: Settings): Promise<number> {
  let code = 0;
  for (const language of languages.filter(({ name }) => only.includes(name))) {
    const { why } = await outcomeOf(toolVersions(language).then((versions) => build(language, versions)));
    say(why === undefined ? `built ${language.name}` : `not built ${language.name}: ${why}`);
    if (why !== undefined) code = 1;
  }
  return code;
}

async function main(args: string[]): Promise<number> {
  const settings = parseSettings(args);
  if (settings === undefined) {
    process.stdout.write(help);
    return 0;
  }
  if (settings.buildOnly) return buildAll(settings);
  await prepareTools();
  try {
    cleanEnvironment();
    const files = readCaseFiles(casesFolder)
      .map((file) => {
        const isNamed = ({ name }: Case): boolean => `${file.name}: ${name}`.includes(settings.named);
        return { ...file, cases: file.cases.filter(isNamed) };
      })
      .filter(({ cases }) => cases.length > 0);
    const columns = await inTurns(
      languages.filter(({ name }) => settings.only.includes(name)),
      (language) =>
        check(language, {
          files,
          required: settings.required.includes(language.name),
          withPrograms: settings.named === '',
          say,
        }),
    );
    if (settings.named === '') {
      await Promise.all([
        askInTurn(columns, { orders: settings.orders, say }),
        tryPrograms(columns, say),
        decideAndProject(columns, say),
      ]);
      await sendTogether(columns, say);
      await subscribeTogether(columns, say);
    }
    if (settings.write) writeFileSync(resultsFile, renderResults(columns));
    const outcomes = columns.flatMap(({ results }) => [...results.values()]);
    const passed = outcomes.filter((why) => why === undefined).length;
    const skipped = columns.filter((column) => column.skipped !== undefined).length;
    const failed = outcomes.length - passed;
    say(`${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`);
    return failed === 0 ? 0 : 1;
  } finally {
    removeTools();
  }
}

void main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(
      `conformance: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exit(1);
  },
);
