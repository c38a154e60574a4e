import { Consistency, type ReadStreamRequest } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';
import type { ReadStreamQuery } from '../store/event-store';
import { directionOf, eventTypeFilter, maxCount, streamName, timeRange, versionNumber } from './field-checks';
import { Findings } from './findings';

/** Throws InvalidRequestError. */
export function parseReadStream(request: ReadStreamRequest, limits: Limits): ReadStreamQuery {
  const findings = new Findings();
  const stream = streamName(request.stream, findings);
  const direction = directionOf(request.direction, findings);
  const query = {
    stream,
    direction,
    consistency: consistencyOf(request.consistency, findings),
    ...versionRange(request, direction, findings),
    ...timeRange(request, findings),
    eventTypes: eventTypeFilter(request.eventTypes, limits, findings),
    maxCount: maxCount(request.maxCount, findings),
  };
  findings.throwIfAny();
  return query;
}

// undefined: of a later version of the contract.
const consistencies: Readonly<Record<Consistency, ReadStreamQuery['consistency'] | undefined>> = {
  [Consistency.UNSPECIFIED]: 'leader',
  [Consistency.LEADER]: 'leader',
  [Consistency.ANY_REPLICA]: 'anyReplica',
  [Consistency.UNRECOGNIZED]: undefined,
};

function consistencyOf(number: Consistency, findings: Findings): ReadStreamQuery['consistency'] {
  const consistency = consistencies[number];
  if (consistency === undefined) findings.add('consistency', `is unknown: ${number}`);
  return consistency ?? 'leader';
}

function versionRange(
  request: ReadStreamRequest,
  direction: ReadStreamQuery['direction'],
  findings: Findings,
): Pick<ReadStreamQuery, 'fromVersion' | 'toVersion'> {
  const fromVersion = versionNumber(request.fromVersion, 'from_version', findings);
  const toVersion = versionNumber(request.toVersion, 'to_version', findings);
  const [first, last] = direction === 'backward' ? [toVersion, fromVersion] : [fromVersion, toVersion];
  if (first !== 0n && last !== 0n && last < first) {
    const side = direction === 'backward' ? 'above' : 'below';
    findings.add('to_version', `is ${toVersion.toString()}, ${side} from_version ${fromVersion.toString()}`);
  }
  return { fromVersion, toVersion };
}
