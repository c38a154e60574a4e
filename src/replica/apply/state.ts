import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { crc32 } from 'node:zlib';
import { sequence, type Sequence } from '../../store/values';
import type { IdTimes } from '../index/commit-id-filter';
import type { SegmentCursor } from '../segments/segment-view';

/** Which log a replica is of, and how far it is; stored with every batch. */
export interface ReplicaState {
  readonly identity: string;
  /** The replica has all messages of the log up to here. */
  readonly applied: Sequence;
  /** The newest commit, which distinguishes the log from another one. */
  readonly last: { readonly sequence: Sequence; readonly identity: string } | undefined;
  readonly end: SegmentCursor;
  /** The latest commit time of all commits. */
  readonly newestNanos: bigint;
  readonly idTimes: IdTimes;
  /** How many messages are lost, and the sequence of the last of them. */
  readonly lost: { readonly messages: bigint; readonly last: bigint };
}

/** Of the files, in this version of Sluice and on this kind of machine. */
const format = `6 ${endianness()}`;

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

/** The state, or why it cannot be used. `isClean`: all files were synced when they were closed. */
export function decodeState(text: string | undefined, isClean: boolean): ReplicaState | string {
  if (text === undefined) return 'it is empty';
  const [, checksum, boot, json = ''] = /^(\d+) (\S+) (.*)$/s.exec(text) ?? [];
  if (checksum !== crc32(json).toString())
    return 'its state does not have its checksum, or is of an earlier version';
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
    readonly end: SegmentCursor;
    readonly newestNanos: string;
    readonly idTimes: IdTimes;
    readonly lost: readonly [messages: string, last: string];
  };
  if (found !== format) return `it has the format ${found}; this gateway reads ${format}`;
  if (!isClean && boot !== bootId()) return 'the machine stopped while it was in use';
  return {
    ...state,
    applied: sequence(BigInt(applied)),
    newestNanos: BigInt(newestNanos),
    lost: { messages: BigInt(lost[0]), last: BigInt(lost[1]) },
    last: last && { sequence: sequence(BigInt(last.sequence)), identity: last.identity },
  };
}

let bootIdRead: string | undefined;

/** Changes with each start of the machine; what was not synced before may be lost. */
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
