import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '../src/client/client';
import { blocks, section } from '../test/docs/markdown';
import {
  tryOrderService,
  tryReadModel,
  type ProgramCommand,
  type ProgramGateway,
} from '../test/support/order-programs';
import { buildExample, toolVersions } from './build';
import { plainSettings } from './case-file';
import { outcomeOf, teller } from './check';
import { startEnvironment } from './environment';
import { languages, type Language } from './languages';
import type { Column } from './results';

interface Example {
  readonly folder: string;
  /** What the command that starts it on its page ends with; the arguments of `tryOut` take its place. */
  readonly shown: RegExp;
  readonly tryOut: (program: ProgramCommand, gateway: ProgramGateway) => Promise<void>;
}

const examples: readonly Example[] = [
  {
    folder: join('examples', 'order-service'),
    shown: / 127\.0\.0\.1:50051 127\.0\.0\.1:8081\n$/,
    tryOut: tryOrderService,
  },
  {
    folder: join('examples', 'order-read-model'),
    shown: / project 127\.0\.0\.1:50051 \S+\n$/,
    tryOut: tryReadModel,
  },
];
/** Languages that have a program there by the commands of its page. In TypeScript, test/examples tries it. */
const names = ['go', 'python'];

/**
 * Builds and tries the service and the read model in each language, each with a store of its own. Languages without tools are left
 * out; their columns say so already.
 */
export async function decideAndProject(
  columns: readonly Column[],
  say: (line: string) => void,
): Promise<void> {
  const all = columns.filter(({ name, results }) => names.includes(name) && results.has('build'));
  for (const column of all) {
    for (const example of examples) {
      const { why } = await outcomeOf(tryOne(column.name, example));
      teller(column, say)(example.folder, why);
    }
  }
}

async function tryOne(name: string, { folder, shown, tryOut }: Example): Promise<void> {
  const language = languages.find((one) => one.name === name) as Language;
  const page = section(readFileSync(join(folder, 'README.md'), 'utf8'), `## ${language.title}`);
  const [commands = '', starting = ''] = blocks(page).map(({ code }) => code);
  if (!shown.test(starting)) throw new Error(`its second command does not end with ${shown.source}`);
  const versions = await toolVersions(language);
  const cwd = await buildExample(folder, language, { versions, commands });
  await using environment = await startEnvironment(plainSettings);
  using client = connect(environment.address);
  const command = ['sh', '-c', `exec ${starting.replace(shown, '')} "$@"`, 'sh'];
  await tryOut({ command, cwd }, { address: environment.address, client });
}
