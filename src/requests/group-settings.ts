import type { Duration } from '../../generated/google/protobuf/duration';
import { GroupSettings as ProtoSettings } from '../../generated/sluice/v1/consumer_group_service';
import type { Limits } from '../limits';
import type { GroupSettings } from '../store/consumer-groups';
import { eventFilter } from './event-filter';
import { countWithin, duration } from './field-checks';
import type { Findings } from './findings';

/** The settings of a group, complete. Absent: the defaults. */
export function groupSettings(
  settings: ProtoSettings | undefined,
  limits: Limits,
  findings: Findings,
): GroupSettings {
  const given = settings ?? ProtoSettings.fromPartial({});
  findings.enter('settings');
  const parsed = {
    filter: eventFilter(given, limits, findings),
    lanes: countWithin(given.lanes || 32, 'lanes', { min: 1, max: 256 }, findings),
    attemptsMax: given.attemptsMax ?? 10,
    parkedMax: countWithin(given.parkedMax || 1_000, 'parked_max', { min: 1, max: 100_000 }, findings),
    parkFollowing: given.parkFollowing,
    skipUnreadable: given.skipUnreadable,
    ...times(given, findings),
  };
  findings.enter('');
  return parsed;
}

type Times = Pick<GroupSettings, 'backoffMinMs' | 'backoffMaxMs' | 'ackTimeoutMs' | 'handoverTimeoutMs'>;

function times(given: ProtoSettings, findings: Findings): Times {
  const time = (value: Duration | undefined, field: string, range: Range): number =>
    value === undefined ? range.byDefault : duration(value, field, range, findings);
  const { backoffMin, backoffMax, ackTimeout, handoverTimeout } = given;
  const backoff = { minMs: 10, maxMs: 3_600_000 };
  const backoffMinMs = time(backoffMin, 'backoff_min', { ...backoff, byDefault: 1_000 });
  const backoffMaxMs = time(backoffMax, 'backoff_max', { ...backoff, byDefault: 60_000 });
  if (backoffMinMs > backoffMaxMs)
    findings.add('backoff_min', `is ${backoffMinMs} ms, more than the ${backoffMaxMs} ms of backoff_max`);
  return {
    backoffMinMs,
    backoffMaxMs,
    ackTimeoutMs: time(ackTimeout, 'ack_timeout', { minMs: 1_000, maxMs: 3_600_000, byDefault: 30_000 }),
    handoverTimeoutMs: time(handoverTimeout, 'handover_timeout', {
      minMs: 100,
      maxMs: 300_000,
      byDefault: 5_000,
    }),
  };
}

interface Range {
  readonly minMs: number;
  readonly maxMs: number;
  /** In milliseconds. */
  readonly byDefault: number;
}
