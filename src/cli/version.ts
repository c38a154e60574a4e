import { defineCommand } from './command';
import { toTimeJson } from './event-json';
import { exitCode } from './failure';
import { oneStream } from './words';

export const versionCommand = defineCommand({
  name: 'version',
  usage: 'STREAM',
  summary: 'Print the version of a stream; 0 if there is no such stream.',
  details: 'Every append that was answered before is seen.',
  options: {},
  plan({ words, given }) {
    const stream = oneStream(words);
    return async ({ client, deadlineMs, signal, out }) => {
      const { version, position, ...time } = await client.getVersion(stream, { deadlineMs, signal });
      const { commitTimeNanos } = time;
      const commitTime = commitTimeNanos === undefined ? undefined : toTimeJson({ commitTimeNanos });
      const facts = { stream, version: version.toString(), position: position.toString(), commitTime };
      const more = out.isTerminal && commitTime !== undefined;
      const note = more ? out.paint('dim', `  position ${facts.position}  ${commitTime}`) : '';
      await out.line(given.json ? JSON.stringify(facts) : facts.version + note);
      return exitCode.ok;
    };
  },
});
