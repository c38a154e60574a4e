import type { Limits } from '../limits';
import type { EventFilter, ReadAllQuery, SubscribeQuery, SubscriptionStart } from '../store/event-store';
import {
  directionOf,
  duration,
  eventTypeFilter,
  Findings,
  maxCount,
  positionNumber,
  streamName,
  streamPatterns,
  timeRange,
  timestamp,
  versionNumber,
  type RawTimestamp,
} from './field-checks';
import { position } from '../store/values';

/** Requests over the whole store, parsed like those of commands.ts. */

interface RawEventFilter {
  readonly patterns: readonly string[];
  readonly eventTypes: readonly string[];
  readonly eventTypePrefixes: readonly string[];
}

export interface RawReadAll extends RawEventFilter {
  readonly afterPosition?: bigint | undefined;
  readonly toPosition: bigint;
  /** A number of sluice.v1.Direction, known or not. */
  readonly direction: number;
  readonly maxCount: bigint;
  readonly fromTime?: RawTimestamp | undefined;
  readonly toTime?: RawTimestamp | undefined;
  readonly skipUnreadable: boolean;
}

export interface RawSubscribe extends RawEventFilter {
  readonly stream: string;
  readonly afterPosition?: bigint | undefined;
  readonly afterVersion?: bigint | undefined;
  readonly fromTime?: RawTimestamp | undefined;
  readonly fromNow: boolean;
  readonly startMustExist: boolean;
  readonly heartbeatInterval?: RawTimestamp | undefined;
  readonly skipUnreadable: boolean;
}

/** Throws InvalidRequestError. */
export function parseReadAll(raw: RawReadAll, limits: Limits): ReadAllQuery {
  const findings = new Findings();
  const filter = eventFilter(raw, limits, findings);
  const direction = directionOf(raw.direction, findings);
  const afterPosition =
    raw.afterPosition === undefined
      ? undefined
      : positionNumber(raw.afterPosition, 'after_position', findings);
  const toPosition = positionNumber(raw.toPosition, 'to_position', findings);
  if (afterPosition !== undefined && toPosition !== 0n) {
    const [low, high] = direction === 'forward' ? [afterPosition, toPosition] : [toPosition, afterPosition];
    if (high < low) findings.add('to_position', 'lies before after_position in the direction of the read');
  }
  const { fromTime, toTime } = timeRange(raw, findings);
  const count = maxCount(raw.maxCount, findings);
  findings.throwIfAny();
  const { skipUnreadable } = raw;
  return { filter, direction, afterPosition, toPosition, maxCount: count, fromTime, toTime, skipUnreadable };
}

/** Throws InvalidRequestError. */
export function parseSubscribe(raw: RawSubscribe, limits: Limits): SubscribeQuery {
  const findings = new Findings();
  const filter = eventFilter(raw, limits, findings);
  if (raw.stream !== '' && raw.patterns.length > 0) findings.add('patterns', 'cannot go with stream');
  const start = subscriptionStart(raw, findings);
  const range = { minMs: limits.heartbeatIntervalMinMs, maxMs: limits.heartbeatIntervalMaxMs };
  const heartbeatMs =
    raw.heartbeatInterval && duration(raw.heartbeatInterval, 'heartbeat_interval', range, findings);
  findings.throwIfAny();
  return {
    filter: raw.stream === '' ? filter : { ...filter, patterns: [raw.stream] },
    start,
    startMustExist: raw.startMustExist,
    heartbeatMs,
    skipUnreadable: raw.skipUnreadable,
  };
}

function eventFilter(raw: RawEventFilter, limits: Limits, findings: Findings): EventFilter {
  const prefixes = eventTypeFilter(raw.eventTypePrefixes, limits, findings, 'event_type_prefixes');
  return {
    patterns: streamPatterns(raw.patterns, limits, findings),
    eventTypes: eventTypeFilter(raw.eventTypes, limits, findings),
    eventTypePrefixes: [...prefixes],
  };
}

function subscriptionStart(raw: RawSubscribe, findings: Findings): SubscriptionStart {
  const starts = new Map<string, SubscriptionStart>();
  const stream = raw.stream === '' ? undefined : streamName(raw.stream, findings);
  let after = position(0n);
  if (raw.afterPosition !== undefined) {
    after = positionNumber(raw.afterPosition, 'after_position', findings);
    starts.set('after_position', { kind: 'position', after, fromTime: undefined });
  }
  if (raw.afterVersion !== undefined) {
    const version = versionNumber(raw.afterVersion, 'after_version', findings);
    if (stream === undefined) findings.add('after_version', 'needs stream');
    else starts.set('after_version', { kind: 'version', stream, after: version });
  }
  const fromTime = raw.fromTime && timestamp(raw.fromTime, 'from_time', findings);
  if (fromTime !== undefined) {
    const field = raw.afterPosition === undefined ? 'from_time' : 'after_position'; // which may go together
    starts.set(field, { kind: 'position', after, fromTime });
  }
  if (raw.fromNow) starts.set('from_now', { kind: 'now' });
  const [first, ...others] = starts.keys();
  for (const other of others) findings.add(other, `cannot go with ${String(first)}`);
  const [start = { kind: 'position', after, fromTime: undefined }] = starts.values();
  return start;
}
