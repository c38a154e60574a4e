import { optionalNumber } from './arguments';
import { defineCommand } from './command';
import { printEvent } from './event-text';
import { exitCode, UsageError } from './failure';
import { follow } from './follow';
import { oneStream } from './words';

export const readCommand = defineCommand({
  name: 'read',
  usage: 'STREAM',
  summary: 'Print the events of a stream; all of them, or it ends with an error.',
  details:
    'A stream that does not exist prints nothing. With --follow it goes on with what is new until\n' +
    'Ctrl-C, and waits for a gateway that goes away.',
  options: {
    from: { kind: 'text', value: 'VERSION', help: 'Begin with this version.' },
    to: { kind: 'text', value: 'VERSION', help: 'End with this version.' },
    reverse: { kind: 'flag', help: 'From the newest event to the oldest.' },
    'max-count': {
      kind: 'text',
      value: 'N',
      help: 'At most this many events; then it ends, also a --follow.',
    },
    type: { kind: 'texts', value: 'TYPE', help: 'Only events of this type; may be given several times.' },
    follow: { kind: 'flag', help: 'Go on with what is new; not with --to or --reverse.' },
  },
  plan({ words, given }) {
    const stream = oneStream(words);
    const fromVersion = optionalNumber(given.from, '--from') ?? 0n;
    const toVersion = optionalNumber(given.to, '--to');
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    const { type: eventTypes, json: asJson } = given;
    if (given.follow) {
      if (given.to !== undefined || given.reverse) {
        throw new UsageError('--follow excludes --to and --reverse: it has no end');
      }
      const afterVersion = fromVersion === 0n ? 0n : fromVersion - 1n;
      return (context) => follow(context, { stream, afterVersion, eventTypes }, { asJson, maxCount });
    }
    return async ({ client, deadlineMs, signal, out }) => {
      const direction = given.reverse ? 'backward' : 'forward';
      const range = { fromVersion, toVersion, direction, maxCount } as const;
      const read = client.readStream(stream, { ...range, eventTypes, deadlineMs, signal });
      if (maxCount === 0n) return exitCode.ok; // which is no bound for the gateway
      for await (const event of read) await printEvent(out, event, asJson);
      return exitCode.ok;
    };
  },
});
