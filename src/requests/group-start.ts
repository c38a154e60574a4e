import type { GroupStart as ProtoStart } from '../../generated/sluice/v1/consumer_group_service';
import type { GroupStart } from '../store/consumer-groups';
import { positionNumber, timestamp } from './field-checks';
import type { Findings } from './findings';

const beginning: GroupStart = { kind: 'beginning' };

/** A place in the store, which is the field `field` of a request. Absent: the beginning. */
export function groupStart(start: ProtoStart | undefined, field: string, findings: Findings): GroupStart {
  findings.enter(field);
  const parsed = placeOf(start?.place, findings);
  findings.enter('');
  return parsed;
}

function placeOf(place: ProtoStart['place'], findings: Findings): GroupStart {
  switch (place?.$case) {
    case undefined:
      return beginning;
    case 'afterPosition':
      return { kind: 'position', after: positionNumber(place.value, 'after_position', findings) };
    case 'fromTime': {
      const from = timestamp(place.value, 'from_time', findings);
      return from === undefined ? beginning : { kind: 'time', from };
    }
    case 'beginning':
    case 'end':
      if (!place.value) findings.add(place.$case, 'is false: leave it out, or set another place');
      return { kind: place.$case };
  }
}
