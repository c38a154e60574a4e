import type {
  CreateGroupRequest,
  DeleteGroupRequest,
  ResetGroupRequest,
  UpdateGroupRequest,
} from '../../generated/sluice/v1/consumer_group_service';
import type { Limits } from '../limits';
import type { CreateGroup, DeleteGroup, ResetGroup, UpdateGroup } from '../store/consumer-groups';
import { groupName } from './field-checks';
import { Findings } from './findings';
import { groupSettings } from './group-settings';
import { groupStart } from './group-start';

/** Requests that change groups. Each function throws InvalidRequestError. */

export function parseCreateGroup(request: CreateGroupRequest, limits: Limits): CreateGroup {
  const findings = new Findings();
  const command = {
    name: groupName(request.group, findings),
    settings: groupSettings(request.settings, limits, findings),
    start: groupStart(request.start, 'start', findings),
  };
  findings.throwIfAny();
  return command;
}

export function parseUpdateGroup(request: UpdateGroupRequest, limits: Limits): UpdateGroup {
  const findings = new Findings();
  const name = groupName(request.group, findings);
  if (request.settings === undefined) findings.add('settings', 'is required');
  const settings = groupSettings(request.settings, limits, findings);
  findings.throwIfAny();
  return { name, settings, revision: request.revision };
}

export function parseDeleteGroup({ group, force }: DeleteGroupRequest): DeleteGroup {
  const findings = new Findings();
  const name = groupName(group, findings);
  findings.throwIfAny();
  return { name, force };
}

export function parseResetGroup(request: ResetGroupRequest): ResetGroup {
  const findings = new Findings();
  const name = groupName(request.group, findings);
  if (request.to === undefined) findings.add('to', 'is required');
  const to = groupStart(request.to, 'to', findings);
  findings.throwIfAny();
  return { name, to, force: request.force };
}
