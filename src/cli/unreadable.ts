import type { UnreadableMessage } from '../client/client';
import { defineCommand } from './command';
import { exitCode } from './failure';
import { patternHelp } from './words';

/** An event type that is not used, so that the read returns only what it skips. */
const unusedType = 'sluice.none';

/** The option of every command that can skip unreadable messages. */
export const skipOption = {
  'skip-unreadable': {
    kind: 'flag',
    help: 'Skip messages that are not commits, and report each on standard error.',
  },
} as const;

export const unreadableCommand = defineCommand({
  name: 'unreadable',
  usage: '[PATTERN...]',
  summary: 'List foreign, damaged and missing messages of the store.',
  details:
    'The command reads the whole log, which takes about ten seconds for a million commits. The exit code\n' +
    'is 1 if it finds such messages. Columns: position, stream (or the end of the subject), reason.\n' +
    patternHelp,
  options: {},
  plan({ words: patterns, given }) {
    return async ({ client, deadlineMs, signal, out }) => {
      let count = 0;
      const onUnreadable = async (message: UnreadableMessage): Promise<void> => {
        count++;
        await out.line(given.json ? toJson(message) : toText(message));
      };
      const read = client.readAll({ patterns, eventTypes: [unusedType], deadlineMs, signal, onUnreadable });
      for await (const { type } of read) if (type !== unusedType) throw new Error(`unexpected ${type}`);
      return count > 0 ? exitCode.failure : exitCode.ok;
    };
  },
});

function toJson({ position, stream, reason }: UnreadableMessage): string {
  return JSON.stringify({ position: position.toString(), stream, reason });
}

function toText({ position, stream, reason }: UnreadableMessage): string {
  return `${position.toString().padStart(10)}  ${stream === '' ? '-' : stream}  ${reason}`;
}

/** The report of a message that a command has skipped. */
export function skippedMessage({ position, stream, reason }: UnreadableMessage): string {
  const where = stream === '' ? '' : ` of ${stream}`;
  return `sluice: skipped position ${position.toString()}${where}: ${reason}`;
}
