import { PassThrough } from 'node:stream';
import { confirm } from '../../src/cli/confirm';
import { CommandError, UsageError } from '../../src/cli/failure';
import { createOutput } from '../../src/cli/output';
import { failureOf } from '../client/outcomes';

/** A terminal whose person types this; undefined: closes it without typing. */
function typed(text: string | undefined, isTTY = true): { ask: () => Promise<void>; shown: () => string } {
  const stdin = Object.assign(new PassThrough(), { isTTY }) as unknown as NodeJS.ReadStream;
  const errSink = new PassThrough();
  let shown = '';
  errSink.setEncoding('utf8').on('data', (piece: string) => (shown += piece));
  const { signal } = new AbortController();
  const ask = async (): Promise<void> => {
    const asked = confirm(
      { stdin, errSink, err: createOutput(errSink), signal },
      'This hides it.',
      'order.1',
    );
    if (text === undefined) (stdin as unknown as PassThrough).end();
    else (stdin as unknown as PassThrough).write(`${text}\n`);
    await asked;
  };
  return { ask, shown: () => shown };
}

test('the name of the stream confirms', async () => {
  const { ask, shown } = typed('order.1');
  await ask();
  expect(shown()).toBe('This hides it.\nType order.1 to confirm: ');
});

test.each(['order.2', 'yes', '', undefined])('%j does not', async (text) => {
  const error = await failureOf(typed(text).ask());
  expect(error).toBeInstanceOf(CommandError);
  expect((error as Error).message).toBe('not confirmed; nothing was changed');
});

test('nobody confirms where there is no terminal', async () => {
  const { ask, shown } = typed('order.1', false);
  const error = await failureOf(ask());
  expect(error).toBeInstanceOf(UsageError);
  expect((error as Error).message).toMatch(/^--yes is missing/);
  expect(shown()).toBe('');
});

test('a person who presses Ctrl-C ends it', async () => {
  const stdin = Object.assign(new PassThrough(), { isTTY: true }) as unknown as NodeJS.ReadStream;
  const errSink = new PassThrough().resume();
  const control = new AbortController();
  const asked = confirm({ stdin, errSink, err: createOutput(errSink), signal: control.signal }, 'x', 'y');
  control.abort(new Error('interrupted'));
  expect(await failureOf(asked)).toBeInstanceOf(Error);
});
