import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Context } from './command';
import { CommandError, UsageError } from './failure';
import { printable } from './output';

/**
 * Warns of what cannot be undone, and lets the person at the terminal type the name of what it is about. Throws CommandError for another
 * text, and UsageError where standard input is not a terminal.
 */
export async function confirm(
  { stdin, errSink, err, signal }: Pick<Context, 'stdin' | 'errSink' | 'err' | 'signal'>,
  warning: string,
  name: string,
): Promise<void> {
  if (!stdin.isTTY)
    throw new UsageError('--yes is missing: standard input is not a terminal, so nobody can confirm');
  await err.line(warning);
  const terminal = createInterface({ input: stdin, output: errSink, terminal: false });
  terminal.setPrompt(`Type ${printable(name)} to confirm: `);
  terminal.prompt();
  try {
    const closed = once(terminal, 'close', { signal });
    const [text = ''] = (await Promise.race([once(terminal, 'line', { signal }), closed])) as [string?];
    if (text.trim() !== name) throw new CommandError('not confirmed; nothing was changed');
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
  }
}
