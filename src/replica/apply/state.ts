import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { crc32 } from 'node:zlib';
import type { IdTimes } from '../index/newest-ids';
import type { Cursor } from '../segments/segments';

/** What a replica is of and how far it goes, stored with every batch. */
export interface ReplicaState {
  readonly identity: string;
  /** All messages of the log up to here are in it. */
  readonly applied: bigint;
  /** The newest commit, to tell this log from another one. */
  readonly last: { readonly sequence: bigint; readonly identity: string } | undefined;
  readonly end: Cursor;
  /** The highest commit time there has been. */
  readonly newestNanos: bigint;
  readonly idTimes: IdTimes;
  /** Messages that are gone, and the sequence of the last of them. */
  readonly lost: { readonly messages: bigint; readonly last: bigint };
}

/** Written by a version of Sluice that lays it out otherwise, or on another kind of machine. */
const format = `3 ${endianness()}`;

export function encodeState(state: ReplicaState): string {
  const { identity, applied, last, end, newestNanos, idTimes, lost } = state;
  const text = JSON.stringify({
    format,
    identity,
    applied: applied.toString(),
    last: last && { ...last, sequence: last.sequence.toString() },
    end,
    newestNanos: newestNanos.toString(),
    idTimes,
    lost: [lost.messages.toString(), lost.last.toString()],
  });
  return `${crc32(text).toString()} ${bootId()} ${text}`;
}

/** The state; or why it cannot be used. `isClean`: all files were synced when they were closed. */
export function decodeState(text: string | undefined, isClean: boolean): ReplicaState | string {
  if (text === undefined) return 'it is new';
  const [, checksum, boot, json = ''] = /^(\d+) (\S+) (.*)$/s.exec(text) ?? [];
  if (checksum !== crc32(json).toString())
    return 'its state does not have its checksum, or is of an older version';
  const {
    format: found,
    applied,
    last,
    newestNanos,
    lost,
    ...state
  } = JSON.parse(json) as {
    readonly format: string;
    readonly identity: string;
    readonly applied: string;
    readonly last?: { readonly sequence: string; readonly identity: string };
    readonly end: Cursor;
    readonly newestNanos: string;
    readonly idTimes: IdTimes;
    readonly lost: readonly [messages: string, last: string];
  };
  if (found !== format) return `it has the format ${found}, and this gateway reads ${format}`;
  if (!isClean && boot !== bootId()) return 'the machine went down while it was in use';
  return {
    ...state,
    applied: BigInt(applied),
    newestNanos: BigInt(newestNanos),
    lost: { messages: BigInt(lost[0]), last: BigInt(lost[1]) },
    last: last && { sequence: BigInt(last.sequence), identity: last.identity },
  };
}

let bootIdRead: string | undefined;

/** Another one after each start of the machine; what was not synced may be gone then. */
function bootId(): string {
  return (bootIdRead ??= readBootId());
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
