import {
  Group as ProtoGroup,
  GroupSettings as ProtoSettings,
  ListGroupsResponse,
  ListParkedResponse,
  ParkedEvent as ProtoParked,
  type GetGroupResponse,
} from '../../generated/sluice/v1/consumer_group_service';
import type { QueryItem as ProtoItem } from '../../generated/sluice/v1/event';
import type { QueryItem } from '../store/event-query';
import type { Group, GroupSettings, GroupState, LaneState, ParkedEvent } from '../store/consumer-groups';
import { fieldBytes, writeVarint } from '../protobuf/varint';
import { encode } from './encode';
import { toDuration, toTimestamp } from './proto-time';

/** Groups and what belongs to them as messages of the contract. */

export function toProtoSettings({ filter, ...settings }: GroupSettings): ProtoSettings {
  return {
    patterns: [...filter.patterns],
    eventTypes: [...filter.eventTypes],
    eventTypePrefixes: [...filter.eventTypePrefixes],
    lanes: settings.lanes,
    attemptsMax: settings.attemptsMax,
    backoffMin: toDuration(settings.backoffMinMs),
    backoffMax: toDuration(settings.backoffMaxMs),
    ackTimeout: toDuration(settings.ackTimeoutMs),
    handoverTimeout: toDuration(settings.handoverTimeoutMs),
    parkedMax: settings.parkedMax,
    parkFollowing: settings.parkFollowing,
    skipUnreadable: settings.skipUnreadable,
    query: filter.query && { items: filter.query.items.map(toProtoItem) },
  };
}

function toProtoItem({ eventTypes, tags }: QueryItem): ProtoItem {
  return { eventTypes: [...eventTypes], tags: [...tags] };
}

export function toProtoGroup({ name, settings, start, revision, createTime }: Group): ProtoGroup {
  return {
    name,
    settings: toProtoSettings(settings),
    startPosition: start,
    revision,
    createTime: toTimestamp(createTime),
  };
}

export function toGroupState({ group, lanes, members, parkedCount, head }: GroupState): GetGroupResponse {
  return {
    group: toProtoGroup(group),
    lanes: lanes.map((lane) => toProtoLane(lane, head)),
    members: members.map(({ id, lanes: had, inFlightMax, gateway }) => ({
      id,
      lanes: [...had],
      maxInFlight: inFlightMax,
      gateway,
    })),
    parkedCount,
    headPosition: head,
  };
}

function toProtoLane(
  { number, member, floor, cursor, oldestTime, streamsWaiting }: LaneState,
  head: bigint,
): GetGroupResponse['lanes'][number] {
  return {
    number,
    member,
    floorPosition: floor,
    cursorPosition: cursor,
    lag: head > floor ? head - floor : 0n,
    oldestTime: toTimestamp(oldestTime),
    streamsWaiting,
  };
}

/** Encoded ListGroupsResponses of about this many bytes. */
export function toGroupMessages(groups: readonly Group[], bytesMax: number): Generator<Buffer, void> {
  const messages = function* (): Generator<Buffer, void> {
    for (const group of groups) yield encode(ListGroupsResponse, { groups: [toProtoGroup(group)] });
  };
  return joined(messages(), bytesMax);
}

/** Encoded ListParkedResponses of about this many bytes. */
export function toParkedMessages(parked: readonly ParkedEvent[], bytesMax: number): Generator<Buffer, void> {
  const messages = function* (): Generator<Buffer, void> {
    for (const event of parked) yield encodeParked(event);
  };
  return joined(messages(), bytesMax);
}

/** One message after another is one that has the elements of both. */
function* joined(messages: Iterable<Buffer>, bytesMax: number): Generator<Buffer, void> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for (const message of messages) {
    if (bytes > 0 && bytes + message.length > bytesMax) {
      yield Buffer.concat(parts);
      [parts, bytes] = [[], 0];
    }
    parts.push(message);
    bytes += message.length;
  }
  if (bytes > 0) yield Buffer.concat(parts);
}

/** Tags of `ListParkedResponse.parked` and of `ParkedEvent.event`. */
const parkedTag = 0x0a;
const eventTag = 0x5a;

/** The event is framed as field 1, and stays as it is except for its tag. */
function encodeParked({ event, parkTime, ...parked }: ParkedEvent): Buffer {
  const fields = { ...parked, parkTime: toTimestamp(parkTime), event: undefined };
  if (event === undefined) return encode(ListParkedResponse, { parked: [fields] });
  const before = encode(ProtoParked, fields);
  const length = before.length + event.events.length;
  const message = Buffer.allocUnsafe(fieldBytes(length));
  message[0] = parkedTag;
  const start = writeVarint(message, 1, length);
  message.set(before, start);
  message.set(event.events, start + before.length);
  message[start + before.length] = eventTag;
  return message;
}
