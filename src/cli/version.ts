import { defineCommand } from './command';
import { toTimeJson } from './event-json';
import { exitCode } from './failure';
import { paint } from './output';
import { oneStream } from './words';

export const versionCommand = defineCommand({
  name: 'version',
  usage: 'STREAM',
  summary: 'Print the version of a stream; 0 if there is no such stream.',
  details: 'The version includes every append that was acknowledged before.',
  options: {},
  plan({ words, given }) {
    const stream = oneStream(words);
    return async ({ client, deadlineMs, signal, out }) => {
      const { version, position, ...time } = await client.getVersion(stream, { deadlineMs, signal });
      const { commitTimeNanos } = time;
      const commitTime = commitTimeNanos === undefined ? undefined : toTimeJson({ commitTimeNanos });
      const facts = { stream, version: version.toString(), position: position.toString(), commitTime };
      const { position: at } = facts;
      const note = out.isTerminal && commitTime !== undefined ? `  position ${at}  ${commitTime}` : '';
      if (given.json) await out.line(JSON.stringify(facts));
      else await out.line(facts.version, paint('dim', note));
      return exitCode.ok;
    };
  },
});
