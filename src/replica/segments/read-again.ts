import { setTimeout as sleep } from 'node:timers/promises';
import { DamagedReplicaError } from './damage';
import type { SegmentView } from './segment-view';

const attemptsMax = 3;
/** A record is overwritten in a few milliseconds. */
const pauseMs = 10;

/**
 * What was read, or what is read again if it seems damaged: of a record that is overwritten meanwhile, since it is erased, a mix may
 * be read. Rejects with DamagedReplicaError if it stays so.
 */
export async function readWhole<T>(
  segments: SegmentView,
  first: T | Promise<T>,
  again: () => T | Promise<T>,
): Promise<T> {
  for (let attempt = 0, read = first; ; attempt++) {
    try {
      return await read;
    } catch (error) {
      if (!(error instanceof DamagedReplicaError) || attempt === attemptsMax) throw error;
    }
    await sleep(pauseMs);
    segments.forgetCopies();
    read = (async () => again())();
  }
}
