import { chownSync } from 'node:fs';

/** The user of deploy/Containerfile, which owns nothing and may do nothing in particular. */
const id = 10_001;

/** Whether commands can be run as another user. Prints a warning if not. */
export function haveOtherUser(): boolean {
  if (process.getuid?.() === 0) return true;
  process.stderr.write('NOT AS ANOTHER USER: only root can do that; the commands run as this user\n');
  return false;
}

/** A command with arguments, run by another user if this one is root. */
export function asOtherUser(command: readonly [string, ...string[]]): [string, ...string[]] {
  if (process.getuid?.() !== 0) return [...command];
  return ['setpriv', `--reuid=${id}`, `--regid=${id}`, '--clear-groups', '--no-new-privs', ...command];
}

/** Gives a folder, and nothing in it, to the other user. */
export function giveToOtherUser(folder: string): void {
  if (process.getuid?.() === 0) chownSync(folder, id, id);
}
