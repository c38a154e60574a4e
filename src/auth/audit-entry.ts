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
  /** The consumer group that it is about; undefined: it is about no group. */
  readonly group?: string | undefined;
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
/** Characters of one text in a line; only what is not valid is longer. */
const textCharsMax = 200;
/** A line about an append has fewer bytes without its streams. */
const fixedBytesMax = 1_024;

/** No line about an append to these streams has more bytes. */
export function lineBytesMax(streams: readonly string[]): number {
  let bytes = fixedBytesMax;
  for (const stream of streams.slice(0, streamsMax)) bytes += stream.length + 3;
  return bytes;
}

/** One line of JSON. `more`: further properties. */
export function toLine(entry: AuditEntry, more: object = {}, time = new Date()): string {
  const { principal, credential, generation, peer, call, action, streams, phase } = entry;
  return line({
    time: time.toISOString(),
    generation,
    principal: plain(principal),
    credential: { kind: credential.kind, id: plain(credential.id) },
    peer: plain(peer),
    call,
    action,
    group: entry.group,
    phase,
    streams: streams.slice(0, streamsMax).map(plain),
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

/** How many more denials there were, of too many kinds to name each. */
export function toFurtherDenialsLine(count: number, since: Date, time = new Date()): string {
  return line({ time: time.toISOString(), further_denials: count, since: since.toISOString() });
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

/** In ASCII without anything that JSON escapes, so that a character is a byte. What is valid stays as it is. */
function plain(text: string): string {
  const safe = text.replace(/[^\x20-\x7e]|["\\]/g, '?');
  return safe.length <= textCharsMax ? safe : `${safe.slice(0, textCharsMax - 3)}...`;
}
