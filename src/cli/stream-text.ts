import type {
  ErasedRange,
  Retention,
  RetentionSettings,
  StreamChange,
  StreamDescription,
  VersionRange,
} from '../client/client';
import { printCells } from './cells';
import type { Context } from './command';
import { toTimeJson } from './event-json';
import { CommandError } from './failure';
import { ageText, rangeOf, type StreamChangeRequest } from './stream-options';

/** How the verbs of `stream` print what they get. */

/**
 * Stream, state, first version, version, position, time, retention. Then for each erasure a line: stream, `erased`, first and last version,
 * position, time, principal, reason.
 */
export async function printDescription(context: Context, stream: StreamDescription): Promise<void> {
  const { firstVersion, version } = stream;
  await printCells(context, [
    { text: stream.stream, width: 24, style: 'cyan' },
    { text: stream.state, width: 10, style: 'bold' },
    { text: firstVersion.toString(), width: 8 },
    { text: version.toString(), width: 8 },
    { text: stream.position.toString(), width: 10, style: 'dim' },
    { text: toTimeJson(stream), style: 'dim' },
    { text: shortRetention(stream.retention) },
  ]);
  for (const erased of stream.erased) await printErased(context, stream.stream, erased);
}

async function printErased(context: Context, stream: string, erased: ErasedRange): Promise<void> {
  await printCells(context, [
    { text: stream, width: 24, style: 'cyan' },
    { text: 'erased', width: 10, style: 'bold' },
    { text: erased.fromVersion.toString(), width: 8 },
    { text: erased.toVersion.toString(), width: 8 },
    { text: erased.position.toString(), width: 10, style: 'dim' },
    { text: toTimeJson(erased), style: 'dim' },
    { text: erased.principal === '' ? '-' : erased.principal },
    { text: erased.reason },
  ]);
}

function shortRetention({ maxCount, maxAgeMs }: Retention): string {
  const parts = [
    ...(maxCount === undefined ? [] : [`max-count ${maxCount.toString()}`]),
    ...(maxAgeMs === undefined ? [] : [`max-age ${ageText(maxAgeMs)}`]),
  ];
  return parts.length === 0 ? '-' : parts.join(' ');
}

/** 64-bit numbers are texts, as in the JSON form of the contract. */
export function toDescriptionJson(description: StreamDescription): Record<string, unknown> {
  const { stream, state, retention, erased, ...rest } = description;
  const { maxCount, maxAgeMs } = retention;
  return {
    stream,
    state,
    version: rest.version.toString(),
    firstVersion: rest.firstVersion.toString(),
    position: rest.position.toString(),
    commitTime: toTimeJson(description),
    truncatedBefore: rest.truncatedBefore.toString(),
    retention: {
      ...(maxCount !== undefined && { maxCount: maxCount.toString() }),
      ...(maxAgeMs !== undefined && { maxAgeMs }),
    },
    controlPosition: rest.controlPosition.toString(),
    ...(erased.length > 0 && { erased: erased.map(toErasedJson) }),
  };
}

export function toErasedJson(erased: ErasedRange): Record<string, unknown> {
  const { fromVersion, toVersion, principal, reason, position } = erased;
  return {
    fromVersion: fromVersion.toString(),
    toVersion: toVersion.toString(),
    position: position.toString(),
    commitTime: toTimeJson(erased),
    ...(principal !== '' && { principal }),
    reason,
  };
}

/** What a change would do to a stream, as a sentence without its subject. Throws CommandError for one that is refused. */
export function planText(stream: StreamDescription, change: StreamChangeRequest): string {
  const { stream: name, state, version, firstVersion } = stream;
  if (state === 'tombstoned' && change.verb !== 'tombstone' && change.verb !== 'erase')
    throw new CommandError(`stream ${name} was tombstoned, and takes no more events`);
  switch (change.verb) {
    case 'truncate':
      if (change.before > version + 1n)
        throw new CommandError(`stream ${name} ends at version ${version.toString()}`);
      return hides(name, firstVersion, change.before - 1n);
    case 'retain': {
      const { maxCount, maxAgeMs } = change.retention;
      const last = maxCount === undefined ? 0n : version - BigInt(maxCount);
      const byAge = maxAgeMs === undefined ? '' : `, and what is older than ${ageText(maxAgeMs)}`;
      return `${hides(name, firstVersion, last)}${byAge}`;
    }
    case 'delete':
      return hides(name, firstVersion, version);
    case 'tombstone':
      return `${hides(name, firstVersion, version)}, and refuses every later append, for ever`;
    case 'erase': {
      const range = rangeOf(change, version);
      if (range.toVersion > version)
        throw new CommandError(`stream ${name} ends at version ${version.toString()}`);
      return `erases ${versionsOf(range)} of ${name}, for ever${wasHidden(stream, range) ? `; ${notOverwritten}` : ''}`;
    }
  }
}

const notOverwritten =
  'what was hidden before may be removed from the log already, and is not overwritten there then';

/** A line about an erasure that may have come too late; undefined: it has not. */
export function lateErasure(stream: StreamDescription, change: StreamChangeRequest): string | undefined {
  if (change.verb !== 'erase' || !wasHidden(stream, rangeOf(change, stream.version))) return undefined;
  return `${stream.stream} begins at version ${stream.firstVersion.toString()}: ${notOverwritten}`;
}

function wasHidden({ firstVersion }: StreamDescription, { fromVersion }: VersionRange): boolean {
  return fromVersion < firstVersion;
}

/** `from` is the first version that can be read. */
function hides(name: string, from: bigint, to: bigint): string {
  if (to < from) return `hides no further version of ${name}`;
  return `hides ${versionsOf({ fromVersion: from, toVersion: to })} of ${name}`;
}

function versionsOf({ fromVersion: from, toVersion: to }: VersionRange): string {
  return from === to ? `version ${to.toString()}` : `versions ${from.toString()} to ${to.toString()}`;
}

/** What holds after a change. */
export function resultText(change: StreamChangeRequest, { stream, replayed }: StreamChange): string {
  return `${factOf(change, stream)}${replayed ? ' (already stored)' : ''}`;
}

function factOf(change: StreamChangeRequest, stream: StreamDescription): string {
  const { stream: name, version, firstVersion } = stream;
  switch (change.verb) {
    case 'truncate':
      return firstVersion > version
        ? `all events of ${name} are hidden; it is at version ${version.toString()}`
        : `${name} begins at version ${firstVersion.toString()}`;
    case 'retain':
      return `${name} keeps ${keptOf(change.retention)}`;
    case 'delete':
      return `${name} is deleted; it was at version ${version.toString()}`;
    case 'tombstone':
      return `${name} is tombstoned; it was at version ${version.toString()}`;
    case 'erase': {
      const range = rangeOf(change, version);
      const verb = range.fromVersion === range.toVersion ? 'is' : 'are';
      return `${versionsOf(range)} of ${name} ${verb} erased`;
    }
  }
}

function keptOf({ maxCount, maxAgeMs }: RetentionSettings): string {
  const age = maxAgeMs === undefined ? '' : ageText(maxAgeMs);
  if (maxCount === undefined) return age === '' ? 'all events' : `events for ${age}`;
  const count = maxCount.toString();
  return `its newest ${count === '1' ? 'event' : `${count} events`}${age === '' ? '' : ` for ${age}`}`;
}
