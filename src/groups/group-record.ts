import type { EventQuery } from '../store/event-query';
import { isStreamPattern, position, unixNanos, type Position } from '../store/values';
import type { Group, GroupName, GroupSettings, GroupStart } from '../store/consumer-groups';
import type { StateRecord } from '../store/state-store';
import { decodeRecord, encodeRecord, toText, UnreadableRecordError, RecordFields } from './record-fields';

/** A group as its record has it. */
export interface StoredGroup {
  readonly group: Group;
  /** Made with the group: a group that is created again has another one. */
  readonly id: string;
  /** Counts the resets: records of lanes of another generation are void. */
  readonly generation: number;
  /** The start that it was created with. */
  readonly createdFrom: GroupStart;
}

/** A group as it is now: another object once it was changed. */
export interface CurrentGroup {
  stored: StoredGroup;
}

export function groupKey(name: GroupName): string {
  return `group.${name}`;
}

export function encodeGroup({ group, id, generation, createdFrom }: StoredGroup): Uint8Array {
  const { settings, start, createTime } = group;
  const { filter, ...others } = settings;
  return encodeRecord({
    id,
    generation,
    start: start.toString(),
    createTime: createTime.toString(),
    createdFrom: encodeStart(createdFrom),
    settings: {
      ...others,
      patterns: filter.patterns,
      eventTypes: [...filter.eventTypes],
      eventTypePrefixes: filter.eventTypePrefixes,
      query: encodeQuery(filter.query),
    },
  });
}

/** undefined is left out. */
function encodeQuery(query: EventQuery | undefined): object | undefined {
  return query?.items.map(({ eventTypes, tags }) => ({ eventTypes: [...eventTypes], tags }));
}

/** Throws UnreadableRecordError. */
function decodeQuery(fields: RecordFields): EventQuery | undefined {
  if (!fields.has('query')) return undefined;
  const items = fields.list('query', (value) => {
    const item = new RecordFields(value);
    return { eventTypes: new Set(item.list('eventTypes', toText)), tags: item.list('tags', toText) };
  });
  return { items };
}

function encodeStart(start: GroupStart): string {
  switch (start.kind) {
    case 'beginning':
    case 'end':
      return start.kind;
    case 'position':
      return `after ${start.after.toString()}`;
    case 'time':
      return `from ${start.from.toString()}`;
  }
}

/** Throws UnreadableRecordError. */
export function decodeGroup(name: GroupName, { value, revision, timeNanos }: StateRecord): StoredGroup {
  return decodeRecord(value, (fields) => ({
    id: fields.text('id'),
    generation: fields.count('generation'),
    createdFrom: decodeStart(fields.text('createdFrom')),
    group: {
      name,
      revision,
      settings: decodeSettings(fields.object('settings')),
      start: position(fields.bigint('start')),
      // The clock of the store is known only when the record is stored.
      createTime: unixNanos(BigInt.asUintN(63, fields.bigint('createTime')) || timeNanos),
    },
  }));
}

function decodeStart(text: string): GroupStart {
  const [, kind, digits = '0'] = /^(beginning|end|after|from)(?: (\d{1,20}))?$/.exec(text) ?? [];
  switch (kind) {
    case 'beginning':
    case 'end':
      return { kind };
    case 'after':
      return { kind: 'position', after: position(BigInt.asUintN(64, BigInt(digits))) };
    case 'from':
      return { kind: 'time', from: unixNanos(BigInt.asUintN(63, BigInt(digits))) };
    default:
      throw new UnreadableRecordError('it has no valid createdFrom');
  }
}

function decodeSettings(fields: RecordFields): GroupSettings {
  const patterns = fields.list('patterns', toText);
  const lanes = fields.count('lanes');
  if (!patterns.every(isStreamPattern) || lanes === 0 || lanes > 256)
    throw new UnreadableRecordError('it has settings that no group can have');
  return {
    filter: {
      patterns,
      eventTypes: new Set(fields.list('eventTypes', toText)),
      eventTypePrefixes: fields.list('eventTypePrefixes', toText),
      query: decodeQuery(fields),
    },
    lanes,
    attemptsMax: fields.count('attemptsMax'),
    backoffMinMs: fields.count('backoffMinMs'),
    backoffMaxMs: fields.count('backoffMaxMs'),
    ackTimeoutMs: fields.count('ackTimeoutMs'),
    handoverTimeoutMs: fields.count('handoverTimeoutMs'),
    parkedMax: fields.count('parkedMax'),
    parkFollowing: fields.flag('parkFollowing'),
    skipUnreadable: fields.flag('skipUnreadable'),
  };
}

/** Whether two groups have the same settings and were created from the same start. */
export function isSameGroup(
  a: { readonly settings: GroupSettings; readonly start: GroupStart },
  b: StoredGroup,
): boolean {
  return encodeStart(a.start) === encodeStart(b.createdFrom) && isSameSettings(a.settings, b.group.settings);
}

/** The order of patterns and types does not matter. */
export function isSameSettings(a: GroupSettings, b: GroupSettings): boolean {
  return comparable(a) === comparable(b);
}

function comparable({ filter, ...others }: GroupSettings): string {
  const { patterns, eventTypes, eventTypePrefixes, query } = filter;
  const items = (query?.items ?? []).map(({ eventTypes: types, tags }) =>
    JSON.stringify([[...types].sort(), tags.toSorted()]),
  );
  const sets = [patterns, [...eventTypes], eventTypePrefixes, items].map((set) => set.toSorted());
  return JSON.stringify([sets, Object.entries(others).sort(([left], [right]) => (left < right ? -1 : 1))]);
}

/** A position as this room has it. */
export function toPosition(value: number): Position {
  return position(BigInt(Math.max(0, value)));
}
