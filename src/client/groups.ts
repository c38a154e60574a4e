import * as proto from '../../generated/sluice/v1/consumer_group_service';
import { serverStream, unary } from './authorized-calls';
import type { CallOptions } from './calls';
import type { Channel } from './channel';
import {
  toGroup,
  toGroupState,
  toProtoSettings,
  toProtoStart,
  type Group,
  type GroupSettings,
  type GroupStart,
  type GroupState,
} from './group';
import { toUint32, toUint64, type WholeNumber } from './numbers';
import {
  dropParked,
  listParked,
  replayParked,
  type DropParkedOptions,
  type ListParkedOptions,
  type ParkedEvent,
  type ParkedSelection,
} from './parked';
import { encode } from './text';

export interface CreateGroupOptions extends CallOptions {
  readonly settings?: GroupSettings | undefined;
  /** Default: 'beginning'. */
  readonly start?: GroupStart | undefined;
}

export interface UpdateGroupOptions extends CallOptions {
  /** The revision that the caller has seen. Left out: any. */
  readonly revision?: WholeNumber | undefined;
}

export interface ForceOptions extends CallOptions {
  /** True: also if the group has members. */
  readonly force?: boolean | undefined;
}

export interface ListGroupsOptions extends CallOptions {
  /** Only names after this one in byte order. */
  readonly after?: string | undefined;
  /** At most this many; 0: no limit. */
  readonly maxCount?: WholeNumber | undefined;
}

/**
 * The consumer groups of a store. Every method throws a TypeError or a RangeError for arguments that cannot be sent. Those that name
 * a group may fail with a GroupError whose code is GROUP_NOT_FOUND, and with those that they list.
 */
export interface Groups {
  /**
   * Creates a group; one that exists with the same settings and start stays as it is. Fails with GROUP_EXISTS, or with
   * POSITION_BEYOND_END for a start after the end of the store.
   */
  create(
    group: string,
    options?: CreateGroupOptions,
  ): Promise<{ readonly group: Group; readonly created: boolean }>;
  /** Replaces all settings except `lanes`; those left out get their defaults. Fails with GROUP_CHANGED. */
  update(group: string, settings: GroupSettings, options?: UpdateGroupOptions): Promise<Group>;
  /** Deletes a group with its parked events; false: it did not exist. Fails with GROUP_HAS_MEMBERS. */
  delete(group: string, options?: ForceOptions): Promise<boolean>;
  /** The groups by name. Each loop over the result makes its own call. */
  list(options?: ListGroupsOptions): AsyncIterable<Group>;
  /** The group, and how far it is. */
  get(group: string, options?: CallOptions): Promise<GroupState>;
  /**
   * Sets the group to another place: everything after it is delivered, again or for the first time. Parked events stay parked.
   * Fails with GROUP_HAS_MEMBERS or POSITION_BEYOND_END.
   */
  reset(group: string, to: GroupStart, options?: ForceOptions): Promise<Group>;
  /** The parked events by position. Each loop over the result makes its own call. */
  listParked(group: string, options?: ListParkedOptions): AsyncIterable<ParkedEvent>;
  /** Lets the group deliver parked events again, and returns their number. Those that fail again stay parked. */
  replayParked(group: string, selection?: ParkedSelection): Promise<number>;
  /** Removes parked events without delivering them, and returns their number. */
  dropParked(group: string, options: DropParkedOptions): Promise<number>;
}

const service = proto.ConsumerGroupServiceService;
const methods = {
  create: { path: service.createGroup.path, response: proto.CreateGroupResponse },
  update: { path: service.updateGroup.path, response: proto.UpdateGroupResponse },
  delete: { path: service.deleteGroup.path, response: proto.DeleteGroupResponse },
  list: { path: service.listGroups.path, response: proto.ListGroupsResponse },
  get: { path: service.getGroup.path, response: proto.GetGroupResponse },
  reset: { path: service.resetGroup.path, response: proto.ResetGroupResponse },
};

export function groupsOf(channel: Channel): Groups {
  return {
    create: (group, options = {}) => create(channel, group, options),
    update: (group, settings, options = {}) => update(channel, { group, settings, ...options }),
    async delete(group, { force = false, ...options } = {}) {
      const request = encode(proto.DeleteGroupRequest, { group, force });
      return (await unary(channel, { method: methods.delete, request }, options)).existed;
    },
    list: (options = {}) => list(channel, options),
    async get(group, options = {}) {
      const request = encode(proto.GetGroupRequest, { group });
      return toGroupState(await unary(channel, { method: methods.get, request }, options));
    },
    async reset(group, to, { force = false, ...options } = {}) {
      const request = encode(proto.ResetGroupRequest, { group, to: toProtoStart(to, 'to'), force });
      return toGroup((await unary(channel, { method: methods.reset, request }, options)).group);
    },
    listParked: (group, options = {}) => listParked(channel, group, options),
    replayParked: (group, selection = {}) => replayParked(channel, group, selection),
    dropParked: (group, options) => dropParked(channel, group, options),
  };
}

async function create(
  channel: Channel,
  name: string,
  { settings = {}, start, ...options }: CreateGroupOptions,
): ReturnType<Groups['create']> {
  const request = encode(proto.CreateGroupRequest, {
    group: name,
    settings: toProtoSettings(settings),
    start: start === undefined ? undefined : toProtoStart(start, 'start'),
  });
  const { group, created } = await unary(channel, { method: methods.create, request }, options);
  return { group: toGroup(group), created };
}

async function update(
  channel: Channel,
  {
    group,
    settings,
    revision = 0,
    ...options
  }: UpdateGroupOptions & { readonly group: string; readonly settings: GroupSettings },
): Promise<Group> {
  const request = encode(proto.UpdateGroupRequest, {
    group,
    settings: toProtoSettings(settings),
    revision: toUint64(revision, 'revision'),
  });
  return toGroup((await unary(channel, { method: methods.update, request }, options)).group);
}

function list(channel: Channel, options: ListGroupsOptions): AsyncIterable<Group> {
  const { after = '', maxCount = 0, signal } = options;
  const message = { after, maxCount: toUint32(maxCount, 'maxCount') };
  const call = { method: methods.list, request: encode(proto.ListGroupsRequest, message) };
  return {
    async *[Symbol.asyncIterator]() {
      for await (const { groups } of serverStream(channel, call, options)) {
        for (const group of groups) {
          signal?.throwIfAborted();
          yield toGroup(group);
        }
      }
    },
  };
}
