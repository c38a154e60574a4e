import { SluiceError } from '../client/client';
import type { Context } from './command';

/** Says on standard error that nothing was found, since nothing on standard output says so, and what may have been meant. */
export async function sayNothing(
  context: Context,
  what: string,
  names: readonly string[] = [],
): Promise<void> {
  await context.err.line(`sluice: ${what}${await patternHint(context, names)}`);
}

/** A name that holds no stream, but is the beginning of names that do, was meant as a pattern. */
export async function patternHint(
  { client, deadlineMs, signal }: Context,
  names: readonly string[],
): Promise<string> {
  for (const name of names) {
    if (/[*>]/.test(name)) continue;
    const pattern = `${name}.>`;
    try {
      for await (const _ of client.listStreams({ pattern, maxCount: 1, deadlineMs, signal }))
        return `; did you mean '${pattern}'?`;
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error; // a hint is not worth a failure
    }
  }
  return '';
}
