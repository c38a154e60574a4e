import { join } from 'node:path';
import { connect } from '../src/client/client';
import { trySubscriptions } from '../test/support/course-subscription';
import { compileExamples } from '../test/support/examples';
import type { ProgramCommand } from '../test/support/order-programs';
import { plainSettings } from './case-file';
import { outcomeOf, teller } from './check';
import { startEnvironment } from './environment';
import { buildAll, type PageProgram } from './page-program';
import type { Column } from './results';

const example: PageProgram = {
  folder: join('examples', 'course-subscription'),
  heading: '##',
  shown: / 127\.0\.0\.1:50051\n$/,
};
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
  const built = await buildAll(example, { columns: all, compiled: compiled.folder, say });
  if (built.length === 0) return;
  const { why } = await outcomeOf(tryAll(built.map(({ program }) => program)));
  for (const { column } of built) teller(column, say)(example.folder, why);
}

async function tryAll(programs: readonly ProgramCommand[]): Promise<void> {
  await using environment = await startEnvironment(plainSettings);
  using client = connect(environment.address);
  await trySubscriptions(programs, { address: environment.address, client });
}
