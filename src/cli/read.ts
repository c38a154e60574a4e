import { optionalNumber } from './arguments';
import { defineCommand } from './command';
import { printOptions, printEvent } from './event-text';
import { exitCode, UsageError } from './failure';
import { follow } from './follow';
import { withGivenKeys } from './keys-option';
import { reportNothing } from './nothing';
import { oneStream } from './words';

export const readCommand = defineCommand({
  name: 'read',
  usage: 'STREAM',
  summary: 'Print the events of a stream.',
  details:
    'The command prints all events or fails. For a stream that does not exist it prints a message on\n' +
    'standard error. With --follow it continues with new events until Ctrl-C or --max-count, and waits\n' +
    'when the gateway becomes unavailable.',
  options: {
    from: { kind: 'text', value: 'VERSION', help: 'The first version to print.' },
    to: { kind: 'text', value: 'VERSION', help: 'The last version to print.' },
    reverse: { kind: 'flag', help: 'Print the newest event first.' },
    ...printOptions,
    follow: { kind: 'flag', help: 'Continue with new events; not with --to or --reverse.' },
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
        throw new UsageError('--follow cannot be combined with --to or --reverse');
      }
      const afterVersion = fromVersion === 0n ? 0n : fromVersion - 1n;
      const options = { stream, afterVersion, eventTypes };
      return withGivenKeys(given, (context) => follow(context, options, { style, maxCount }));
    }
    return withGivenKeys(given, async (context) => {
      const { client, deadlineMs, signal, out } = context;
      const direction = given.reverse ? 'backward' : 'forward';
      const range = { fromVersion, toVersion, direction, maxCount } as const;
      const read = client.readStream(stream, { ...range, eventTypes, deadlineMs, signal });
      if (maxCount === 0n) return exitCode.ok; // for the gateway, 0 is no limit
      let found = false;
      for await (const event of read) {
        found = true;
        await printEvent(out, event, style);
      }
      const what = `no events were found; stream ${stream} is at version ${read.head.version.toString()}`;
      if (!found) await reportNothing(context, what, read.head.version === 0n ? [stream] : []);
      return exitCode.ok;
    });
  },
});
