import { createHash } from 'node:crypto';
import type { NewEvent, RecordedEvent } from '../client/client';
import { readControl, type ExportedControl } from './control-format';
import { fromEventJson, isObject, parseLine, toContentJson, toTimeJson } from './event-json';
import { CommandError } from './failure';
import type { Line } from './lines';

/**
 * The file of an export, described in docs/command-line.md: a header, a line for each stream with controls, a line for each commit
 * in the order of positions, and a trailer with the counts and a checksum. A file without a trailer is not complete.
 */

/** The format that an export writes. Format 1 has no controls. */
export const exportFormat = 2;
const formats: readonly unknown[] = [1, exportFormat];
/** The beginning of every export. */
export const headerBegin = '{"sluiceExport":';

export interface ExportHeader {
  /** Of the file. */
  readonly format: number;
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
  /** Of its events, only ids and types are known: the rest was erased. */
  readonly isErased: boolean;
}

/** A commit to store again: of one stream, or a transaction over several. */
export interface ExportedCommit {
  readonly position: bigint;
  readonly appends: readonly ExportedAppend[];
}

export type ExportRecord =
  | { readonly kind: 'header'; readonly header: ExportHeader }
  | { readonly kind: 'control'; readonly control: ExportedControl }
  | { readonly kind: 'commit'; readonly commit: ExportedCommit }
  | { readonly kind: 'trailer' };

export function headerLine({ format, store, storeId, patterns, upTo }: ExportHeader): string {
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
  readonly controls: number;
  readonly commits: number;
  readonly events: number;
  /** The position of the last commit; 0n before the first. */
  readonly position: bigint;
  /** Adds a line of the file, without its line feed. */
  addHeader(line: string | Uint8Array, header: ExportHeader): void;
  addControl(line: string | Uint8Array): void;
  addCommit(line: string | Uint8Array, eventCount: number, position: bigint): void;
  trailerLine(): string;
}

export function createTally(): Tally {
  const hash = createHash('sha256');
  let [format, controls, commits, events, last] = [exportFormat, 0, 0, 0, 0n];
  const add = (line: string | Uint8Array): void => {
    hash.update(line).update('\n');
  };
  return {
    get controls() {
      return controls;
    },
    get commits() {
      return commits;
    },
    get events() {
      return events;
    },
    get position() {
      return last;
    },
    addHeader(line, header) {
      add(line);
      ({ format } = header);
    },
    addControl(line) {
      add(line);
      controls++;
    },
    addCommit(line, eventCount, position) {
      add(line);
      commits++;
      events += eventCount;
      last = position;
    },
    trailerLine() {
      const counts = format === 1 ? { commits, events } : { controls, commits, events };
      return JSON.stringify({ end: { ...counts, sha256: hash.copy().digest('hex') } });
    },
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
    tally.addHeader(bytes, header);
    return { kind: 'header', header };
  }
  if ('end' in value) {
    if (bytes.toString() === tally.trailerLine()) return { kind: 'trailer' };
    throw new CommandError(
      `${where}: the file is damaged: its counts or checksum do not match the ${tally.commits} commits before`,
    );
  }
  if ('control' in value) {
    const control = tally.commits === 0 ? readControl(value) : undefined;
    if (control === undefined) throw damaged(where);
    tally.addControl(bytes);
    return { kind: 'control', control };
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
  if (!formats.includes(sluiceExport)) {
    throw new CommandError(
      `line 1: format ${JSON.stringify(sluiceExport)} is unknown; this version reads formats ${formats.join(' and ')}`,
    );
  }
  if (typeof store !== 'string' || typeof storeId !== 'string' || !isTexts(patterns)) throw damaged('line 1');
  return { format: sluiceExport as number, store, storeId, patterns, upTo: toNumber(upTo, 'line 1') };
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
  const stubs = events.map(withoutMark).filter((stub) => stub !== undefined);
  if (stubs.length > 0 && stubs.length < events.length) throw damaged(where);
  const contents: readonly unknown[] = stubs.length > 0 ? stubs : events;
  return {
    stream,
    firstVersion: toNumber(firstVersion, where),
    events: contents.map((event, i) => exportedEvent(event, `${where}, event ${i + 1}`)),
    isErased: stubs.length > 0,
  };
}

/** What is left of an event that was erased; undefined: it was not. */
function withoutMark(event: unknown): Readonly<Record<string, unknown>> | undefined {
  if (!isObject(event) || event['erased'] !== true) return undefined;
  return Object.fromEntries(Object.entries(event).filter(([name]) => name !== 'erased'));
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
