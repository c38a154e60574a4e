import type { RecordedEvent } from '../client/client';
import { toEventJson, toTimeJson } from './event-json';
import { indentedJson } from './indented';
import { paint, printable, type Output } from './output';

const shownBytesMax = 64;
const shownLinesMax = 20;

/** How events are shown. */
export interface EventStyle {
  readonly asJson: boolean;
  /** On a terminal: JSON with all its lines. */
  readonly full: boolean;
}

/** The option that every command has that shows events. */
export const fullOption = {
  full: { kind: 'flag', help: `On a terminal, all lines of JSON, not ${shownLinesMax} of them.` },
} as const;

/**
 * Events for people and for programs: on a terminal some lines each, in colours; piped, one line with tabs between
 * position, time, stream, version, type and payload; as JSON, one object a line.
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

/** A line that a program can take apart: no field has a tab or a line feed. */
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
    ...event.tags.map((tag) => `#${tag}`),
    ...Array.from(event.metadata, ([key, value]) => `${key}=${value}`),
  ];
  await out.line(paint('cyan', stream), ` ${version.toString()} `, paint('bold', type));
  await out.line('  ', paint('dim', facts.join('  ')));
  for (const line of bodyLines(event, full)) await out.line('  ', line);
}

/** JSON over several lines. */
function bodyLines(event: RecordedEvent, full: boolean): readonly string[] {
  const body = payload(event);
  if (body === '') return [];
  const indented = typeof event.data === 'string' ? indentedJson(event.data) : undefined;
  if (indented === undefined) return [body];
  const lines = indented.split('\n');
  if (full || lines.length <= shownLinesMax) return lines;
  return [...lines.slice(0, shownLinesMax), `… ${lines.length - shownLinesMax} more lines, with --full`];
}

/** Text as it is; bytes by their number and the first of them. */
function payload({ data }: RecordedEvent): string {
  if (data === undefined) return '';
  if (typeof data === 'string') return data;
  const shown = Buffer.from(data.subarray(0, shownBytesMax)).toString('hex');
  return `<${data.length} bytes${shown === '' ? '' : `: ${shown}${data.length > shownBytesMax ? '…' : ''}`}>`;
}
