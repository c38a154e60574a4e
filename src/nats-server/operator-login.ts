import { readFile, rm, writeFile } from 'node:fs/promises';
import { embeddedPaths, type EmbeddedConfig, type Login } from './embedded-config';
import { readPort, urlOf } from './readiness';

/** How the commands of an operator reach the running embedded nats-server of a gateway. */
export interface OperatorAccess extends Login {
  readonly url: string;
}

/** Writes the login into the run folder, for this user only. */
export async function writeOperatorLogin({ dataDir, operator }: EmbeddedConfig): Promise<void> {
  const { user, password } = operator;
  const text = JSON.stringify({ user, password } satisfies Login);
  await writeFile(embeddedPaths(dataDir).operator, text, { flag: 'wx', mode: 0o600 });
}

/** For a server that has stopped; the next one has another login. */
export async function removeOperatorLogin(dataDir: string): Promise<void> {
  await rm(embeddedPaths(dataDir).operator, { force: true });
}

/** undefined: no embedded nats-server runs over the folder, or it has just been started. */
export async function readOperatorAccess(dataDir: string): Promise<OperatorAccess | undefined> {
  const { operator, runDir } = embeddedPaths(dataDir);
  try {
    const { user, password } = JSON.parse(await readFile(operator, 'utf8')) as Login;
    const port = await readPort(runDir);
    return port === undefined ? undefined : { user, password, url: urlOf('127.0.0.1', port) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
