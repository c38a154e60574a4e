import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** The result of `npm run build:examples`, in a temporary folder. */
export interface CompiledExamples extends Disposable {
  /** Has dist-examples/ and dist/. */
  readonly folder: string;
}

/**
 * Compiles examples/ of the checkout at `root`. What they import is `dist`, a build of the sources. Types are not checked:
 * `npm run typecheck` does that.
 */
export async function compileExamples(root: string, dist: string): Promise<CompiledExamples> {
  // Under node_modules, so that the compiled files find their packages.
  const cache = resolve(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'sluice-examples-'));
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(resolve(dist), join(folder, 'dist'));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = ['-p', join(root, 'tsconfig.examples.json'), '--outDir', join(folder, 'dist-examples')];
  await promisify(execFile)(process.execPath, [tsc, ...options, '--noCheck']);
  return {
    folder,
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
