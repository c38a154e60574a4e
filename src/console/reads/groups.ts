import { call, stream } from '../wire/connect';
import type { GetGroupResponse, Group, Lane, ParkedEvent } from '../wire/group-messages';

export async function listGroups(signal: AbortSignal): Promise<Group[]> {
  const all: Group[] = [];
  for await (const { groups = [] } of stream('ConsumerGroupService/ListGroups', {}, signal))
    all.push(...groups);
  return all;
}

export function getGroup(group: string, signal: AbortSignal): Promise<GetGroupResponse> {
  return call('ConsumerGroupService/GetGroup', { group }, signal);
}

/** A group may park up to 100,000 events. */
export const parkedMax = 200;

export async function listParked(group: string, signal: AbortSignal): Promise<ParkedEvent[]> {
  const all: ParkedEvent[] = [];
  const request = { group, maxCount: parkedMax };
  for await (const { parked = [] } of stream('ConsumerGroupService/ListParked', request, signal))
    all.push(...parked);
  return all;
}

/** How far a group is behind: the most of its lanes. */
export interface GroupLag {
  readonly positions: bigint;
  /** Since when an event waits; undefined: none does. */
  readonly since: string | undefined;
}

export function lagOf(lanes: readonly Lane[] = []): GroupLag {
  let positions = 0n;
  let since: string | undefined;
  for (const { lag = '0', oldestTime } of lanes) {
    if (BigInt(lag) > positions) positions = BigInt(lag);
    if (oldestTime !== undefined && (since === undefined || Date.parse(oldestTime) < Date.parse(since)))
      since = oldestTime;
  }
  return { positions, since };
}
