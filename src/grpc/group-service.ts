import type { UntypedHandleCall } from '@grpc/grpc-js';
import {
  CreateGroupRequest,
  CreateGroupResponse,
  DeleteGroupRequest,
  DeleteGroupResponse,
  DropParkedRequest,
  DropParkedResponse,
  GetGroupRequest,
  GetGroupResponse,
  ListGroupsRequest,
  ListParkedRequest,
  ReplayParkedRequest,
  ReplayParkedResponse,
  ResetGroupRequest,
  ResetGroupResponse,
  UpdateGroupRequest,
  UpdateGroupResponse,
  type ConsumerGroupServiceService,
} from '../../generated/sluice/v1/consumer_group_service';
import type { Limits } from '../limits';
import {
  parseCreateGroup,
  parseDeleteGroup,
  parseResetGroup,
  parseUpdateGroup,
} from '../requests/change-group';
import { parseGetGroup, parseListGroups } from '../requests/look-at-groups';
import { parseDropParked, parseListParked, parseReplayParked } from '../requests/parked-events';
import type { ConsumerGroups, Group, GroupName } from '../store/consumer-groups';
import { auditFull, type CallAudit } from './call-audit';
import type { Caller } from './call-scope';
import type { Calls } from './calls';
import { consume } from './consume';
import type { Entered } from './enter-call';
import { toGroupMessages, toGroupState, toParkedMessages, toProtoGroup } from './group-messages';
import { permitGroup, sees, type PermittedGroups } from './permit-group';

export interface GroupServiceOptions {
  readonly groups: ConsumerGroups;
  readonly limits: Limits;
  readonly audit: CallAudit;
  readonly calls: Calls;
}

/** The compiler wants a handler for each RPC of the contract. */
type Handlers = Readonly<Record<keyof typeof ConsumerGroupServiceService, Entered<UntypedHandleCall>>>;

/** sluice.v1.ConsumerGroupService: each method parses its request, calls the groups and encodes the result. */
export function createGroupService(options: GroupServiceOptions): Handlers {
  const serving = {
    ...options,
    find: options.groups.find.bind(options.groups),
    change: changes(options.audit),
  };
  return { ...changeHandlers(serving), ...parkedHandlers(serving), ...lookHandlers(serving) };
}

/** What the handlers share: the groups take nothing that was not permitted. */
interface Serving extends Omit<GroupServiceOptions, 'groups'> {
  readonly groups: PermittedGroups;
  readonly find: ConsumerGroups['find'];
  readonly change: Change;
}

function changeHandlers({
  groups,
  find,
  change,
  limits,
  calls: { lookup },
}: Serving): Pick<Handlers, 'createGroup' | 'updateGroup' | 'deleteGroup' | 'resetGroup'> {
  return {
    createGroup: lookup(CreateGroupRequest, CreateGroupResponse, async (request, caller) => {
      const command = permitGroup.createGroup(parseCreateGroup(request, limits), caller);
      const { group, created } = await change(command, caller, () => groups.create(command, caller));
      return { group: toProtoGroup(group), created };
    }),

    updateGroup: lookup(UpdateGroupRequest, UpdateGroupResponse, async (request, caller) => {
      const asked = parseUpdateGroup(request, limits);
      const found = await find(asked.name, caller);
      const command = permitGroup.updateGroup(asked, found, caller);
      const group = await change(command, caller, () => groups.update(command, caller));
      return { group: toProtoGroup(group) };
    }),

    deleteGroup: lookup(DeleteGroupRequest, DeleteGroupResponse, async (request, caller) => {
      const asked = parseDeleteGroup(request);
      const found = await find(asked.name, caller);
      const command = permitGroup.deleteGroup(asked, found, caller);
      const changed = { name: command.name, settings: found?.settings };
      return { existed: await change(changed, caller, () => groups.delete(command, caller)) };
    }),

    resetGroup: lookup(ResetGroupRequest, ResetGroupResponse, async (request, caller) => {
      const asked = parseResetGroup(request);
      const found = await find(asked.name, caller);
      const command = permitGroup.resetGroup(asked, found, caller);
      const changed = { name: command.name, settings: found?.settings };
      const group = await change(changed, caller, () => groups.reset(command, caller));
      return { group: toProtoGroup(group) };
    }),
  };
}

function parkedHandlers({
  groups,
  find,
  change,
  limits,
  calls: { lookup, read },
}: Serving): Pick<Handlers, 'listParked' | 'replayParked' | 'dropParked'> {
  return {
    listParked: read(ListParkedRequest, async function* (request, caller) {
      const asked = parseListParked(request);
      const query = permitGroup.listParked(asked, await find(asked.group, caller), caller);
      for await (const page of groups.listParked(query, caller))
        yield* toParkedMessages(page, limits.pageBytesMax);
    }),

    replayParked: lookup(ReplayParkedRequest, ReplayParkedResponse, async (request, caller) => {
      const asked = parseReplayParked(request);
      const found = await find(asked.group, caller);
      const selection = permitGroup.replayParked(asked, found, caller);
      const changed = { name: selection.group, settings: found?.settings };
      return { count: await change(changed, caller, () => groups.replayParked(selection, caller)) };
    }),

    dropParked: lookup(DropParkedRequest, DropParkedResponse, async (request, caller) => {
      const asked = parseDropParked(request);
      const found = await find(asked.group, caller);
      const selection = permitGroup.dropParked(asked, found, caller);
      const changed = { name: selection.group, settings: found?.settings };
      return { count: await change(changed, caller, () => groups.dropParked(selection, caller)) };
    }),
  };
}

function lookHandlers({
  groups,
  find,
  limits,
  calls: { lookup, read, member },
}: Serving): Pick<Handlers, 'listGroups' | 'getGroup' | 'consume'> {
  return {
    listGroups: read(ListGroupsRequest, async function* (request, caller) {
      const query = parseListGroups(request);
      const all = await groups.list(permitGroup.listGroups(query), caller);
      const seen = all.filter((group) => sees(group, caller)).slice(0, query.maxCount);
      yield* toGroupMessages(seen, limits.pageBytesMax);
    }),

    getGroup: lookup(GetGroupRequest, GetGroupResponse, async (request, caller) => {
      const asked = parseGetGroup(request);
      const name = permitGroup.getGroup(asked, await find(asked, caller), caller);
      return toGroupState(await groups.get(name, caller));
    }),

    consume: member((session, bytesMax) =>
      consume(
        {
          groups,
          permitted: async (join, caller) =>
            permitGroup.consume(join, await find(join.group, caller), caller),
          limits,
        },
        session,
        bytesMax,
      ),
    ),
  };
}

/** A group that a call is about to change; without settings: there is no such group. */
interface Changed {
  readonly name: GroupName;
  readonly settings: Group['settings'] | undefined;
}

/** Carries out a change of a group, and records it in the audit log. Throws OverloadedError if that takes no more. */
type Change = <Result>(group: Changed, caller: Caller, change: () => Promise<Result>) => Promise<Result>;

function changes(audit: CallAudit): Change {
  return async ({ name, settings }, caller, change) => {
    if (!audit.hasWrites) return change();
    const changed = { group: name, patterns: settings?.filter.patterns ?? [] };
    const reserved = audit.reserve(changed.patterns);
    if (reserved === undefined) throw auditFull();
    try {
      const result = await change();
      audit.groupChanged(caller, changed, undefined, reserved);
      return result;
    } catch (error) {
      audit.groupChanged(caller, changed, error, reserved);
      throw error;
    }
  };
}
