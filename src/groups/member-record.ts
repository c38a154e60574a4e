import type { GroupName } from '../store/consumer-groups';
import { decodeRecord, encodeRecord, UnreadableRecordError } from './record-fields';

/** A member as its record has it. */
export interface StoredMember {
  /** Made by the gateway for each membership. */
  readonly session: string;
  readonly gateway: string;
  readonly inFlightMax: number;
  /** It gets no more lanes. */
  readonly isLeaving: boolean;
  /** `StoredGroup.generation` of what it says about lanes. */
  readonly generation: number;
  /** The lanes of `idle` are settled up to this position. */
  readonly position: number;
  readonly idle: readonly number[];
}

export function memberPrefix(group: GroupName): string {
  return `member.${group}.`;
}

export function memberKey(group: GroupName, member: GroupName): string {
  return `${memberPrefix(group)}${member}`;
}

export function encodeMember(member: StoredMember): Uint8Array {
  return encodeRecord(member);
}

/** Throws UnreadableRecordError. */
export function decodeMember(value: Uint8Array): StoredMember {
  return decodeRecord(value, (fields) => ({
    session: fields.text('session'),
    gateway: fields.text('gateway'),
    inFlightMax: fields.count('inFlightMax'),
    isLeaving: fields.flag('isLeaving'),
    generation: fields.count('generation'),
    position: fields.count('position'),
    idle: fields.list('idle', (value) => {
      if (typeof value !== 'number') throw new UnreadableRecordError('it has no valid idle');
      return value;
    }),
  }));
}
