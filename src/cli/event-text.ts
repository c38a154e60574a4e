import type { RecordedEvent } from '../client/client';
import { toEventJson, toTimeJson } from './event-json';
import { indentedJson } from './indented';
import { keysOptions } from './keys-option';
import { paint, printable, type Output } from './output';

const shownBytesMax = 64;
const shownLinesMax = 20;

/** How events are shown. */
export interface EventStyle {
  readonly asJson: boolean;
  /** On a terminal: all lines of a JSON payload. */
  readonly full: boolean;
}

/** The options of every command that prints events. */
export const printOptions = {
  type: { kind: 'texts', value: 'TYPE', help: 'Only events of this type; can be repeated.' },
  'max-count': { kind: 'text', value: 'N', help: 'Print at most this many events.' },
  ...keysOptions,
  full: {
    kind: 'flag',
    help: `On a terminal, print all lines of a JSON payload, not only ${shownLinesMax}.`,
  },
} as const;

/**
 * Prints an event: on a terminal in several coloured lines; in a pipe as one line with tabs between position, time, stream,
 * version, type and payload; as JSON in one line.
 */
export async function printEvent(
  out: Output,
  event: RecordedEvent,
  { asJson, full }: EventStyle,
): Promise<void> {
  if (asJson) await out.line(JSON.stringify(toEventJson(event)));
  else if (out.isTerminal) await printBlock(out, event, full);
  else await out.line(row(event));
}

/** A line that a program can split: no field contains a tab or a line feed. */
function row(event: RecordedEvent): string {
  const { position, stream, version, type } = event;
  return [position, toTimeJson(event), stream, version, printable(type), printable(payload(event))].join(
    '\t',
  );
}

async function printBlock(out: Output, event: RecordedEvent, full: boolean): Promise<void> {
  const { stream, version, type, id, correlationId, causationId } = event;
  const facts = [
    `position ${event.position.toString()}`,
    toTimeJson(event),
    `id ${id}`,
    ...(correlationId === id ? [] : [`correlation ${correlationId}`]),
    ...(causationId === id ? [] : [`causation ${causationId}`]),
    ...(event.contentType === '' ? [] : [event.contentType]),
    ...(event.encryptedFor === undefined ? [] : [`encrypted for ${event.encryptedFor}`]),
    ...event.tags.map((tag) => `#${tag}`),
    ...Array.from(event.metadata, ([key, value]) => `${key}=${value}`),
  ];
  await out.line(paint('cyan', stream), ` ${version.toString()} `, paint('bold', type));
  await out.line('  ', paint('dim', facts.join('  ')));
  for (const line of bodyLines(event, full)) await out.line('  ', line);
}

/** The lines of the payload; JSON is indented. */
function bodyLines(event: RecordedEvent, full: boolean): readonly string[] {
  const body = payload(event);
  if (body === '') return [];
  const indented = typeof event.data === 'string' ? indentedJson(event.data) : undefined;
  if (indented === undefined) return [body];
  const lines = indented.split('\n');
  if (full || lines.length <= shownLinesMax) return lines;
  return [...lines.slice(0, shownLinesMax), `… ${lines.length - shownLinesMax} more lines; use --full`];
}

/** Text as it is; of bytes, their number and the first ones in hexadecimal. */
function payload({ data, forgotten, erased }: RecordedEvent): string {
  if (erased === true) return '<erased>';
  if (forgotten === true) return '<forgotten>';
  if (data === undefined) return '';
  if (typeof data === 'string') return data;
  const shown = Buffer.from(data.subarray(0, shownBytesMax)).toString('hex');
  return `<${data.length} bytes${shown === '' ? '' : `: ${shown}${data.length > shownBytesMax ? '…' : ''}`}>`;
}
