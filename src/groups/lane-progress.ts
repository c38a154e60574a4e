import type { StreamName, UnixNanos } from '../store/values';
import type { Hole, StreamQueue } from './stream-queue';

/** An event that a lane has settled. */
export interface Mark {
  readonly stream: StreamName;
  readonly version: number;
  readonly position: number;
  readonly event: string;
}

/** How far a lane is: everything that it selects up to `cursor` is settled, except the streams in `holes` from their versions on. */
export interface LaneProgress {
  readonly cursor: number;
  readonly holes: readonly Hole[];
  /** What is not after this position may have been delivered before, also if it is after the cursor. */
  readonly triedTo: number;
}

/** The most that a lane has in memory. */
export interface LaneBounds {
  streamsMax: number;
  bytesMax: number;
}

/** How many units a lane has in memory. */
export const laneUnits = {
  /** Of one stream: the rest of a long queue is read when it is needed. */
  ofStreamMax: 64,
  /** That wait for a member: with more, each would be in memory for longer, which costs the collection of garbage more. */
  aheadMax: 128,
  /** The most units of one stream that count as such, since no stream may fill a lane alone. */
  countedOfStreamMax: 16,
} as const;

/** Where a lane is. */
interface LaneCursors {
  /** It has read everything up to here. */
  readonly cursor: number;
  /** The highest position of a unit that was delivered. */
  readonly offeredTo: number;
  /** See `LaneProgress`. */
  readonly triedTo: number;
  readonly holesMax: number;
}

/**
 * What the record of a lane has. Its cursor is not below what was delivered, so that little comes again, unless there were more holes
 * than `holesMax`.
 */
export function progressOf(
  queues: readonly StreamQueue[],
  { cursor, offeredTo, triedTo, holesMax }: LaneCursors,
  nowMs: number,
): LaneProgress {
  const byPosition = queues.toSorted((a, b) => a.position - b.position);
  const holes = byPosition.filter(({ position }) => position <= offeredTo);
  const next = byPosition[holes.length];
  let upTo = next === undefined ? cursor : Math.min(cursor, next.position - 1);
  const excess = holes[holesMax];
  if (excess !== undefined) {
    upTo = excess.position - 1;
    while ((holes.at(-1)?.position ?? 0) > upTo) holes.pop();
  }
  return {
    cursor: upTo,
    holes: holes.map((queue) => queue.hole(nowMs)),
    triedTo: excess === undefined ? triedTo : Math.max(triedTo, offeredTo),
  };
}

export function oldestTimeOf(queues: Iterable<StreamQueue>): UnixNanos | undefined {
  let oldest: UnixNanos | undefined;
  for (const { oldestTime: time } of queues)
    if (time !== undefined && (oldest === undefined || time < oldest)) oldest = time;
  return oldest;
}

export function floorOf(queues: Iterable<StreamQueue>, cursor: number): number {
  let floor = cursor;
  for (const { position } of queues) floor = Math.min(floor, position - 1);
  return floor;
}

export function waitingCount(queues: Iterable<StreamQueue>): number {
  let count = 0;
  for (const { attempts, state } of queues) if (attempts > 0 || state === 'busy') count++;
  return count;
}

/** Whether a stream has something to deliver after what is with a member. */
export function hasMoreBehind(queues: Iterable<StreamQueue>): boolean {
  for (const { state, units, missingTo } of queues)
    if (state === 'busy' && (units.length > 1 || missingTo > 0)) return true;
  return false;
}
