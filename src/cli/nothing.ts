import { SluiceError } from '../client/client';
import type { Context } from './command';

/**
 * Reports on standard error that nothing was found, because standard output is empty then. Where one of `names` may have been
 * meant as a pattern, the report suggests it.
 */
export async function reportNothing(
  context: Context,
  what: string,
  names: readonly string[] = [],
): Promise<void> {
  await context.err.line(`sluice: ${what}${await patternHint(context, names)}`);
}

/** Warns on standard error of patterns that match no stream, but are the beginning of the names of streams. */
export async function hintPatterns(context: Context, patterns: readonly string[]): Promise<void> {
  for (const name of patterns) {
    const hint = await patternHint(context, [name]);
    if (hint === '' || !(await isEmpty(context, name))) continue;
    await context.err.line(`sluice: there is no stream ${name}${hint}`);
  }
}

/** A name that is only the beginning of the names of streams was probably meant as a pattern. */
async function patternHint(
  { client, deadlineMs, signal }: Context,
  names: readonly string[],
): Promise<string> {
  for (const name of names.filter((candidate) => !/[*>]/.test(candidate))) {
    const pattern = `${name}.>`;
    const hasStreams = await unlessItFails(async () => {
      for await (const _ of client.listStreams({ pattern, maxCount: 1, deadlineMs, signal })) return true;
      return false;
    });
    if (hasStreams) return `; did you mean '${pattern}'?`;
  }
  return '';
}

async function isEmpty({ client, deadlineMs, signal }: Context, stream: string): Promise<boolean> {
  return unlessItFails(async () => (await client.getVersion(stream, { deadlineMs, signal })).version === 0n);
}

/** False if the call fails: the command continues without a hint. */
async function unlessItFails(call: () => Promise<boolean>): Promise<boolean> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof SluiceError) return false;
    throw error;
  }
}
