import { optionalNumber } from './arguments';
import { defineCommand } from './command';
import { printOptions, printEvent } from './event-text';
import { exitCode } from './failure';
import { withGivenKeys } from './keys-option';
import { reportNothing } from './nothing';
import { one } from './words';

export const correlationCommand = defineCommand({
  name: 'correlation',
  usage: 'ID',
  summary: 'Print the events of all streams with a correlation id, in order.',
  details:
    'The output includes every append that was acknowledged before. For an unknown id the command prints\n' +
    'a message on standard error.',
  options: printOptions,
  plan({ words, given }) {
    const id = one(words, 'ID');
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    const style = { asJson: given.json, full: given.full };
    return withGivenKeys(given, async (context) => {
      const { client, deadlineMs, signal, out } = context;
      let found = false;
      const read = { eventTypes: given.type, maxCount, deadlineMs, signal };
      for await (const event of client.readByCorrelation(id, read)) {
        found = true;
        await printEvent(out, event, style);
      }
      if (!found) await reportNothing(context, `no events with the correlation id ${id} were found`);
      return exitCode.ok;
    });
  },
});
