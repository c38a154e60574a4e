import type { Duration } from '../../generated/google/protobuf/duration';
import type { Timestamp } from '../../generated/google/protobuf/timestamp';

/** A point in time: a Date, or nanoseconds since 1970, as in `commitTimeNanos`. */
export type Time = Date | bigint;

/** When a commit was stored, by the clock of the NATS server. */
export interface CommitTime {
  /** To the millisecond, rounded down. */
  readonly commitTime: Date;
  /** The exact time in nanoseconds since 1970. */
  readonly commitTimeNanos: bigint;
}

/** The time of a commit that may not exist. */
export type MaybeCommitTime = { readonly [Key in keyof CommitTime]: CommitTime[Key] | undefined };

const nanosPerSecond = 1_000_000_000n;
const nanosPerMs = 1_000_000n;

/** Throws a RangeError for an invalid Date. */
export function toTimestamp(time: Time | undefined, name: string): Timestamp | undefined {
  if (time === undefined) return undefined;
  if (typeof time !== 'bigint' && Number.isNaN(time.getTime()))
    throw new RangeError(`${name} is an invalid Date`);
  const nanos = typeof time === 'bigint' ? time : BigInt(time.getTime()) * nanosPerMs;
  return { seconds: nanos / nanosPerSecond, nanos: Number(nanos % nanosPerSecond) };
}

export function toCommitTime({ seconds, nanos }: Timestamp): CommitTime {
  return {
    commitTime: new Date(Number(seconds) * 1_000 + Math.floor(nanos / 1e6)),
    commitTimeNanos: seconds * nanosPerSecond + BigInt(nanos),
  };
}

export function toMaybeCommitTime(time: Timestamp | undefined): MaybeCommitTime {
  return time === undefined ? { commitTime: undefined, commitTimeNanos: undefined } : toCommitTime(time);
}

/** Throws a RangeError for what is not a number. */
export function toDuration(ms: number, name: string): Duration {
  if (!Number.isFinite(ms)) throw new RangeError(`${name} must be a number of milliseconds; found ${ms}`);
  return { seconds: BigInt(Math.trunc(ms / 1_000)), nanos: Math.round((ms % 1_000) * 1e6) };
}

/** In milliseconds; 0 if it is absent. */
export function fromDuration(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1_000 + duration.nanos / 1e6;
}
