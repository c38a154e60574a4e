import type { RecordedEvent } from '../client/client';
import { toEventJson, toTimeJson } from './event-json';
import { paint, printable, type Output } from './output';

const shownBytesMax = 64;

/**
 * Events for people and for programs: on a terminal some lines each, in colours; piped, one line with tabs between
 * position, time, stream, version, type and payload; as JSON, one object a line.
 */
export async function printEvent(out: Output, event: RecordedEvent, asJson: boolean): Promise<void> {
  if (asJson) await out.line(JSON.stringify(toEventJson(event)));
  else if (out.isTerminal) await printBlock(out, event);
  else await out.line(row(event));
}

/** A line that a program can take apart: no field has a tab or a line feed. */
function row(event: RecordedEvent): string {
  const { position, stream, version, type } = event;
  return [position, toTimeJson(event), stream, version, printable(type), printable(payload(event))].join(
    '\t',
  );
}

async function printBlock(out: Output, event: RecordedEvent): Promise<void> {
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
  const body = payload(event);
  await out.line(paint('cyan', stream), ` ${version.toString()} `, paint('bold', type));
  await out.line('  ', paint('dim', facts.join('  ')));
  if (body !== '') await out.line('  ', body);
}

/** Text as it is; bytes by their number and the first of them. */
function payload({ data }: RecordedEvent): string {
  if (data === undefined) return '';
  if (typeof data === 'string') return data;
  const shown = Buffer.from(data.subarray(0, shownBytesMax)).toString('hex');
  return `<${data.length} bytes${shown === '' ? '' : `: ${shown}${data.length > shownBytesMax ? '…' : ''}`}>`;
}
