import { join } from 'node:path';
import { connect } from '../src/client/client';
import type { ProgramCommand } from '../test/support/order-programs';
import { compileExamples } from '../test/support/examples';
import { sendEmails } from '../test/support/order-emails';
import { plainSettings } from './case-file';
import { outcomeOf, teller } from './check';
import { startEnvironment } from './environment';
import { buildAll, type PageProgram } from './page-program';
import type { Column } from './results';

const example: PageProgram = {
  folder: join('examples', 'order-emails'),
  heading: '###',
  shown: / 127\.0\.0\.1:50051 outbox\n$/,
};
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
  const built = await buildAll(example, { columns: all, compiled: compiled.folder, say });
  const outcome = await outcomeOf(run(built.map(({ program }) => program)));
  for (const [i, { column }] of built.entries())
    teller(column, say)(example.folder, outcome.why ?? outcome.value[i]);
}

async function run(programs: readonly ProgramCommand[]): Promise<(string | undefined)[]> {
  await using environment = await startEnvironment(plainSettings);
  using client = connect(environment.address);
  return await sendEmails(client, environment.address, programs, orders);
}
