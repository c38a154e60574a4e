import type { UnreadableMessage } from '../client/client';
import { defineCommand } from './command';
import { exitCode } from './failure';

/** Hardly any event has this type: a read for it brings little more than what is passed over. */
const rareType = 'sluice.none';

export const unreadableCommand = defineCommand({
  name: 'unreadable',
  usage: '[PATTERN...]',
  summary: 'List what cannot be read: foreign and damaged messages, and where messages are gone.',
  details:
    'It walks the whole log, which takes about ten seconds for a million commits. Ends with 1 if there is\n' +
    'anything. Columns: position, stream or what stands in its place, reason.',
  options: {},
  plan({ words: patterns, given }) {
    return async ({ client, deadlineMs, signal, out }) => {
      let count = 0;
      const onUnreadable = async (message: UnreadableMessage): Promise<void> => {
        count++;
        await out.line(given.json ? toJson(message) : toText(message));
      };
      const read = client.readAll({ patterns, eventTypes: [rareType], deadlineMs, signal, onUnreadable });
      for await (const { type } of read) if (type !== rareType) throw new Error(`unexpected ${type}`);
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

/** What is said of it where a command goes on. */
export function passedOver({ position, stream, reason }: UnreadableMessage): string {
  return `sluice: passed over position ${position.toString()} ${stream}: ${reason}`;
}
