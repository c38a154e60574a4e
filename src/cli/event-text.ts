import type { RecordedEvent } from '../client/client';
import { toEventJson, toTimeJson } from './event-json';
import { printable, type Output } from './output';

const shownBytesMax = 64;

/**
 * Events for people and for programs: on a terminal some lines each, in colours; piped, one line with tabs between
 * position, time, stream, version, type and payload; as JSON, one object a line.
 */
export async function printEvent(out: Output, event: RecordedEvent, asJson: boolean): Promise<void> {
  if (asJson) await out.line(JSON.stringify(toEventJson(event)));
  else await out.line(out.isTerminal ? block(out, event) : row(event));
}

function row(event: RecordedEvent): string {
  const { position, stream, version, type } = event;
  return [position, toTimeJson(event), stream, version, printable(type), payload(event)].join('\t');
}

function block(out: Output, event: RecordedEvent): string {
  const { stream, version, type, id, correlationId, causationId } = event;
  const facts = [
    `position ${event.position.toString()}`,
    toTimeJson(event),
    `id ${id}`,
    ...(correlationId === id ? [] : [`correlation ${correlationId}`]),
    ...(causationId === id ? [] : [`causation ${causationId}`]),
    ...(event.contentType === '' ? [] : [printable(event.contentType)]),
    ...event.tags.map((tag) => `#${printable(tag)}`),
    ...Array.from(event.metadata, ([key, value]) => `${printable(key)}=${printable(value)}`),
  ];
  const body = payload(event);
  return [
    `${out.paint('cyan', stream)} ${version.toString()} ${out.paint('bold', printable(type))}`,
    `  ${out.paint('dim', facts.join('  '))}`,
    ...(body === '' ? [] : [`  ${body}`]),
  ].join('\n');
}

/** Text with control characters made visible; bytes by their number and the first of them. */
function payload({ data }: RecordedEvent): string {
  if (data === undefined) return '';
  if (typeof data === 'string') return printable(data);
  const shown = Buffer.from(data.subarray(0, shownBytesMax)).toString('hex');
  return `<${data.length} bytes${shown === '' ? '' : `: ${shown}${data.length > shownBytesMax ? '…' : ''}`}>`;
}
