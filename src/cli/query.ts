import { optionalNumber } from './arguments';
import { defineCommand } from './command';
import { printOptions, printEvent } from './event-text';
import { exitCode } from './failure';
import { withGivenKeys } from './keys-option';
import { queryOf } from './query-option';
import { one } from './words';

export const queryCommand = defineCommand({
  name: 'query',
  usage: 'JSON',
  summary: 'Print the events of all streams that a query selects by types and tags, in order.',
  details:
    'JSON is a query: {"items": [{"eventTypes": ["Joined"], "tags": ["course:c1", "student:s1"]}]}. An\n' +
    'item selects events of any of its types with all of its tags; a query, events of any of its items.\n' +
    'Standard error names the position up to which that is everything: for `append --after-position`.',
  options: {
    after: { kind: 'text', value: 'POSITION', help: 'Only events after this position.' },
    reverse: { kind: 'flag', help: 'Print the newest event first.' },
    ...printOptions,
  },
  plan({ words, given }) {
    const query = queryOf(one(words, 'JSON'), 'JSON');
    const after = optionalNumber(given.after, '--after');
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    const style = { asJson: given.json, full: given.full };
    return withGivenKeys(given, async ({ client, deadlineMs, signal, out, err }) => {
      const direction = given.reverse ? 'backward' : 'forward';
      const options = { query, eventTypes: given.type, direction, maxCount, deadlineMs, signal } as const;
      const read = client.readAll({ ...options, after });
      if (maxCount === 0n) return exitCode.ok; // for the gateway, 0 is no limit
      for await (const event of read) await printEvent(out, event, style);
      await err.line(`sluice: the store is at position ${read.head.position.toString()}`);
      return exitCode.ok;
    });
  },
});
