import { once } from 'node:events';
import { createInterface } from 'node:readline';
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
  errSink.write(`Type ${word} to confirm: `);
  const lines = createInterface({ input: stdin });
  try {
    const ended = once(lines, 'close').then(() => ['']);
    const [typed = ''] = (await Promise.race([once(lines, 'line'), ended])) as string[];
    signal.throwIfAborted();
    if (typed.trim() !== word) throw new CommandError('not confirmed; nothing was changed');
  } finally {
    lines.close();
  }
}
