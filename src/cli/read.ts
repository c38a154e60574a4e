import { optionalNumber } from './arguments';
import { defineCommand } from './command';
import { fullOption, printEvent } from './event-text';
import { exitCode, UsageError } from './failure';
import { follow } from './follow';
import { sayNothing } from './nothing';
import { oneStream } from './words';

export const readCommand = defineCommand({
  name: 'read',
  usage: 'STREAM',
  summary: 'Print the events of a stream; all of them, or it ends with an error.',
  details:
    'A stream that does not exist prints nothing, and a word on standard error. With --follow it goes\n' +
    'on with what is new until Ctrl-C, and waits for a gateway that goes away.',
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
    ...fullOption,
    follow: { kind: 'flag', help: 'Go on with what is new; not with --to or --reverse.' },
  },
  plan({ words, given }) {
    const stream = oneStream(words);
    const fromVersion = optionalNumber(given.from, '--from') ?? 0n;
    const toVersion = optionalNumber(given.to, '--to');
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    const { type: eventTypes } = given;
    const style = { asJson: given.json, full: given.full };
    if (given.follow) {
      if (given.to !== undefined || given.reverse) {
        throw new UsageError('--follow excludes --to and --reverse: it has no end');
      }
      const afterVersion = fromVersion === 0n ? 0n : fromVersion - 1n;
      return (context) => follow(context, { stream, afterVersion, eventTypes }, { style, maxCount });
    }
    return async (context) => {
      const { client, deadlineMs, signal, out } = context;
      const direction = given.reverse ? 'backward' : 'forward';
      const range = { fromVersion, toVersion, direction, maxCount } as const;
      const read = client.readStream(stream, { ...range, eventTypes, deadlineMs, signal });
      if (maxCount === 0n) return exitCode.ok; // which is no bound for the gateway
      let found = false;
      for await (const event of read) {
        found = true;
        await printEvent(out, event, style);
      }
      const what = `no events were found; stream ${stream} is at version ${read.head.version.toString()}`;
      if (!found) await sayNothing(context, what, read.head.version === 0n ? [stream] : []);
      return exitCode.ok;
    };
  },
});
