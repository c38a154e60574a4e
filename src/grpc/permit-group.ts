import type { ConsumerGroupServiceService } from '../../generated/sluice/v1/consumer_group_service';
import { AccessDeniedError } from '../auth/errors';
import type { StreamAction } from '../auth/permissions';
import type {
  ConsumerGroups,
  CreateGroup,
  DeleteGroup,
  Group,
  GroupName,
  GroupSettings,
  JoinCommand,
  ListGroups,
  ListParked,
  ParkedSelection,
  ResetGroup,
  UpdateGroup,
} from '../store/consumer-groups';
import { denialOf } from './access';
import type { Caller } from './call-scope';
import { pass, type Permitted, type TakesPermitted } from './permitted';

/** Groups that take nothing that was not permitted. */
export type PermittedGroups = TakesPermitted<Omit<ConsumerGroups, 'find' | 'facts'>>;

/** The group that a request names, as it is stored; undefined: it does not exist. */
type Found = Group | undefined;

/**
 * What the caller of each RPC must be granted, as `permit` has it for the event store. A group stands for the patterns that it
 * selects; one that does not exist stands for all streams. A denial names the group and nothing else, so that nobody learns which
 * groups exist, or what they select. All throw AccessDeniedError.
 */
export const permitGroup = {
  createGroup(command: CreateGroup, caller: Caller): Permitted<CreateGroup> {
    demandSelected(command.settings, caller);
    return pass(command);
  },

  /** Both what the group selects and what it is to select. */
  updateGroup(command: UpdateGroup, found: Found, caller: Caller): Permitted<UpdateGroup> {
    demandSelected(command.settings, caller);
    demand('manage', command.name, found, caller);
    return pass(command);
  },

  deleteGroup(command: DeleteGroup, found: Found, caller: Caller): Permitted<DeleteGroup> {
    demand('manage', command.name, found, caller);
    return pass(command);
  },

  resetGroup(command: ResetGroup, found: Found, caller: Caller): Permitted<ResetGroup> {
    demand('manage', command.name, found, caller);
    return pass(command);
  },

  /** For everybody: `sees` chooses the groups. */
  listGroups({ after }: ListGroups): Permitted<string> {
    return pass(after);
  },

  getGroup(name: GroupName, found: Found, caller: Caller): Permitted<GroupName> {
    hold(name, found?.settings, caller);
    return pass(name);
  },

  consume(command: JoinCommand, found: Found, caller: Caller): Permitted<JoinCommand> {
    hold(command.group, found?.settings, caller);
    return pass(command);
  },

  listParked(query: ListParked, found: Found, caller: Caller): Permitted<ListParked> {
    hold(query.group, found?.settings, caller);
    return pass(query);
  },

  replayParked(selection: ParkedSelection, found: Found, caller: Caller): Permitted<ParkedSelection> {
    demand('manage', selection.group, found, caller);
    return pass(selection);
  },

  dropParked(selection: ParkedSelection, found: Found, caller: Caller): Permitted<ParkedSelection> {
    demand('manage', selection.group, found, caller);
    return pass(selection);
  },
} satisfies Record<keyof typeof ConsumerGroupServiceService, unknown>;

/** Whether a listing shows the group to the caller. */
export function sees({ settings }: Group, caller: Caller): boolean {
  const { patterns } = settings.filter;
  return (['subscribe', 'manage'] as const).some((action) => isGranted(action, patterns, caller));
}

/** The call may stay open as long as everything that the group selects is granted. Throws AccessDeniedError. */
export function hold(group: GroupName, settings: GroupSettings | undefined, caller: Caller): void {
  const patterns = patternsOf(settings);
  if (!isGranted('subscribe', patterns, caller)) throw new AccessDeniedError('subscribe', group, true);
  caller.hold({ action: 'subscribe', patterns, grants: undefined, group });
}

function demand(action: StreamAction, name: GroupName, found: Found, caller: Caller): void {
  if (!isGranted(action, patternsOf(found?.settings), caller))
    throw new AccessDeniedError(action, name, true);
}

/** What the caller has named itself may be named to it. */
function demandSelected({ filter: { patterns } }: GroupSettings, { access }: Caller): void {
  const denial = denialOf({ action: 'manage', patterns, grants: undefined }, access.permissions);
  if (denial !== undefined) throw denial;
}

function isGranted(action: StreamAction, patterns: readonly string[], { access }: Caller): boolean {
  return patterns.every((pattern) => access.permissions.covers(action, pattern));
}

function patternsOf(settings: GroupSettings | undefined): readonly string[] {
  return settings?.filter.patterns ?? ['>'];
}
