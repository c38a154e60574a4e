import type { ModelledAppend } from './modelled-append';

/** Something that happens to an append, in words. */
export interface Command {
  /** What it happens to: an attempt to publish, a lookup, both, or neither. */
  readonly to: 'publish' | 'lookup' | 'request' | 'anything';
  run(append: ModelledAppend): void;
}

const to = (what: Command['to'], run: Command['run']): Command => ({ to: what, run });

const refused = (reason: string, mayFit = false): Command =>
  to('publish', (append) => {
    append.happen({ kind: 'refused', error: new Error(reason), mayFit });
  });

export const commands: Readonly<Record<string, Command>> = {
  'the request arrives': to('request', (append) => {
    append.arrives();
  }),
  'the request arrives, the answer is lost': to('publish', (append) => {
    append.unanswered('before');
  }),
  'the request is lost': to('publish', (append) => {
    append.unanswered('never');
  }),
  'the request is late': to('publish', (append) => {
    append.unanswered('after');
  }),
  'the late request arrives': to('anything', (append) => {
    append.lateOnesArrive();
  }),
  'another commit is on its way': to('publish', (append) => {
    append.happen({ kind: 'conflict' });
  }),
  'the deadline passes': to('anything', (append) => {
    append.isLate = true;
  }),
  'the server forgets ids': to('anything', (append) => {
    append.remembered.clear();
  }),
  'the store is full': to('publish', (append) => {
    append.happen({ kind: 'withheld', error: new Error('store full') });
  }),
  'the server refuses': refused('refused'),
  'the server refuses messages of this size': refused('too large', true),
  'nobody takes the request': refused('no leader'),
  'the messages do not fit any more': to('publish', (append) => {
    append.happen({ kind: 'unfit', error: new Error('too large') });
  }),
  // Of a control: what it asks for holds already. If X is stored, that is found first.
  'another does the same': to('lookup', (append) => {
    append.otherAppends('S');
    if (append.copies.some((copies) => copies > 0)) append.arrives();
    else append.happen({ kind: 'unneeded', result: append.heads });
  }),
  'there is no leader': to('lookup', (append) => {
    append.happen({ kind: 'away', error: new Error('no leader') });
  }),
  'the lookup fails': to('lookup', (append) => {
    append.happen({ kind: 'failed', error: new Error('unreadable commit') });
  }),
};

/** Whether it can happen to the append now. */
export function canRun({ to: what }: Command, { action, isDecided }: ModelledAppend): boolean {
  if (what === 'anything') return true;
  if (isDecided) return false;
  const isPublish = action?.kind === 'publish';
  return what === 'request' || (what === 'publish') === isPublish;
}
