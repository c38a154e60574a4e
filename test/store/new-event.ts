import type { NewEvent } from '../../src/store/new-event';
import { uuidV7 } from '../../src/uuid';

/** An event to append, with nothing but a type. */
export function newEvent(): NewEvent {
  const id = uuidV7();
  return {
    id,
    hasGivenId: false,
    type: 'T',
    payload: undefined,
    contentType: '',
    correlationId: id,
    causationId: id,
    tags: [],
    metadata: new Map(),
  };
}
