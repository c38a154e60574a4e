import { chmod, link, lstat, mkdtemp, rm, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';

/** The path of `unix:/path`; undefined: the address is host:port. */
export function socketPathOf(address: string): string | undefined {
  return address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
}

/**
 * Listens on a Unix socket that only this user can reach, in place of one that a dead process left behind. Resolves with a
 * function that removes it and never rejects. Throws if a process listens there, or the path belongs to something else.
 */
export async function placeSocket(
  path: string,
  listen: (path: string) => Promise<unknown>,
): Promise<() => Promise<void>> {
  await removeStale(path);
  // Nobody else can reach into the folder: the socket gets its mode before anyone can connect.
  const folder = await mkdtemp(join(dirname(path), '.s'));
  try {
    const made = join(folder, 's');
    await listen(made);
    await chmod(made, 0o600);
    await link(made, path).catch((error: unknown) => {
      throw codeOf(error) === 'EEXIST' ? new Error('another process has begun to listen there') : error;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const { ino } = await lstat(path);
  return async () => {
    const now = await lstat(path).catch(() => undefined);
    // A socket that stays is replaced at the next start.
    if (now?.ino === ino) await unlink(path).catch(() => undefined);
  };
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error('it exists and is not a socket');
  const refusal = await connectTo(path);
  if (refusal === undefined) throw new Error('another process listens there');
  if (codeOf(refusal) !== 'ECONNREFUSED') throw refusal;
  await unlink(path);
}

/** Resolves with the error of the connection, or undefined if it is accepted. */
function connectTo(path: string): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on('error', resolve);
  });
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
