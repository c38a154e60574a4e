import { optionalNumber } from './arguments';
import { defineCommand } from './command';
import { toTimeJson } from './event-json';
import { exitCode } from './failure';
import { paint } from './output';
import { sayNothing } from './nothing';
import { optionalOne } from './words';

const nameWidth = 40;

export const streamsCommand = defineCommand({
  name: 'streams',
  usage: '[PATTERN]',
  summary: 'List the streams of the store in byte order, with their versions.',
  details:
    'PATTERN is in NATS notation: "order.*" is one further token, "order.>" one or more; quote it, or\n' +
    'the shell may take it for files. Columns: stream, version, position and time of its last commit.',
  options: {
    after: { kind: 'text', value: 'STREAM', help: 'Only names that come after this one.' },
    'max-count': { kind: 'text', value: 'N', help: 'At most this many.' },
  },
  plan({ words, given }) {
    const pattern = optionalOne(words);
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    return async (context) => {
      const { client, deadlineMs, signal, out } = context;
      let found = false;
      const list = { pattern, after: given.after, maxCount, deadlineMs, signal };
      for await (const { stream, version, position, commitTimeNanos, unreadable } of client.listStreams(
        list,
      )) {
        found = true;
        const time = toTimeJson({ commitTimeNanos: commitTimeNanos ?? 0n });
        const facts = {
          stream,
          version: version.toString(),
          position: position.toString(),
          commitTime: time,
        };
        const shown = unreadable ? 'unreadable' : facts.version;
        if (given.json) await out.line(JSON.stringify({ ...facts, ...(unreadable && { unreadable }) }));
        else if (out.isTerminal) {
          const note = paint('dim', `position ${facts.position}  ${time}`);
          await out.line(paint('cyan', stream.padEnd(nameWidth)), ` ${shown.padStart(8)}  `, note);
        } else await out.line([stream, shown, facts.position, time].join('\t'));
      }
      if (!found) await sayNothing(context, 'no streams were found', pattern === undefined ? [] : [pattern]);
      return exitCode.ok;
    };
  },
});
