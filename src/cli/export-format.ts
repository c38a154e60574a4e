import { createHash } from 'node:crypto';
import type { NewEvent, RecordedEvent } from '../client/client';
import { fromEventJson, isObject, parseLine, toContentJson, toTimeJson } from './event-json';
import { CommandError } from './failure';
import type { Line } from './lines';

/**
 * The file of an export, described in docs/command-line.md: a header, a line for each commit in the order of positions, and a
 * trailer with the counts and a checksum. A file without a trailer is not complete.
 */

const format = 1;
/** The beginning of every export. */
export const headerBegin = '{"sluiceExport":';

export interface ExportHeader {
  /** The name of the store. */
  readonly store: string;
  /** Empty: the store has no id. */
  readonly storeId: string;
  /** Empty: all streams. */
  readonly patterns: readonly string[];
  /** The export has every commit up to this position, inclusive. */
  readonly upTo: bigint;
}

/** The part of a commit in one stream. */
export interface ExportedAppend {
  readonly stream: string;
  readonly firstVersion: bigint;
  readonly events: readonly NewEvent[];
}

/** A commit to store again: of one stream, or a transaction over several. */
export interface ExportedCommit {
  readonly position: bigint;
  readonly appends: readonly ExportedAppend[];
}

export type ExportRecord =
  | { readonly kind: 'header'; readonly header: ExportHeader }
  | { readonly kind: 'commit'; readonly commit: ExportedCommit }
  | { readonly kind: 'trailer' };

export function headerLine({ store, storeId, patterns, upTo }: ExportHeader): string {
  return JSON.stringify({ sluiceExport: format, store, storeId, patterns, upTo: upTo.toString() });
}

/** `events` are the events of one commit, in order; at least one. */
export function commitLine(events: readonly RecordedEvent[]): string {
  const streams = new Map<string, RecordedEvent[]>();
  for (const event of events) streams.set(event.stream, [...(streams.get(event.stream) ?? []), event]);
  const position = (events[0] as RecordedEvent).position.toString();
  const [only, ...others] = [...streams.values()].map(toAppendJson);
  return JSON.stringify(
    others.length === 0 ? { position, ...only } : { position, transaction: [only, ...others] },
  );
}

function toAppendJson(events: readonly RecordedEvent[]): object {
  const [first] = events as [RecordedEvent];
  return {
    commitTime: toTimeJson(first),
    stream: first.stream,
    firstVersion: first.version.toString(),
    events: events.map((event) => ({ id: event.id, type: event.type, ...toContentJson(event) })),
  };
}

/** The counts and the checksum of the lines of a file, from the header on. */
export interface Tally {
  readonly commits: number;
  readonly events: number;
  /** The position of the last commit; 0n before the first. */
  readonly position: bigint;
  /** Adds a line of the file, without its line feed. */
  addHeader(line: string | Uint8Array): void;
  addCommit(line: string | Uint8Array, eventCount: number, position: bigint): void;
  trailerLine(): string;
}

export function createTally(): Tally {
  const hash = createHash('sha256');
  let [commits, events, last] = [0, 0, 0n];
  const add = (line: string | Uint8Array): void => {
    hash.update(line).update('\n');
  };
  return {
    get commits() {
      return commits;
    },
    get events() {
      return events;
    },
    get position() {
      return last;
    },
    addHeader: add,
    addCommit(line, eventCount, position) {
      add(line);
      commits++;
      events += eventCount;
      last = position;
    },
    trailerLine: () => JSON.stringify({ end: { commits, events, sha256: hash.copy().digest('hex') } }),
  };
}

/**
 * Reads a line of a file, checks it against the earlier lines, and adds it to `tally`. Throws CommandError for a line that an
 * export does not write.
 */
export function readRecord({ bytes, number }: Line, tally: Tally): ExportRecord {
  const where = `line ${number}`;
  const value = parseLine(bytes, where);
  if (!isObject(value)) throw damaged(where);
  if (number === 1) {
    const header = toHeader(value);
    tally.addHeader(bytes);
    return { kind: 'header', header };
  }
  if ('end' in value) {
    if (bytes.toString() === tally.trailerLine()) return { kind: 'trailer' };
    throw new CommandError(
      `${where}: the file is damaged: its counts or checksum do not match the ${tally.commits} commits before`,
    );
  }
  const commit = toCommit(value, where);
  if (commit.position <= tally.position) throw damaged(where);
  const eventCount = commit.appends.reduce((sum, { events }) => sum + events.length, 0);
  tally.addCommit(bytes, eventCount, commit.position);
  return { kind: 'commit', commit };
}

function toHeader({
  sluiceExport,
  store,
  storeId = '',
  patterns,
  upTo,
}: Readonly<Record<string, unknown>>): ExportHeader {
  if (sluiceExport === undefined) throw new CommandError('line 1: this is not an export of Sluice');
  if (sluiceExport !== format) {
    throw new CommandError(
      `line 1: format ${JSON.stringify(sluiceExport)} is unknown; this version reads format ${format}`,
    );
  }
  if (typeof store !== 'string' || typeof storeId !== 'string' || !isTexts(patterns)) throw damaged('line 1');
  return { store, storeId, patterns, upTo: toNumber(upTo, 'line 1') };
}

function toCommit(value: Readonly<Record<string, unknown>>, where: string): ExportedCommit {
  const { position, transaction = [value] } = value;
  if (!Array.isArray(transaction) || transaction.length === 0) throw damaged(where);
  return {
    position: toNumber(position, where),
    appends: transaction.map((append: unknown) => toAppend(append, where)),
  };
}

function toAppend(value: unknown, where: string): ExportedAppend {
  if (!isObject(value)) throw damaged(where);
  const { stream, firstVersion, events } = value;
  if (typeof stream !== 'string' || !Array.isArray(events) || events.length === 0) throw damaged(where);
  return {
    stream,
    firstVersion: toNumber(firstVersion, where),
    events: events.map((event, i) => exportedEvent(event, `${where}, event ${i + 1}`)),
  };
}

/** An export has encrypted events as they are stored. */
function exportedEvent(value: unknown, where: string): NewEvent {
  const event = fromEventJson(value, where);
  if (event.encryptFor === undefined) return event;
  throw new CommandError(`${where}: encryptedFor: import does not encrypt, and an export has no such field`);
}

function toNumber(value: unknown, where: string): bigint {
  if (typeof value !== 'string' || !/^\d{1,20}$/.test(value)) throw damaged(where);
  return BigInt(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}

function damaged(where: string): CommandError {
  return new CommandError(`${where}: the file is damaged: this is not a line of an export`);
}

/**
 * The commit id for an import: a UUID version 8 (RFC 9562), always the same for the same commit, so that a repeated import stores
 * nothing twice.
 */
export function commitIdOf({ appends }: ExportedCommit): string {
  const hash = createHash('sha256').update('sluice import');
  for (const { stream, firstVersion, events } of appends) {
    hash.update(`\0${stream}\0${firstVersion.toString()}`);
    for (const { id } of events) hash.update(`\0${id ?? ''}`);
  }
  const hex = hash.digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
