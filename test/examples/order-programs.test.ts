import { join } from 'node:path';
import { run } from '../../conformance/run';
import { startCommandGateway } from '../cli/gateway-commands';
import { pythonClient, pythonVersion, pythonWithPackages } from '../clients/python-venv';
import { hasGo } from '../clients/go-tools';
import { root } from '../docs/markdown';
import { tryOrderService, tryReadModel, type ProgramCommand } from '../support/order-programs';
import { temporaryFolder } from '../support/tools';

/** The read model and the service that decides, in Go and Python. `npm run conformance` builds them by the commands of their pages. */

const timeoutMs = 600_000; // the first time on a machine it fetches packages

interface ExampleLanguage {
  readonly name: string;
  readonly isThere: boolean;
  /** Builds the program of an example, if need be. */
  build(example: string): Promise<ProgramCommand>;
}

const pythonPrograms: Readonly<Record<string, string>> = {
  'order-read-model': 'read_model.py',
  'order-service': 'order_service.py',
};
const version = pythonVersion();
const languages: readonly ExampleLanguage[] = [
  {
    name: 'Go',
    isThere: hasGo('the examples in Go'),
    async build(example) {
      const source = join(root, 'examples', example, 'go');
      const program = join(temporaryFolder(), example);
      await run(['go', 'build', '-o', program, '.'], { cwd: source });
      await run(['go', 'vet', '.'], { cwd: source });
      return { command: [program], cwd: root };
    },
  },
  {
    name: 'Python',
    isThere: version !== undefined,
    async build(example) {
      const program = join(root, 'examples', example, 'python', pythonPrograms[example] ?? '');
      const env = { PYTHONPATH: join(pythonClient, 'src') };
      return { command: [await pythonWithPackages(version ?? ''), '-B', program], cwd: root, env };
    },
  },
];

describe.each(languages)('in $name', (language) => {
  const withTools = language.isThere ? test : test.skip;

  withTools(
    'the read model has each event once, whenever it is killed',
    async () => {
      await using gateway = await startCommandGateway();
      await tryReadModel(await language.build('order-read-model'), gateway);
    },
    timeoutMs,
  );

  withTools(
    'the order service decides again after a conflict, and refuses what an order does not allow',
    async () => {
      await using gateway = await startCommandGateway();
      await tryOrderService(await language.build('order-service'), gateway);
    },
    timeoutMs,
  );
});
