import { randomUUID } from 'node:crypto';
import { InvalidRequestError, OverloadedError } from '../store/errors';
import type { ConsumerGroups, Group, GroupName, GroupStart } from '../store/consumer-groups';
import { parseGroupName } from '../store/consumer-groups';
import type { CallContext } from '../store/event-store';
import { GroupError } from '../store/group-errors';
import { StateChangedError, type StateRecord } from '../store/state-store';
import { unixNanos } from '../store/values';
import type { GroupsContext } from './context';
import {
  decodeGroup,
  encodeGroup,
  groupKey,
  isSameGroup,
  isSameSettings,
  type StoredGroup,
} from './group-record';
import { groupState } from './group-state';
import { decodeLane, lanePrefix } from './lane-record';
import { memberPrefix } from './member-record';
import { parkedPattern } from './parked-record';
import { replayKey } from './parked-index';
import { UnreadableRecordError } from './record-fields';
import { forEachOf } from './record-pages';
import { resolveStart } from './store-reads';

type Admin = Pick<ConsumerGroups, 'find' | 'create' | 'update' | 'delete' | 'list' | 'get' | 'reset'>;

/** How often a change is tried while others change the same group. */
const attemptsMax = 10;

/** See `ConsumerGroups`. */
export function createAdmin(context: GroupsContext): Admin {
  return {
    find: async (name, call) => (await readGroup(context, name, call))?.group,
    create: (command, call) => create(context, command, call),
    update: ({ name, settings, revision }, call) =>
      change(context, name, call, (stored) => {
        const { group } = stored;
        if (revision !== 0n && revision !== group.revision)
          throw new GroupError('GROUP_CHANGED', `group ${name} is at revision ${group.revision.toString()}`);
        if (settings.lanes !== group.settings.lanes) throw fixedLanes(settings.lanes, group);
        if (isSameSettings(settings, group.settings)) return undefined;
        return { ...stored, group: { ...group, settings } };
      }),
    delete: ({ name, force }, call) => remove(context, name, force, call),
    list: (after, call) => list(context, after, call),
    get: async (name, call) => groupState(context, await readExisting(context, name, call), call),
    reset: ({ name, to, force }, call) => reset(context, { name, to, force }, call),
  };
}

/** With another number of lanes, a stream would belong to another lane, which knows nothing of what is settled. */
function fixedLanes(lanes: number, { settings }: Group): InvalidRequestError {
  const description = `is ${lanes.toString()}, and the group has ${settings.lanes.toString()}; the number is fixed`;
  return new InvalidRequestError([{ field: 'settings.lanes', description }]);
}

/** undefined: there is no such group. Throws GroupError if its record cannot be read. */
export async function readGroup(
  { state }: GroupsContext,
  name: GroupName,
  call: CallContext,
): Promise<StoredGroup | undefined> {
  const record = await state.get(groupKey(name), call);
  return record === undefined ? undefined : decoded(name, record);
}

function decoded(name: GroupName, record: StateRecord): StoredGroup {
  try {
    return decodeGroup(name, record);
  } catch (error) {
    if (error instanceof UnreadableRecordError) throw unreadableGroup(name, error);
    throw error;
  }
}

export function unreadableGroup(name: GroupName, error: UnreadableRecordError): GroupError {
  return new GroupError(
    'GROUP_STATE_UNREADABLE',
    `the record of group ${name} cannot be read: ${error.message}; DeleteGroup with force removes it`,
  );
}

export async function readExisting(
  context: GroupsContext,
  name: GroupName,
  call: CallContext,
): Promise<StoredGroup> {
  const stored = await readGroup(context, name, call);
  if (stored === undefined) throw new GroupError('GROUP_NOT_FOUND', `there is no group ${name}`);
  return stored;
}

async function create(
  context: GroupsContext,
  { name, settings, start }: Parameters<Admin['create']>[0],
  call: CallContext,
): Promise<{ readonly group: Group; readonly created: boolean }> {
  const { state, store } = context;
  const known = await readGroup(context, name, call);
  if (known === undefined) {
    await checkGroupRoom(context, call);
    const position = await resolveStart(store, start, call);
    const group = { name, settings, start: position, revision: 0n, createTime: unixNanos(0n) };
    const value = encodeGroup({ group, id: randomUUID(), generation: 0, createdFrom: start });
    try {
      await state.put(groupKey(name), value, 0n, call);
      return { group: (await readExisting(context, name, call)).group, created: true };
    } catch (error) {
      if (!(error instanceof StateChangedError)) throw error;
    }
  }
  const stored = known ?? (await readExisting(context, name, call));
  if (isSameGroup({ settings, start }, stored)) return { group: stored.group, created: false };
  throw new GroupError('GROUP_EXISTS', `there is a group ${name} with other settings or another start`);
}

async function checkGroupRoom({ state, limits }: GroupsContext, call: CallContext): Promise<void> {
  // Keys of groups that were just deleted may be among them: only then is it worth reading all.
  const isFull =
    (await state.keys('group.*', call)).length >= limits.groupsMax &&
    (await state.list('group.', call)).length >= limits.groupsMax;
  if (isFull)
    throw new OverloadedError(
      'groupsMax',
      `the store has ${limits.groupsMax.toString()} groups, the most that it may have`,
    );
}

/** Stores what `next` makes of a group; undefined: it stays as it is. */
async function change(
  context: GroupsContext,
  name: GroupName,
  call: CallContext,
  next: (stored: StoredGroup) => StoredGroup | undefined,
): Promise<Group> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const stored = await readExisting(context, name, call);
    const changed = next(stored);
    if (changed === undefined) return stored.group;
    try {
      const revision = await context.state.put(
        groupKey(name),
        encodeGroup(changed),
        stored.group.revision,
        call,
      );
      return { ...changed.group, revision };
    } catch (error) {
      if (!(error instanceof StateChangedError)) throw error;
    }
  }
  throw new GroupError('GROUP_CHANGED', `others change group ${name} all the time`);
}

async function reset(
  context: GroupsContext,
  { name, to, force }: { readonly name: GroupName; readonly to: GroupStart; readonly force: boolean },
  call: CallContext,
): Promise<Group> {
  await readExisting(context, name, call);
  if (!force) await checkNoMembers(context, name, call);
  const start = await resolveStart(context.store, to, call);
  const group = await change(context, name, call, (stored) => ({
    ...stored,
    generation: stored.generation + 1,
    group: { ...stored.group, start },
  }));
  await removeUnreadableLanes(context, name, call);
  return group;
}

/** Those of before are void; one that cannot be read does not say from when it is. */
async function removeUnreadableLanes(
  { state }: GroupsContext,
  name: GroupName,
  call: CallContext,
): Promise<void> {
  for (const { key, value, revision } of await state.list(lanePrefix(name), call)) {
    try {
      decodeLane(value);
    } catch (error) {
      if (!(error instanceof UnreadableRecordError)) throw error;
      await state.remove(key, revision, call).catch((cause: unknown) => {
        if (!(cause instanceof StateChangedError)) throw cause;
      });
    }
  }
}

async function checkNoMembers({ state }: GroupsContext, name: GroupName, call: CallContext): Promise<void> {
  const members = await state.list(memberPrefix(name), call);
  if (members.length === 0) return;
  const count = members.length === 1 ? 'a member' : `${members.length.toString()} members`;
  throw new GroupError('GROUP_HAS_MEMBERS', `group ${name} has ${count}`);
}

async function remove(
  context: GroupsContext,
  name: GroupName,
  force: boolean,
  call: CallContext,
): Promise<boolean> {
  const record = await context.state.get(groupKey(name), call);
  if (record !== undefined && !force) await checkNoMembers(context, name, call);
  // First the group, so that its gateways do not write its other records again.
  await removeUntilGone(context, groupKey(name), call);
  await removeUntilGone(context, replayKey(name), call);
  for (const pattern of [`${memberPrefix(name)}>`, `${lanePrefix(name)}>`, parkedPattern(name)])
    await forEachOf(await context.state.keys(pattern, call), (key) => removeUntilGone(context, key, call));
  return record !== undefined;
}

async function removeUntilGone({ state }: GroupsContext, key: string, call: CallContext): Promise<void> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const record = await state.get(key, call);
    if (record === undefined) return;
    try {
      await state.remove(key, record.revision, call);
      return;
    } catch (error) {
      if (!(error instanceof StateChangedError)) throw error;
    }
  }
}

/** Groups of which the record cannot be read are left out. */
async function list(
  { state, log }: GroupsContext,
  after: string,
  call: CallContext,
): Promise<readonly Group[]> {
  const records = await state.list('group.', call);
  return records.flatMap((record) => {
    const name = parseGroupName(record.key.slice('group.'.length));
    if (name === undefined || name <= after) return [];
    try {
      return [decodeGroup(name, record).group];
    } catch (error) {
      if (!(error instanceof UnreadableRecordError)) throw error;
      log.warn({ err: error, group: name }, 'the record of a group cannot be read');
      return [];
    }
  });
}
