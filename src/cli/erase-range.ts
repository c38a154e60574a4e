import { AccessDeniedError, type VersionRange } from '../client/client';
import type { Context } from './command';
import { CommandError } from './failure';

type Call = Pick<Context, 'client' | 'deadlineMs' | 'signal'>;

/**
 * Throws CommandError for a range that splits a commit, which the gateway refuses. Only what can be read is looked at: commits that are
 * hidden, or that the caller may not read, are left to the gateway.
 */
export async function checkCommits(
  call: Call,
  stream: string,
  { fromVersion, toVersion }: VersionRange,
): Promise<void> {
  for (const first of [fromVersion - 1n, toVersion]) {
    if (first === 0n || !(await isOneCommit(call, stream, first))) continue;
    throw new CommandError(
      `versions ${first.toString()} and ${(first + 1n).toString()} of ${stream} were appended together, and are erased together`,
    );
  }
}

/** Whether an event and the next one are of the same commit. */
async function isOneCommit(
  { client, deadlineMs, signal }: Call,
  stream: string,
  first: bigint,
): Promise<boolean> {
  const positions: bigint[] = [];
  try {
    const range = { fromVersion: first, toVersion: first + 1n, deadlineMs, signal };
    for await (const { position } of client.readStream(stream, range)) positions.push(position);
  } catch (error) {
    if (error instanceof AccessDeniedError) return false;
    throw error;
  }
  return positions.length === 2 && positions[0] === positions[1];
}
