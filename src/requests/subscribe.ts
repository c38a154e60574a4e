import type { SubscribeRequest } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import type { SubscribeQuery } from '../store/event-store';
import type { SubscriptionStart } from '../store/subscription-start';
import { position } from '../store/values';
import { eventFilter } from './event-filter';
import {
  afterCountOf,
  duration,
  positionNumber,
  storeIdOf,
  streamName,
  timestamp,
  versionNumber,
} from './field-checks';
import { Findings } from './findings';

/** Throws InvalidRequestError. */
export function parseSubscribe(request: SubscribeRequest, limits: Limits): SubscribeQuery {
  const { stream, patterns, startMustExist, heartbeatInterval, skipUnreadable } = request;
  const findings = new Findings();
  const filter = eventFilter(request, limits, findings);
  if (stream !== '' && patterns.length > 0) findings.add('patterns', 'cannot be combined with stream');
  const start = subscriptionStart(request, findings);
  const range = { minMs: limits.heartbeatIntervalMinMs, maxMs: limits.heartbeatIntervalMaxMs };
  const heartbeatMs = heartbeatInterval && duration(heartbeatInterval, 'heartbeat_interval', range, findings);
  const storeId = storeIdOf(request, limits, findings);
  findings.throwIfAny();
  return {
    filter: stream === '' ? filter : { ...filter, patterns: [stream] },
    start,
    startMustExist,
    heartbeatMs,
    skipUnreadable,
    storeId,
  };
}

/** At most one start may be given, except that a time may go with a position. */
function subscriptionStart(request: SubscribeRequest, findings: Findings): SubscriptionStart {
  const starts = new Map<string, SubscriptionStart>();
  const stream = request.stream === '' ? undefined : streamName(request.stream, findings);
  let after = position(0n);
  const afterCount = afterCountOf(request, findings);
  if (request.afterPosition !== undefined) {
    after = positionNumber(request.afterPosition, 'after_position', findings);
    starts.set('after_position', { kind: 'position', after, afterCount, fromTime: undefined });
  }
  if (request.afterVersion !== undefined) {
    const version = versionNumber(request.afterVersion, 'after_version', findings);
    if (stream === undefined) findings.add('after_version', 'requires stream');
    else starts.set('after_version', { kind: 'version', stream, after: version });
  }
  const fromTime = timestamp(request.fromTime, 'from_time', findings);
  if (fromTime !== undefined) {
    const field = request.afterPosition === undefined ? 'from_time' : 'after_position';
    starts.set(field, { kind: 'position', after, afterCount, fromTime });
  }
  if (request.fromNow) starts.set('from_now', { kind: 'now' });
  const [first, ...others] = starts.keys();
  for (const other of others) findings.add(other, `cannot be combined with ${String(first)}`);
  const [start = { kind: 'position', after, afterCount: undefined, fromTime: undefined }] = starts.values();
  return start;
}
