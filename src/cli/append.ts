import { readFile } from 'node:fs/promises';
import type { AppendCondition, NewEvent } from '../client/client';
import { marks } from '../keys/envelope-metadata';
import { optionalNumber, wholeNumber, type Given, type Options } from './arguments';
import { defineCommand, type Context } from './command';
import { fromEventJson, parseLine } from './event-json';
import { CommandError, exitCode, UsageError } from './failure';
import { keysOptions, subjectOf, withGivenKeys } from './keys-option';
import { readLines } from './lines';
import { queryOf } from './query-option';
import { oneStream } from './words';

/** The options that describe a single event. */
const eventOptions = {
  type: { kind: 'text', value: 'TYPE', help: 'The event type, for instance OrderPlaced.' },
  data: { kind: 'text', value: 'TEXT', help: 'The payload.' },
  'data-file': {
    kind: 'text',
    value: 'FILE',
    help: 'Read the payload from a file ("-": standard input), as text unless --binary.',
  },
  binary: { kind: 'flag', help: 'Store the payload of --data-file as bytes.' },
  'content-type': {
    kind: 'text',
    value: 'TYPE',
    help: 'The media type of the payload, for instance application/json.',
  },
  id: { kind: 'text', value: 'ID', help: 'The event id. Default: a UUID.' },
  'correlation-id': { kind: 'text', value: 'ID', help: 'Default: the event id.' },
  'causation-id': { kind: 'text', value: 'ID', help: 'Default: the event id.' },
  tag: { kind: 'texts', value: 'TAG', help: 'A tag; can be repeated.' },
  metadata: { kind: 'texts', value: 'KEY=VALUE', help: 'Metadata; can be repeated.' },
} as const satisfies Options;

type GivenEvent = Given<typeof eventOptions>;

const encryptOption = {
  'encrypt-for': {
    kind: 'text',
    value: 'SUBJECT',
    help: 'Encrypt the payload of each event by the key of this data subject, from --keys.',
  },
} as const satisfies Options;

const conditionOptions = {
  unless: {
    kind: 'text',
    value: 'JSON',
    help: 'Store only if no event of this query was stored after --after-position.',
  },
  'after-position': {
    kind: 'text',
    value: 'POSITION',
    help: 'For --unless: where the store was, as `sluice query` tells. Default: 0, all events count.',
  },
  'within-stream': { kind: 'flag', help: 'For --unless: only events of STREAM count.' },
} as const satisfies Options;

export const appendCommand = defineCommand({
  name: 'append',
  usage: 'STREAM',
  summary: 'Append an event to a stream, or several events as one commit.',
  details:
    'With --type, the options describe one event. Without it, the command reads events from standard\n' +
    'input, one JSON object per line, as `sluice read --json` prints them, and stores all of them as one\n' +
    'commit. It ignores the fields that the store assigns (stream, version, position, commitTime).',
  options: {
    ...eventOptions,
    'expected-version': {
      kind: 'text',
      value: 'N|exists',
      help: 'Store only if the stream is at this version; 0: if empty; exists: if not empty. Default: any.',
    },
    ...conditionOptions,
    ...encryptOption,
    ...keysOptions,
    'dry-run': { kind: 'flag', help: 'Store nothing: tell whether the append would succeed now.' },
    'commit-id': {
      kind: 'text',
      value: 'UUID',
      help: 'Repeating the command with the same id stores the commit only once.',
    },
  },
  plan({ words, given }) {
    const stream = oneStream(words);
    const expectedVersion = toExpectedVersion(given['expected-version']);
    checkEventOptions(given);
    const metadata = new Map(given.metadata.map(toPair));
    const encryptFor = encryptForOf(given);
    const condition = conditionOf(given, stream);
    const run: Run = async ({ client, deadlineMs, signal, stdin, out }) => {
      if (given.type === undefined && stdin.isTTY) {
        throw new UsageError('--type is missing; without it, pipe events to standard input');
      }
      const appended =
        given.type === undefined
          ? await eventsOf(stdin)
          : [await eventOf(given.type, given, metadata, stdin)];
      const events = appended.map((event) => encrypted(event, encryptFor, given.keys));
      const options = { expectedVersion, condition, commitId: given['commit-id'], deadlineMs, signal };
      const validateOnly = given['dry-run'];
      const { version, firstVersion, position, replayed, commitId } = await client.append(stream, events, {
        ...options,
        validateOnly,
      });
      const result = {
        stream,
        version: version.toString(),
        firstVersion: firstVersion.toString(),
        position: position.toString(),
        ...(commitId !== '' && { commitId }),
        ...(replayed && { replayed }),
      };
      const before = replayed ? ' (already stored)' : '';
      const text =
        validateOnly && !replayed
          ? `${stream} would be at version ${result.version}; nothing was stored`
          : `${stream} is at version ${result.version}, position ${result.position}${before}`;
      await out.line(given.json ? JSON.stringify(result) : text);
      return exitCode.ok;
    };
    return withGivenKeys(given, run, { mayCreate: encryptFor !== undefined });
  },
});

type Run = (context: Context) => Promise<number>;

/** Throws UsageError. */
function conditionOf(given: Given<typeof conditionOptions>, stream: string): AppendCondition | undefined {
  const { unless, 'after-position': after, 'within-stream': isWithin } = given;
  if (unless === undefined) {
    if (after !== undefined || isWithin)
      throw new UsageError(`--${isWithin ? 'within-stream' : 'after-position'} needs --unless`);
    return undefined;
  }
  return {
    query: queryOf(unless, '--unless'),
    after: optionalNumber(after, '--after-position') ?? 0n,
    ...(isWithin && { withinStream: stream }),
  };
}

/** Throws UsageError. */
function encryptForOf({
  'encrypt-for': subject,
  keys,
}: Given<typeof keysOptions & typeof encryptOption>): string | undefined {
  if (subject === undefined) return undefined;
  if (keys === undefined) throw new UsageError('--encrypt-for needs --keys');
  return subjectOf(subject, '--encrypt-for');
}

/** Throws CommandError for an event of standard input that was encrypted where it comes from, and would not be now. */
function encrypted(event: NewEvent, encryptFor: string | undefined, keys: string | undefined): NewEvent {
  const subject = event.encryptFor ?? encryptFor;
  if (subject === undefined) return event;
  if (keys === undefined)
    throw new CommandError(`encryptedFor of an event of type ${event.type} needs --keys`);
  const { metadata = {} } = event;
  const given = metadata instanceof Map ? [...metadata.keys()] : Object.keys(metadata);
  if (given.some((key) => marks.includes(String(key))))
    throw new CommandError(`an event of type ${event.type} is encrypted already: read it with --keys`);
  return { ...event, encryptFor: subjectOf(subject, 'encryptedFor') };
}

/** Throws UsageError. */
function toExpectedVersion(text: string | undefined): bigint | 'exists' | undefined {
  if (text === undefined || text === 'exists') return text;
  if (/^\d/.test(text)) return wholeNumber(text, '--expected-version');
  throw new UsageError(`--expected-version must be a whole number or "exists"; found "${text}"`);
}

/** Throws UsageError for options that cannot be combined, or that need another one. */
function checkEventOptions(given: GivenEvent): void {
  const { type, data, binary, 'data-file': file } = given;
  const names = Object.keys(eventOptions) as (keyof GivenEvent)[];
  const other = names.find((name) => {
    const value = given[name];
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
  });
  if (type === undefined && other !== undefined) throw new UsageError(`--${other} needs --type`);
  if (data !== undefined && file !== undefined)
    throw new UsageError('--data and --data-file cannot be combined');
  if (binary && file === undefined) throw new UsageError('--binary needs --data-file');
}

function toPair(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--metadata must be KEY=VALUE; found "${text}"`);
  return [text.slice(0, at), text.slice(at + 1)];
}

async function eventOf(
  type: string,
  given: GivenEvent,
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
      `${file === '-' ? 'standard input' : file} is not UTF-8 text; use --binary to store bytes`,
    );
  }
}

async function eventsOf(stdin: NodeJS.ReadStream): Promise<NewEvent[]> {
  const events: NewEvent[] = [];
  for await (const { bytes, number } of readLines(stdin)) {
    const where = `line ${number} of standard input`;
    if (bytes.toString('latin1').trim() !== '') events.push(fromEventJson(parseLine(bytes, where), where));
  }
  if (events.length === 0) throw new CommandError('standard input contains no events');
  return events;
}
