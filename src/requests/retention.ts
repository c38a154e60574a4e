import type { Duration } from '../../generated/google/protobuf/duration';
import type { Retention as ProtoRetention } from '../../generated/sluice/v1/stream_service';
import type { Retention } from '../store/stream-rules';
import type { Findings } from './findings';

/** No stream has a version above it, so that more would be no bound. */
const countMax = BigInt(Number.MAX_SAFE_INTEGER);

const secondsMin = 1n;
/** 100 years of 365.25 days. */
const secondsMax = 3_155_760_000n;

/** What a request says of retention. Absent: no bounds. */
export function retentionOf(given: ProtoRetention | undefined, findings: Findings): Retention {
  findings.enter('retention');
  const retention = {
    maxCount: countOf(given?.maxCount ?? 0n, findings),
    maxAgeNanos: given?.maxAge && ageOf(given.maxAge, findings),
  };
  findings.enter('');
  return retention;
}

/** 0: undefined, no bound. */
function countOf(count: bigint, findings: Findings): bigint | undefined {
  if (count < 0n || count > countMax)
    findings.add('max_count', `is ${count.toString()}, not 0 to ${countMax.toString()}`);
  return count === 0n ? undefined : count;
}

function ageOf({ seconds, nanos }: Duration, findings: Findings): bigint {
  const found = `is ${seconds.toString()} s and ${nanos} ns`;
  if (!Number.isInteger(nanos) || nanos < 0 || nanos > 999_999_999 || nanos % 1_000_000 !== 0) {
    findings.add('max_age', `${found}, not a whole number of milliseconds`);
    return 0n;
  }
  const age = seconds * 1_000_000_000n + BigInt(nanos);
  if (age < secondsMin * 1_000_000_000n || age > secondsMax * 1_000_000_000n)
    findings.add('max_age', `${found}, not from 1 s to 100 years (${secondsMax.toString()} s)`);
  return age;
}
