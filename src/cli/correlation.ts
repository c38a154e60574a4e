import { optionalNumber } from './arguments';
import { defineCommand } from './command';
import { printEvent } from './event-text';
import { exitCode } from './failure';
import { one } from './words';

export const correlationCommand = defineCommand({
  name: 'correlation',
  usage: 'ID',
  summary: 'Print the events with a correlation id, over all streams, in order.',
  details: 'Every append that was answered before is seen. An unknown id prints nothing.',
  options: {
    type: { kind: 'texts', value: 'TYPE', help: 'Only events of this type; may be given several times.' },
    'max-count': { kind: 'text', value: 'N', help: 'At most this many events.' },
  },
  plan({ words, given }) {
    const id = one(words, 'ID');
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    return async ({ client, deadlineMs, signal, out }) => {
      const read = { eventTypes: given.type, maxCount, deadlineMs, signal };
      for await (const event of client.readByCorrelation(id, read)) await printEvent(out, event, given.json);
      return exitCode.ok;
    };
  },
});
