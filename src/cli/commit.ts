import { defineCommand } from './command';
import { printEvent, printOptions } from './event-text';
import { exitCode } from './failure';
import { keysOptions, withGivenKeys } from './keys-option';
import { reportNothing } from './nothing';
import { one } from './words';

export const commitCommand = defineCommand({
  name: 'commit',
  usage: 'ID',
  summary: 'Print the events of the commit with an id, in order.',
  details:
    'The id is that of an append, as `sluice append --json` prints it. For an unknown id, and if no event\n' +
    'of the commit can be read, the command prints a message on standard error.',
  options: { ...keysOptions, full: printOptions.full },
  plan({ words, given }) {
    const id = one(words, 'ID');
    return withGivenKeys(given, async (context) => {
      const { client, deadlineMs, signal, out } = context;
      const commit = await client.getCommit(id, { deadlineMs, signal });
      if (commit === undefined) {
        await reportNothing(context, `no commit with the id ${id} was found`);
        return exitCode.ok;
      }
      const { position } = commit;
      const patterns = commit.streams.map(({ stream }) => stream);
      const range = { patterns, after: position - 1n, toPosition: position, deadlineMs, signal };
      let found = false;
      for await (const event of client.readAll(range)) {
        found = true;
        await printEvent(out, event, { asJson: given.json, full: given.full });
      }
      if (!found) await reportNothing(context, `no event of the commit ${id} can be read`);
      return exitCode.ok;
    });
  },
});
