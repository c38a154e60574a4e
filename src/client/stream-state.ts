import { StreamState as ProtoStreamState } from '../../generated/sluice/v1/event_store_service';

/**
 * active: the stream exists, though all of its events may be hidden. deleted: it reads as empty, and the next append goes on with
 * the next version. tombstoned: it reads as empty, and takes no more events.
 */
export type StreamState = 'active' | 'deleted' | 'tombstoned';

const states: ReadonlyMap<ProtoStreamState, StreamState> = new Map([
  [ProtoStreamState.ACTIVE, 'active'],
  [ProtoStreamState.DELETED, 'deleted'],
  [ProtoStreamState.TOMBSTONED, 'tombstoned'],
]);

/** undefined: the stream does not exist. */
export function toStreamState(state: ProtoStreamState): StreamState | undefined {
  return states.get(state);
}
