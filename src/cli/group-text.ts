import type { Group, GroupLane, GroupState, ParkedEvent } from '../client/client';
import { printCells } from './cells';
import type { Context } from './command';
import { toEventJson } from './event-json';
import { counted } from './counted';

/** How the verbs of `group` print what they get. */

/** Name, streams, event types, lanes. */
export async function printGroup(context: Context, group: Group, asJson: boolean): Promise<void> {
  if (asJson) {
    await context.out.line(JSON.stringify(toGroupJson(group)));
    return;
  }
  const { name, settings } = group;
  const types = [...settings.eventTypes, ...settings.eventTypePrefixes.map((prefix) => `${prefix}*`)];
  await printCells(context, [
    { text: name, width: 24, style: 'cyan' },
    { text: listOf(settings.patterns, '>'), width: 24 },
    { text: listOf(types, '*'), width: 16 },
    { text: counted(settings.lanes, 'lane'), style: 'dim' },
  ]);
}

function listOf(values: readonly string[], all: string): string {
  return values.length === 0 ? all : values.join(' ');
}

/** A line for the group, one for each member, and one for each lane that has something to do. */
export async function printGroupState(context: Context, state: GroupState, asJson: boolean): Promise<void> {
  if (asJson) {
    await context.out.line(JSON.stringify(toStateJson(state)));
    return;
  }
  const { group, lag, oldestTime, parkedCount, members, lanes } = state;
  await printCells(context, [
    { text: 'group', width: 6, style: 'dim' },
    { text: group.name, width: 24, style: 'cyan' },
    { text: `lag ${lag.toString()}`, width: 14 },
    { text: `oldest ${timeOf(oldestTime)}`, width: 31 },
    { text: `parked ${parkedCount}`, width: 12 },
    { text: counted(members.length, 'member') },
  ]);
  for (const { id, lanes: own, gateway, maxInFlight } of members) {
    await printCells(context, [
      { text: 'member', width: 6, style: 'dim' },
      { text: id, width: 24 },
      { text: counted(own.length, 'lane'), width: 14 },
      { text: `at most ${maxInFlight} in flight`, width: 31 },
      { text: gateway },
    ]);
  }
  for (const lane of lanes) if (isBusy(lane)) await printLane(context, lane);
}

function isBusy({ lag, oldestTime, streamsWaiting }: GroupLane): boolean {
  return lag > 0n || oldestTime !== undefined || streamsWaiting > 0;
}

async function printLane(context: Context, lane: GroupLane): Promise<void> {
  await printCells(context, [
    { text: 'lane', width: 6, style: 'dim' },
    { text: `${lane.number} ${lane.member || '-'}`, width: 24 },
    { text: `lag ${lane.lag.toString()}`, width: 14 },
    { text: `oldest ${timeOf(lane.oldestTime)}`, width: 31 },
    { text: `waiting ${counted(lane.streamsWaiting, 'stream')}` },
  ]);
}

function timeOf(time: Date | undefined): string {
  return time?.toISOString() ?? '-';
}

/** Position, stream, version, type, attempts, state, reason. */
export async function printParked(context: Context, parked: ParkedEvent, asJson: boolean): Promise<void> {
  if (asJson) {
    await context.out.line(JSON.stringify(toParkedJson(parked)));
    return;
  }
  const { position, stream, version, type, attempts, reason, following, replaying } = parked;
  await printCells(context, [
    { text: position.toString(), width: 10 },
    { text: stream, width: 24, style: 'cyan' },
    { text: version.toString(), width: 6 },
    { text: type, width: 16, style: 'bold' },
    { text: counted(attempts, 'attempt'), width: 11 },
    { text: replaying ? 'replaying' : following ? 'following' : 'parked', width: 9 },
    { text: reason },
  ]);
}

function toGroupJson({ name, settings, start, revision, createTime }: Group): Record<string, unknown> {
  return { name, settings, start: start.toString(), revision: revision.toString(), createTime };
}

/** 64-bit numbers are texts, as in the JSON form of the contract. */
function toStateJson(state: GroupState): Record<string, unknown> {
  const { group, lanes, members, parkedCount, head, lag, oldestTime } = state;
  return {
    group: toGroupJson(group),
    head: head.toString(),
    lag: lag.toString(),
    oldestTime,
    parkedCount,
    members,
    lanes: lanes.map((lane) => ({
      ...lane,
      floor: lane.floor.toString(),
      cursor: lane.cursor.toString(),
      lag: lane.lag.toString(),
    })),
  };
}

function toParkedJson({ version, position, event, ...parked }: ParkedEvent): Record<string, unknown> {
  return {
    ...parked,
    version: version.toString(),
    position: position.toString(),
    ...(event !== undefined && { event: toEventJson(event) }),
  };
}
