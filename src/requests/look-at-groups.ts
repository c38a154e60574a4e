import type { GetGroupRequest, ListGroupsRequest } from '../../generated/sluice/v1/consumer_group_service';
import { parseGroupName, type GroupName, type ListGroups } from '../store/consumer-groups';
import { groupName } from './field-checks';
import { Findings, shown } from './findings';

/** Requests that look at groups. Each function throws InvalidRequestError. */

export function parseGetGroup({ group }: GetGroupRequest): GroupName {
  const findings = new Findings();
  const name = groupName(group, findings);
  findings.throwIfAny();
  return name;
}

export function parseListGroups({ after, maxCount }: ListGroupsRequest): ListGroups {
  const findings = new Findings();
  if (after !== '' && parseGroupName(after) === undefined)
    findings.add('after', `is not the name of a group: ${shown(after)}`);
  findings.throwIfAny();
  return { after, maxCount: maxCount || undefined };
}
