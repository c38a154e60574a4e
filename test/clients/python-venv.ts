import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inCache } from '../../conformance/build';
import { run } from '../../conformance/run';

/** The folder of the Python client. */
export const pythonClient = resolve(__dirname, '..', '..', 'clients', 'python');

/** The oldest version that the client works with, as in its pyproject.toml. */
const checkVersion = 'import sys; assert sys.version_info >= (3, 11), sys.version; print(sys.version)';

/** The version of Python. undefined, with a loud line, if it is missing or too old; with CI=true it then throws. */
export function pythonVersion(): string | undefined {
  try {
    return execFileSync('python3', ['-c', checkVersion], { encoding: 'utf8' });
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    console.warn(`LEFT OUT: the Python client, which needs python3 from 3.11 on: ${String(error)}`);
    return undefined;
  }
}

/** The python of a venv with what clients/python/requirements.txt names. It is made once, in the user's cache folder. */
export async function pythonWithPackages(version: string): Promise<string> {
  const requirements = join(pythonClient, 'requirements.txt');
  const hash = createHash('sha256').update(version).update(readFileSync(requirements)).digest('hex');
  const { folder } = await inCache('python-client', hash.slice(0, 16), async (making) => {
    await run(['python3', '-m', 'venv', making], { cwd: '.' });
    const pip = [join(making, 'bin', 'python'), '-m', 'pip', 'install', '--quiet'];
    await run([...pip, '--requirement', requirements], { cwd: '.' });
  });
  return join(folder, 'bin', 'python');
}
