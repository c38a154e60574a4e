import { OutcomeUnknownError, type StreamChange, type StreamChangeOptions } from '../client/client';
import { suggestion } from '../config/nearest-name';
import { optionalNumber } from './arguments';
import { defineCommand, type Context } from './command';
import { confirm } from './confirm';
import { checkCommits } from './erase-range';
import { CliError, exitCode, UsageError } from './failure';
import {
  changeOf,
  checkStreamOptions,
  rangeOf,
  streamOptions,
  streamVerbs,
  type StreamChangeRequest,
  type StreamVerb,
} from './stream-options';
import { lateErasure, planText, printDescription, resultText, toDescriptionJson } from './stream-text';
import { oneStream } from './words';

export const streamCommand = defineCommand({
  name: 'stream',
  usage: 'VERB STREAM',
  verbs: streamVerbs,
  summary: 'Show a stream, hide its events (truncate, retain, delete, tombstone), or erase them.',
  details:
    '"truncate" hides the events before --before, "retain" those that exceed --max-count or --max-age,\n' +
    'and "delete" all of them; the next append goes on with the next version. "tombstone" also refuses\n' +
    'every later append, for ever. "erase" overwrites the contents of events, for ever, and leaves a\n' +
    'record. Events that were appended together are erased together. Erase before you hide: what was\n' +
    'hidden and has been removed from the log since cannot be overwritten there.\n' +
    'On a terminal, a change begins when you have typed the name of the stream.\n' +
    'Columns of show: stream, state, first version, version, position and time of the last commit,\n' +
    'retention. A line follows for each of the newest 100 erasures: stream, "erased", first and last\n' +
    'version, position, time, who, why.',
  options: streamOptions,
  plan({ words: [verb = '', ...words], given }) {
    if (!isVerb(verb))
      throw new UsageError(`stream needs one of ${streamVerbs.join(', ')}${suggestion(verb, streamVerbs)}`);
    checkStreamOptions(verb, given);
    const stream = oneStream(words);
    if (verb === 'show') return (context) => show(context, stream, given.json);
    const asked = changeOf(verb, given);
    const expectedVersion = optionalNumber(given['expected-version'], '--expected-version');
    const options = { expectedVersion, commitId: given['commit-id'] };
    return async (context) => {
      const { client, deadlineMs, signal, out, err } = context;
      let change = asked;
      const isOpen = asked.verb === 'erase' && asked.range === undefined;
      if (given['dry-run'] || !given.yes || isOpen) {
        const found = await client.streams.get(stream, { deadlineMs, signal });
        if (asked.verb === 'erase') change = { ...asked, range: rangeOf(asked, found.version) };
        const plan = planText(found, change);
        if (change.verb === 'erase') await checkCommits(context, stream, rangeOf(change, found.version));
        if (given['dry-run']) {
          await out.line(given.json ? JSON.stringify({ stream, plan }) : `would do this: ${plan}`);
          return exitCode.ok;
        }
        if (!given.yes) await confirm(context, `This ${plan}.`, stream);
      }
      const result = await store(context, { stream, change }, options);
      const { changed, replayed, commitId } = result;
      const facts = { changed, replayed, commitId };
      if (!changed && !replayed) await err.line(`sluice: ${stream} was like this already`);
      const late = lateErasure(result.stream, change);
      if (late !== undefined) await err.line(`sluice: ${late}`);
      if (given.json) await out.line(JSON.stringify({ ...toDescriptionJson(result.stream), ...facts }));
      else await out.line(resultText(change, result));
      return exitCode.ok;
    };
  },
});

function isVerb(verb: string): verb is StreamVerb {
  return (streamVerbs as readonly string[]).includes(verb);
}

async function show(context: Context, stream: string, asJson: boolean): Promise<number> {
  const { client, deadlineMs, signal, out } = context;
  const description = await client.streams.get(stream, { deadlineMs, signal });
  if (asJson) await out.line(JSON.stringify(toDescriptionJson(description)));
  else await printDescription(context, description);
  return exitCode.ok;
}

class ChangeUnknownError extends CliError {
  readonly exitCode = exitCode.unknown;
}

interface Change {
  readonly stream: string;
  readonly change: StreamChangeRequest;
}

async function store(
  { client, deadlineMs, signal }: Context,
  change: Change,
  options: StreamChangeOptions,
): Promise<StreamChange> {
  try {
    return await send(client.streams, change, { ...options, deadlineMs, signal });
  } catch (error) {
    if (!(error instanceof OutcomeUnknownError)) throw error;
    if (change.change.verb === 'erase')
      throw new ChangeUnknownError(`${error.message}: repeat it; what is erased stays erased`);
    throw new ChangeUnknownError(`${error.message}: repeat it with --commit-id=${error.commitId}`);
  }
}

function send(
  streams: Context['client']['streams'],
  { stream, change }: Change,
  options: StreamChangeOptions,
): Promise<StreamChange> {
  switch (change.verb) {
    case 'truncate':
      return streams.truncate(stream, change.before, options);
    case 'retain':
      return streams.setRetention(stream, change.retention, options);
    case 'delete':
      return streams.delete(stream, options);
    case 'tombstone':
      return streams.tombstone(stream, options);
    case 'erase': {
      const { range, reason } = change;
      if (range === undefined) throw new Error('the range is not known');
      return streams.erase(stream, { ...range, reason }, options);
    }
  }
}
