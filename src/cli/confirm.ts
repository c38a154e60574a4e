import { createInterface } from 'node:readline/promises';
import type { Context } from './command';
import { CommandError, UsageError } from './failure';

/**
 * Asks a person on a terminal to type a word before something that cannot be undone. Throws CommandError if another one is typed,
 * and UsageError if standard input is not a terminal.
 */
export async function confirm(
  { stdin, err, errSink, signal }: Pick<Context, 'stdin' | 'err' | 'errSink' | 'signal'>,
  what: string,
  word: string,
): Promise<void> {
  if (!stdin.isTTY) throw new UsageError('--yes is missing: without a terminal nobody can confirm');
  await err.line(what);
  const lines = createInterface({ input: stdin, output: errSink });
  try {
    const typed = await lines.question(`Type ${word} to confirm: `, { signal });
    if (typed.trim() !== word) throw new CommandError('not confirmed; nothing was changed');
  } finally {
    lines.close();
  }
}
