import { readFile } from 'node:fs/promises';
import type { NewEvent } from '../client/client';
import { optionalNumber, type Given, type Options } from './arguments';
import { defineCommand } from './command';
import { fromEventJson, parseLine } from './event-json';
import { CommandError, exitCode, UsageError } from './failure';
import { readLines } from './lines';
import { oneStream } from './words';

/** Options that say what the one event is. */
const eventOptions = {
  type: { kind: 'text', value: 'TYPE', help: 'What happened, for instance OrderPlaced.' },
  data: { kind: 'text', value: 'TEXT', help: 'The payload.' },
  'data-file': {
    kind: 'text',
    value: 'FILE',
    help: 'The payload from a file, "-" for standard input: text, unless --binary.',
  },
  binary: { kind: 'flag', help: 'Take the payload of --data-file as bytes.' },
  'content-type': {
    kind: 'text',
    value: 'TYPE',
    help: 'Media type of the payload, for instance application/json.',
  },
  id: { kind: 'text', value: 'ID', help: 'Default: a UUID.' },
  'correlation-id': { kind: 'text', value: 'ID', help: "Default: the event's id." },
  'causation-id': { kind: 'text', value: 'ID', help: "Default: the event's id." },
  tag: { kind: 'texts', value: 'TAG', help: 'May be given several times.' },
  metadata: { kind: 'texts', value: 'KEY=VALUE', help: 'May be given several times.' },
} as const satisfies Options;

type EventOptions = Given<typeof eventOptions>;

export const appendCommand = defineCommand({
  name: 'append',
  usage: 'STREAM',
  summary: 'Store an event at the end of a stream, or several as one commit.',
  details:
    'With --type, one event of these options. Without it, events from standard input, a JSON object on\n' +
    'each line, as `sluice read --json` prints them: all of them are stored as one commit, or none.\n' +
    'What the store assigns (stream, version, position, commitTime) is passed over there.',
  options: {
    ...eventOptions,
    'expected-version': {
      kind: 'text',
      value: 'N',
      help: 'Store only if the stream is at this version; 0: only if it is empty. Default: any.',
    },
    'commit-id': {
      kind: 'text',
      value: 'UUID',
      help: 'The same commit, appended again with the same id, is stored once.',
    },
  },
  plan({ words, given }) {
    const stream = oneStream(words);
    const expectedVersion = optionalNumber(given['expected-version'], '--expected-version');
    checkEventOptions(given);
    const metadata = new Map(given.metadata.map(toPair));
    return async ({ client, deadlineMs, signal, stdin, out }) => {
      if (given.type === undefined && stdin.isTTY) {
        throw new UsageError('give --type and what the event is, or events on standard input');
      }
      const events =
        given.type === undefined
          ? await eventsOf(stdin)
          : [await eventOf(given.type, given, metadata, stdin)];
      const options = { expectedVersion, commitId: given['commit-id'], deadlineMs, signal };
      const { version, firstVersion, position, replayed, commitId } = await client.append(
        stream,
        events,
        options,
      );
      const result = {
        stream,
        version: version.toString(),
        firstVersion: firstVersion.toString(),
        position: position.toString(),
        ...(commitId !== '' && { commitId }),
        ...(replayed && { replayed }),
      };
      const again = replayed ? ', which was stored before' : '';
      const text = `${stream} is at version ${result.version}, position ${result.position}${again}`;
      await out.line(given.json ? JSON.stringify(result) : text);
      return exitCode.ok;
    };
  },
});

/** Throws UsageError for options that exclude or need each other. */
function checkEventOptions(given: EventOptions): void {
  const { type, data, binary, 'data-file': file } = given;
  const names = Object.keys(eventOptions) as (keyof EventOptions)[];
  const needless = names.find((name) => {
    const value = given[name];
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
  });
  if (type === undefined && needless !== undefined) throw new UsageError(`--${needless} needs --type`);
  if (data !== undefined && file !== undefined)
    throw new UsageError('--data and --data-file exclude each other');
  if (binary && file === undefined) throw new UsageError('--binary needs --data-file');
}

function toPair(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--metadata must be KEY=VALUE; found "${text}"`);
  return [text.slice(0, at), text.slice(at + 1)];
}

async function eventOf(
  type: string,
  given: EventOptions,
  metadata: ReadonlyMap<string, string>,
  stdin: NodeJS.ReadStream,
): Promise<NewEvent> {
  const { 'data-file': file, binary, tag: tags } = given;
  return {
    type,
    data: file === undefined ? given.data : await payloadOf(file, binary, stdin),
    contentType: given['content-type'],
    id: given.id,
    correlationId: given['correlation-id'],
    causationId: given['causation-id'],
    tags,
    metadata,
  };
}

async function payloadOf(
  file: string,
  binary: boolean,
  stdin: NodeJS.ReadStream,
): Promise<string | Uint8Array> {
  const bytes = file === '-' ? Buffer.concat(await stdin.toArray()) : await readFile(file);
  if (binary) return bytes;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CommandError(
      `${file === '-' ? 'standard input' : file} is not UTF-8 text; give --binary to store bytes`,
    );
  }
}

async function eventsOf(stdin: NodeJS.ReadStream): Promise<NewEvent[]> {
  const events: NewEvent[] = [];
  for await (const { bytes, number } of readLines(stdin)) {
    const where = `line ${number} of standard input`;
    if (bytes.toString('latin1').trim() !== '') events.push(fromEventJson(parseLine(bytes, where), where));
  }
  if (events.length === 0) throw new CommandError('there are no events on standard input');
  return events;
}
