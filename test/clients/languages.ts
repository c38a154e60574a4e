import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { run } from '../../conformance/run';
import { temporaryFolder } from '../support/tools';
import { pythonVersion, pythonWithPackages } from './python-venv';

/** How a driver is started. */
export interface Started {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A client that the cases judge. */
export interface Language {
  readonly name: string;
  /** The command that shows whether its tools are there. */
  readonly tool: readonly [string, ...string[]];
  /** Builds the driver, if need be. */
  build(): Promise<Started>;
  /** Commands that its client does not have yet: cases with them are left out. */
  readonly lacks: readonly string[];
}

export const languages: readonly Language[] = [
  {
    name: 'typescript',
    tool: ['node', '--version'],
    build: () =>
      Promise.resolve({
        command: [process.execPath, 'scripts/run-ts.cjs', 'test/clients/drivers/typescript.ts'],
      }),
    lacks: [],
  },
  {
    name: 'go',
    tool: ['go', 'version'],
    async build() {
      const driver = join(temporaryFolder(), 'go-driver');
      await run(['go', 'build', '-o', driver, './internal/driver'], { cwd: join('clients', 'go') });
      return { command: [driver] };
    },
    lacks: [],
  },
  ...['asyncio', 'sync'].map((kind): Language => ({
    name: `python-${kind}`,
    tool: ['python3', '--version'],
    async build() {
      const version = pythonVersion();
      if (version === undefined) throw new Error('there is no Python that is new enough');
      const python = await pythonWithPackages(version);
      return {
        command: [python, '-B', join('clients', 'python', 'tests', 'driver.py'), kind],
        env: { PYTHONPATH: join('clients', 'python', 'src') },
      };
    },
    lacks: [],
  })),
];

/** Whether the tools of a language are there. */
export function hasTools({ tool: [file, ...args] }: Language): boolean {
  try {
    execFileSync(file, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
