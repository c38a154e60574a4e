import type { CredentialId } from './identity';
import type { StoreAction, StreamAction } from './permissions';

/** What somebody did, or was not allowed to do. Never has a credential, or events. */
export interface AuditEntry {
  /** "": the caller did not say who it is in a way that is accepted. */
  readonly principal: string;
  readonly credential: CredentialId;
  /** The generation of the auth file. */
  readonly generation: number;
  /** Address and port of the caller. */
  readonly peer: string;
  /** The RPC without its service, such as `AppendMulti`. */
  readonly call: string;
  readonly action: StreamAction | StoreAction | undefined;
  /** The streams or patterns that it is about. */
  readonly streams: readonly string[];
  /** Whether a read, a subscription or a session begins or ends; undefined: neither. */
  readonly phase?: 'begun' | 'ended' | undefined;
  readonly commitId?: string | undefined;
  readonly position?: bigint | undefined;
  /** `OK` or the code of an error. */
  readonly outcome: string;
  /** Of a quota that was exceeded. */
  readonly limit?: string | undefined;
}

/** How many streams one line names; it has the count of all. */
const streamsMax = 16;
/** Characters of one text in a line; none that is valid is longer. */
const textCharsMax = 256;
/** The most bytes of a line without its streams: each of four texts may need six bytes for a character. */
const fixedBytesMax = 512 + 4 * 6 * textCharsMax;

/** More than any line about this number of streams has bytes; `streamChars`: the characters of their names. */
export function lineBytesMax(entry: Pick<AuditEntry, 'streams'>): number {
  const named = entry.streams.slice(0, streamsMax);
  return named.reduce((bytes, stream) => bytes + 6 * Math.min(stream.length, textCharsMax) + 3, fixedBytesMax);
}

/** One line of JSON. `more`: further properties. */
export function toLine(entry: AuditEntry, more: object = {}, time = new Date()): string {
  const { principal, credential, generation, peer, call, action, streams, phase } = entry;
  return line({
    time: time.toISOString(),
    generation,
    principal: cut(principal),
    credential: { kind: credential.kind, id: cut(credential.id) },
    peer,
    call,
    action,
    phase,
    streams: streams.slice(0, streamsMax).map(cut),
    stream_count: streams.length,
    commit_id: entry.commitId,
    position: entry.position?.toString(),
    outcome: entry.outcome,
    limit: entry.limit,
    ...more,
  });
}

/** How many entries are missing since a time. */
export function toDroppedLine(dropped: number, since: Date, time = new Date()): string {
  return line({ time: time.toISOString(), dropped, since: since.toISOString() });
}

/** Denials that are not told apart, since there were too many different ones. */
export function toFurtherDenialsLine(count: number, since: Date, time = new Date()): string {
  return line({ time: time.toISOString(), further_denials: count, since: since.toISOString() });
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

function cut(text: string): string {
  return text.length <= textCharsMax ? text : `${text.slice(0, textCharsMax - 1)}…`;
}
