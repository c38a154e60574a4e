import { join } from 'node:path';
import { connect } from '../src/client/client';
import {
  tryOrderService,
  tryReadModel,
  type ProgramCommand,
  type ProgramGateway,
} from '../test/support/order-programs';
import { plainSettings } from './case-file';
import { outcomeOf, teller } from './check';
import { startEnvironment } from './environment';
import { buildByPage, type PageProgram } from './page-program';
import type { Column } from './results';

interface Example extends PageProgram {
  readonly tryOut: (program: ProgramCommand, gateway: ProgramGateway) => Promise<void>;
}

const examples: readonly Example[] = [
  {
    folder: join('examples', 'order-service'),
    heading: '##',
    shown: / 127\.0\.0\.1:50051 127\.0\.0\.1:8081\n$/,
    tryOut: tryOrderService,
  },
  {
    folder: join('examples', 'order-read-model'),
    heading: '##',
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

async function tryOne(name: string, example: Example): Promise<void> {
  const program = await buildByPage(example, name);
  await using environment = await startEnvironment(plainSettings);
  using client = connect(environment.address);
  await example.tryOut(program, { address: environment.address, client });
}
