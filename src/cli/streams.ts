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
  details:
    `${patternHelp}\n` +
    'Columns: stream, version, position and time of the last commit, and deleted or tombstoned if so.',
  options: {
    after: { kind: 'text', value: 'STREAM', help: 'Only names after this one.' },
    'max-count': { kind: 'text', value: 'N', help: 'Print at most this many streams.' },
    'include-deleted': { kind: 'flag', help: 'List streams that were deleted or tombstoned, too.' },
    ...permittedOption,
  },
  plan({ words, given }) {
    const pattern = optionalOne(words);
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    return async (context) => {
      const { client, deadlineMs, signal, out } = context;
      let found = false;
      const permittedOnly = given['permitted-only'];
      const includeDeleted = given['include-deleted'];
      const range = { pattern, after: given.after, maxCount };
      const list = { ...range, permittedOnly, includeDeleted, deadlineMs, signal };
      for await (const summary of client.listStreams(list)) {
        const { stream, version, position, firstVersion, state, commitTimeNanos, unreadable } = summary;
        found = true;
        const time = toTimeJson({ commitTimeNanos: commitTimeNanos ?? 0n });
        const facts = {
          stream,
          version: version.toString(),
          position: position.toString(),
          commitTime: time,
          ...(!unreadable && { firstVersion: firstVersion.toString(), state }),
        };
        const ended = state === 'active' || state === undefined ? [] : [state];
        const shown = unreadable ? 'unreadable' : facts.version;
        if (given.json) await out.line(JSON.stringify({ ...facts, ...(unreadable && { unreadable }) }));
        else if (out.isTerminal) {
          const note = paint('dim', [`position ${facts.position}`, time, ...ended].join('  '));
          await out.line(paint('cyan', stream.padEnd(nameWidth)), ` ${shown.padStart(8)}  `, note);
        } else await out.line([stream, shown, facts.position, time, ...ended].join('\t'));
      }
      if (!found)
        await reportNothing(context, 'no streams were found', pattern === undefined ? [] : [pattern]);
      return exitCode.ok;
    };
  },
});
