import { optionalNumber } from './arguments';
import { defineCommand } from './command';
import { fullOption, printEvent } from './event-text';
import { exitCode } from './failure';
import { sayNothing } from './nothing';
import { one } from './words';

export const correlationCommand = defineCommand({
  name: 'correlation',
  usage: 'ID',
  summary: 'Print the events with a correlation id, over all streams, in order.',
  details:
    'Every append that was answered before is seen. An unknown id prints nothing,\n' +
    'and a word on standard error.',
  options: {
    type: { kind: 'texts', value: 'TYPE', help: 'Only events of this type; may be given several times.' },
    'max-count': { kind: 'text', value: 'N', help: 'At most this many events.' },
    ...fullOption,
  },
  plan({ words, given }) {
    const id = one(words, 'ID');
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    const style = { asJson: given.json, full: given.full };
    return async (context) => {
      const { client, deadlineMs, signal, out } = context;
      let found = false;
      const read = { eventTypes: given.type, maxCount, deadlineMs, signal };
      for await (const event of client.readByCorrelation(id, read)) {
        found = true;
        await printEvent(out, event, style);
      }
      if (!found) await sayNothing(context, `no events with the correlation id ${id} were found`);
      return exitCode.ok;
    };
  },
});
