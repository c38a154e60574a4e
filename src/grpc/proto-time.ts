import type { Duration } from '../../generated/google/protobuf/duration';
import type { Timestamp } from '../../generated/google/protobuf/timestamp';

/** Milliseconds as google.protobuf.Duration. */
export function toDuration(ms: number): Duration {
  return { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 };
}

/** Nanoseconds since 1970 as google.protobuf.Timestamp. */
export function toTimestamp(nanos: bigint | undefined): Timestamp | undefined {
  if (nanos === undefined) return undefined;
  return { seconds: nanos / 1_000_000_000n, nanos: Number(nanos % 1_000_000_000n) };
}
