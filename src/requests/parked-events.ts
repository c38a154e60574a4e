import type {
  DropParkedRequest,
  ListParkedRequest,
  ReplayParkedRequest,
} from '../../generated/sluice/v1/consumer_group_service';
import type { ListParked, ParkedSelection } from '../store/consumer-groups';
import { groupName, streamName, versionNumber } from './field-checks';
import { Findings } from './findings';

/** Requests about parked events. Each function throws InvalidRequestError. */

export function parseListParked(request: ListParkedRequest): ListParked {
  const findings = new Findings();
  const query = {
    ...selection({ ...request, version: 0n }, findings),
    maxCount: request.maxCount || undefined,
    withEvents: request.withEvents,
  };
  findings.throwIfAny();
  return query;
}

export function parseReplayParked(request: ReplayParkedRequest): ParkedSelection {
  const findings = new Findings();
  const selected = selection(request, findings);
  findings.throwIfAny();
  return selected;
}

/** All events of a group are dropped only on demand: a stream may be missing by mistake. */
export function parseDropParked(request: DropParkedRequest): ParkedSelection {
  const findings = new Findings();
  const selected = selection(request, findings);
  const { stream, all } = request;
  if (stream !== '' && all) findings.add('all', 'cannot be combined with stream');
  if (stream === '' && !all) findings.add('stream', 'is required unless all is set');
  findings.throwIfAny();
  return selected;
}

function selection(
  { group, stream, version }: Omit<ReplayParkedRequest, '$type'>,
  findings: Findings,
): ParkedSelection {
  if (version !== 0n && stream === '') findings.add('version', 'requires stream');
  return {
    group: groupName(group, findings),
    stream: stream === '' ? undefined : streamName(stream, findings),
    version: version === 0n ? undefined : versionNumber(version, 'version', findings),
  };
}
