import { optionalNumber } from './arguments';
import { defineCommand } from './command';
import { toTimeJson } from './event-json';
import { exitCode } from './failure';
import { paint } from './output';
import { reportNothing } from './nothing';
import { optionalOne, patternHelp, permittedOption } from './words';

const nameWidth = 40;

export const streamsCommand = defineCommand({
  name: 'streams',
  usage: '[PATTERN]',
  summary: 'List streams with their versions, in byte order.',
  details: `${patternHelp}\n` + 'Columns: stream, version, and the position and time of the last commit.',
  options: {
    after: { kind: 'text', value: 'STREAM', help: 'Only names after this one.' },
    'max-count': { kind: 'text', value: 'N', help: 'Print at most this many streams.' },
    ...permittedOption,
  },
  plan({ words, given }) {
    const pattern = optionalOne(words);
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    return async (context) => {
      const { client, deadlineMs, signal, out } = context;
      let found = false;
      const permittedOnly = given['permitted-only'];
      const list = { pattern, after: given.after, maxCount, permittedOnly, deadlineMs, signal };
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
      if (!found)
        await reportNothing(context, 'no streams were found', pattern === undefined ? [] : [pattern]);
      return exitCode.ok;
    };
  },
});
