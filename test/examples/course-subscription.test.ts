import { dirname, join } from 'node:path';
import { startCommandGateway } from '../cli/gateway-commands';
import { pythonClient, pythonVersion, pythonWithPackages } from '../clients/python-venv';
import { root } from '../docs/markdown';
import { buildOnce } from '../support/build';
import { trySubscriptions } from '../support/course-subscription';
import { compileExamples } from '../support/examples';
import type { ProgramCommand } from '../support/order-programs';

/** Decisions over several streams, by programs that work on the same ones. `npm run conformance` builds them by the commands of their page. */

const timeoutMs = 600_000; // the first time on a machine it fetches packages

/** Without Python, the one in TypeScript a second time. */
async function other(first: ProgramCommand): Promise<ProgramCommand> {
  const version = pythonVersion();
  if (version === undefined) return first;
  const program = join(root, 'examples', 'course-subscription', 'python', 'courses.py');
  const env = { PYTHONPATH: join(pythonClient, 'src') };
  return { command: [await pythonWithPackages(version), '-B', program], cwd: root, env };
}

test(
  'programs in two languages keep the rules of courses and of students together',
  async () => {
    using examples = await compileExamples(root, dirname(dirname(await buildOnce())));
    await using gateway = await startCommandGateway();
    const main = join(examples.folder, 'dist-examples', 'course-subscription', 'main.js');
    const program = { command: [process.execPath, main], cwd: examples.folder };
    await trySubscriptions([program, await other(program)], gateway);
  },
  timeoutMs,
);
