import { DueQueue } from '../collections/due-queue';
import type { StreamName } from '../store/values';
import { laneOf } from './hash';

/** What an owner of lanes has to know of a parked event. */
export interface ParkedEntry {
  readonly position: number;
  readonly isReplaying: boolean;
}

/** The parked events of one stream. */
export interface ParkedStream {
  /** By version. */
  readonly entries: ReadonlyMap<number, ParkedEntry>;
  /** How many of them are to be replayed. */
  readonly replayingCount: number;
}

interface Kept extends ParkedStream {
  readonly entries: Map<number, ParkedEntry>;
  replayingCount: number;
  /** Versions to be replayed, the lowest first, and some that are to be replayed no more. */
  readonly order: DueQueue<number>;
}

const none: ReadonlySet<StreamName> = new Set();

/** Parked events by stream and version, and which streams of each lane have some that are to be replayed. */
export class ParkedSet {
  private readonly streams = new Map<StreamName, Kept>();
  private readonly replaying = new Map<number, Set<StreamName>>();
  private countNow = 0;

  /** `lanes`: the number of lanes of the group. */
  constructor(private readonly lanes: number) {}

  get count(): number {
    return this.countNow;
  }

  of(stream: StreamName): ParkedStream | undefined {
    return this.streams.get(stream);
  }

  get hasReplaying(): boolean {
    return this.replaying.size > 0;
  }

  /** The streams of a lane of which events are to be replayed. */
  replayingIn(lane: number): ReadonlySet<StreamName> {
    return this.replaying.get(lane) ?? none;
  }

  /** The lowest version of a stream that is to be replayed; undefined: none is. */
  firstReplaying(stream: StreamName): number | undefined {
    const kept = this.streams.get(stream);
    if (kept === undefined || kept.replayingCount === 0) return undefined;
    const { order, entries } = kept;
    while (entries.get(order.nextMs)?.isReplaying !== true) order.take(Infinity);
    return order.nextMs;
  }

  /** Other streams of its lane come before it from now on. */
  moveBack(stream: StreamName): void {
    const streams = this.replaying.get(this.laneOf(stream));
    if (streams?.delete(stream) === true) streams.add(stream);
  }

  set(stream: StreamName, version: number, entry: ParkedEntry): void {
    const kept = this.streams.get(stream) ?? newKept();
    this.streams.set(stream, kept);
    const known = kept.entries.get(version);
    if (known === undefined) this.countNow++;
    kept.entries.set(version, entry);
    if (entry.isReplaying && known?.isReplaying !== true) kept.order.add(version, version);
    this.note(stream, kept, Number(entry.isReplaying) - Number(known?.isReplaying === true));
  }

  delete(stream: StreamName, version: number): void {
    const kept = this.streams.get(stream);
    const known = kept?.entries.get(version);
    if (kept === undefined || known === undefined) return;
    kept.entries.delete(version);
    this.countNow--;
    if (kept.entries.size === 0) this.streams.delete(stream);
    this.note(stream, kept, -Number(known.isReplaying));
  }

  private note(stream: StreamName, kept: Kept, more: number): void {
    kept.replayingCount += more;
    const lane = this.laneOf(stream);
    const streams = this.replaying.get(lane) ?? new Set();
    if (kept.replayingCount > 0) streams.add(stream);
    else streams.delete(stream);
    if (streams.size > 0) this.replaying.set(lane, streams);
    else this.replaying.delete(lane);
  }

  private laneOf(stream: StreamName): number {
    return laneOf(stream, this.lanes);
  }
}

function newKept(): Kept {
  return { entries: new Map(), replayingCount: 0, order: new DueQueue() };
}
