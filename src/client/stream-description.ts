import { StreamState as ProtoStreamState } from '../../generated/sluice/v1/event_store_service';
import type * as proto from '../../generated/sluice/v1/stream_service';
import type { VersionRange } from './errors';
import { toUint64, type WholeNumber } from './numbers';
import { toStreamState, type StreamState } from './stream-state';
import { fromDuration, toCommitTime, toDuration, type CommitTime } from './time';

/** What can be read of a stream. Left out: no bound. */
export interface RetentionSettings {
  /** At most this many of its newest events; at least 1. */
  readonly maxCount?: WholeNumber | undefined;
  /** Only events that were committed at most this long ago, from 1,000 to 3,155,760,000,000 (100 years). */
  readonly maxAgeMs?: number | undefined;
}

/** The retention of a stream; undefined: no bound. */
export interface Retention {
  readonly maxCount: bigint | undefined;
  readonly maxAgeMs: number | undefined;
}

/** What a stream is now. `commitTime` is that of its last commit, controls included. */
export interface StreamDescription extends CommitTime {
  readonly stream: string;
  readonly state: StreamState;
  /** The version of its last event, hidden or not. */
  readonly version: bigint;
  /** The first version that can be read; `version` + 1 if none can. */
  readonly firstVersion: bigint;
  /** The position of its last commit, controls included. */
  readonly position: bigint;
  /** `truncate`, `delete` or `tombstone` has hidden the events before this version; 1: none. */
  readonly truncatedBefore: bigint;
  readonly retention: Retention;
  /** The position of its last control; 0: it never had one. */
  readonly controlPosition: bigint;
  /** What was erased, in the order in which it was asked for: the newest 100. */
  readonly erased: readonly ErasedRange[];
}

/** The record of an erasure. `commitTime` is when it was done. */
export interface ErasedRange extends CommitTime, VersionRange {
  /** The principal who did it; empty: nobody is recorded. */
  readonly principal: string;
  /** Why, as the caller said. */
  readonly reason: string;
  /** The position of its control. */
  readonly position: bigint;
}

/** Throws TypeError and RangeError. */
export function toProtoRetention({ maxCount, maxAgeMs }: RetentionSettings): proto.Retention {
  return {
    maxCount: toUint64(maxCount ?? 0, 'maxCount'),
    maxAge: maxAgeMs === undefined ? undefined : toDuration(maxAgeMs, 'maxAgeMs'),
  };
}

export function toStreamDescription(description: proto.StreamDescription | undefined): StreamDescription {
  const { stream, state, version, firstVersion, position, ...rest } = description ?? nothing;
  const { commitTime, truncatedBefore, retention, controlPosition, erased } = rest;
  return {
    stream,
    state: toStreamState(state) ?? 'active',
    version,
    firstVersion,
    position,
    ...toCommitTime(commitTime ?? epoch),
    truncatedBefore,
    retention: toRetention(retention),
    controlPosition,
    erased: erased.map(({ commitTime: time, ...range }) => ({ ...range, ...toCommitTime(time ?? epoch) })),
  };
}

function toRetention(retention: proto.Retention | undefined): Retention {
  const { maxCount = 0n, maxAge } = retention ?? {};
  return {
    maxCount: maxCount === 0n ? undefined : maxCount,
    maxAgeMs: maxAge && fromDuration(maxAge),
  };
}

/** Never used: every gateway sends what these stand for. */
const epoch = { seconds: 0n, nanos: 0 };
const nothing: proto.StreamDescription = {
  stream: '',
  state: ProtoStreamState.UNSPECIFIED,
  version: 0n,
  firstVersion: 0n,
  position: 0n,
  commitTime: undefined,
  truncatedBefore: 0n,
  retention: undefined,
  controlPosition: 0n,
  erased: [],
};
