import { closeSync, fsyncSync, linkSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Writes an e-mail into the outbox folder, whole or not at all; false: it is there already. The name of the file says which event
 * it is for, and a link never replaces a file: so the e-mail and the record that it was sent are one thing. That holds even if
 * two processes handle the event.
 */
export function sendOnce(outbox: string, key: string, text: string): boolean {
  const draft = join(outbox, `.${key}.${process.pid}`);
  const file = openSync(draft, 'w');
  try {
    writeSync(file, text);
    fsyncSync(file);
    linkSync(draft, join(outbox, `${key}.eml`));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    closeSync(file);
    unlinkSync(draft);
  }
}
