import { DueQueue } from '../collections/due-queue';
import type { StreamName, UnixNanos } from '../store/values';
import type { Offer } from './offer';
import { ReadyStreams } from './ready-streams';
import {
  floorOf,
  hasMoreBehind,
  laneUnits,
  oldestTimeOf,
  progressOf,
  waitingCount,
  type LaneBounds,
  type LaneProgress,
} from './lane-progress';
import { StreamQueue, untriedQueue, type Hole } from './stream-queue';
import { bytesOf, type Missing, type Unit } from './unit';

/**
 * What one lane has read and not settled: which units may be delivered, and what follows from their outcomes. No I/O and no timers:
 * times are those of the caller, in milliseconds.
 */
export class Lane {
  private readonly streams = new Map<StreamName, StreamQueue>();
  private readonly ready = new ReadyStreams();
  private unread: StreamQueue[] = [];
  private readonly waiting = new DueQueue<StreamQueue>();
  /** Of the events that it has in memory. */
  bytes = 0;
  private unitsCounted = 0;
  private cursorNow: number;
  /** The highest position of a unit that was delivered. */
  private offeredTo: number;
  /** The highest unit that was settled since somebody took it from here. */
  lastSettled: Unit | undefined;
  private readingCount = 0;
  /** Whether anything has changed that its record has. */
  hasChanged = false;
  /** Units with members. */
  busyCount = 0;
  private readonly triedTo: number;

  constructor(
    { cursor, holes, triedTo }: LaneProgress,
    private readonly bounds: LaneBounds,
    nowMs: number,
  ) {
    this.triedTo = triedTo;
    this.cursorNow = this.offeredTo = cursor;
    for (const hole of holes) this.restore(hole, nowMs);
  }

  private restore(hole: Hole, nowMs: number): void {
    const queue = new StreamQueue(hole.stream, hole);
    queue.missingTo = Math.max(this.cursorNow, hole.position);
    this.streams.set(hole.stream, queue);
    if (hole.waitMs > 0) this.delay(queue, nowMs + hole.waitMs);
    else this.place(queue);
  }

  /** The lane has read everything up to here. */
  get cursor(): number {
    return this.cursorNow;
  }

  /** Whether it takes no more units. */
  isFull(): boolean {
    return this.isFilledTo(1);
  }

  /** Whether it takes enough units that it is worth to go back for it: half of what it may have, without what waits for a retry. */
  hasRoom(): boolean {
    return !this.isFilledTo(0.5);
  }

  private isFilledTo(part: number): boolean {
    const { streamsMax, bytesMax } = this.bounds;
    const waiting = Math.min(streamsMax, this.waiting.size);
    const isAhead = this.unitsCounted - this.busyCount >= part * laneUnits.aheadMax;
    if (isAhead || (this.bytes > 0 && this.bytes >= part * bytesMax)) return true;
    return this.streams.size >= waiting + part * (streamsMax - waiting);
  }

  get isEmpty(): boolean {
    return this.streams.size === 0;
  }

  /** Whether everything was delivered, except what waits for a retry. */
  get isIdle(): boolean {
    if (this.hasReady || this.unread.length + this.readingCount > 0) return false;
    return !hasMoreBehind(this.streams.values());
  }

  get hasReady(): boolean {
    return this.ready.size > 0;
  }

  /** A unit that was read. The reader then says with `advance` up to where it is complete. */
  accept(unit: Unit): void {
    if (unit.position <= this.cursorNow) return;
    const queue = this.streams.get(unit.stream);
    if (queue === undefined) {
      const added = untriedQueue(unit);
      this.streams.set(unit.stream, added);
      this.push(added, unit);
      this.place(added);
    } else if (queue.missingTo > 0 || queue.units.length >= laneUnits.ofStreamMax)
      queue.missingTo = unit.position;
    else this.push(queue, unit);
  }

  advance(position: number): void {
    if (position > this.cursorNow) this.cursorNow = position;
  }

  /** The next unit to deliver. Its stream is busy until its outcome. */
  next(): Offer | undefined {
    const queue = this.ready.shift();
    const unit = queue?.first;
    if (queue === undefined || unit === undefined) return undefined;
    queue.state = 'busy';
    const redelivered = queue.wasTried || unit.position <= this.triedTo;
    queue.wasTried = true;
    this.offeredTo = Math.max(this.offeredTo, unit.position);
    this.busyCount++;
    return { unit, attempt: queue.attempts + 1, redelivered, queue, replay: undefined };
  }

  /** What was offered is settled; it is busy on its stream. */
  settleOffer({ queue, unit }: Offer): void {
    if (queue?.state === 'busy' && queue.first === unit) this.settleUnit(queue);
    else this.settleThrough(unit.stream, unit.lastVersion);
  }

  private settleUnit(queue: StreamQueue): void {
    const unit = queue.first as Unit;
    this.busyCount--;
    this.bytes -= bytesOf(unit);
    queue.settle();
    if (queue.units.length < laneUnits.countedOfStreamMax) this.unitsCounted--;
    this.settled(unit);
    this.place(queue);
  }

  /** Everything up to a version of the unit that is busy is settled; the rest of it can be delivered at once. */
  settleThrough(stream: StreamName, version: number): void {
    const queue = this.busy(stream);
    if (version >= (queue.first?.lastVersion ?? 0)) {
      this.settleUnit(queue);
      return;
    }
    this.settleFirst(stream, version);
    this.busyCount--;
    this.forget(queue);
    this.place(queue);
  }

  /** Everything up to a version of the unit that is busy is settled; the unit stays busy. */
  settleFirst(stream: StreamName, version: number): void {
    const queue = this.busy(stream);
    queue.settle(version);
    this.settled(queue.first as Unit);
  }

  /** Nothing of a stream is delivered until `unhold`; false: something of it is with a member, or it is on hold already. */
  hold(stream: StreamName): boolean {
    if (this.streams.get(stream)?.state === 'busy' || this.ready.isBlocked(stream)) return false;
    this.ready.block(stream);
    this.busyCount++;
    return true;
  }

  unhold(stream: StreamName): void {
    this.busyCount--;
    this.ready.unblock(stream);
  }

  /** How often the first event that is not settled has failed before. */
  attemptsOf(stream: StreamName): number {
    return this.streams.get(stream)?.attempts ?? 0;
  }

  /** The first event that is not settled has failed, unless `isFailure` is false. Its stream waits until it is due. */
  retry(stream: StreamName, dueMs: number, isFailure = true): void {
    const queue = this.busy(stream);
    if (isFailure) queue.attempts++;
    queue.wasTried = true;
    this.busyCount--;
    this.forget(queue);
    this.hasChanged = true;
    this.delay(queue, dueMs);
  }

  /** Ends the waiting of what is due. */
  wake(nowMs: number): void {
    for (let queue = this.waiting.take(nowMs); queue !== undefined; queue = this.waiting.take(nowMs)) {
      queue.dueMs = 0;
      this.place(queue);
    }
  }

  /** When `wake` has something to do; Infinity: nothing waits. */
  get dueMs(): number {
    return this.waiting.nextMs;
  }

  /** A stream of which units have to be read. It stays `reading` until `read` or `readFailed`. */
  nextUnread(): Missing | undefined {
    const queue = this.unread.shift();
    if (queue === undefined) return undefined;
    queue.state = 'reading';
    this.readingCount++;
    const { stream, version, position, missingTo: upTo } = queue;
    return { stream, version, position, upTo };
  }

  /** Takes what was read. `isComplete`: up to the position that was requested, nothing is missing. */
  read(stream: StreamName, units: readonly Unit[], isComplete: boolean, upTo: number): void {
    const queue = this.streams.get(stream);
    if (queue?.state !== 'reading') return;
    this.readingCount--;
    for (const unit of units) if (unit.position <= queue.missingTo) this.push(queue, unit);
    // More may have come while it was read.
    if (isComplete && (queue.missingTo === upTo || queue.missingTo === queue.units.at(-1)?.position))
      queue.missingTo = 0;
    this.place(queue);
    this.hasChanged = true;
  }

  /** It is to be read again when that is due. */
  readFailed(stream: StreamName, dueMs: number): void {
    const queue = this.streams.get(stream);
    if (queue?.state !== 'reading') return;
    this.readingCount--;
    this.delay(queue, dueMs);
  }

  /** What the record of the lane has: at most `streamsMax` holes. */
  progress(nowMs: number): LaneProgress {
    const { cursor, offeredTo, triedTo } = this;
    const cursors = { cursor, offeredTo, triedTo, holesMax: this.bounds.streamsMax };
    return progressOf([...this.streams.values()], cursors, nowMs);
  }

  /** Everything up to here is settled. */
  get floor(): number {
    return floorOf(this.streams.values(), this.cursorNow);
  }

  /** When the oldest event that is not settled was committed. */
  get oldestTime(): UnixNanos | undefined {
    return oldestTimeOf(this.streams.values());
  }

  /** Streams that an event holds up which has failed, or that were delivered and are not settled. */
  get streamsWaiting(): number {
    return waitingCount(this.streams.values());
  }

  private busy(stream: StreamName): StreamQueue {
    const queue = this.streams.get(stream);
    if (queue?.state !== 'busy') throw new Error(`stream ${stream} is not busy`);
    return queue;
  }

  private settled(unit: Unit): void {
    this.hasChanged = true;
    if (unit.position >= (this.lastSettled?.position ?? 0)) this.lastSettled = unit;
  }

  private push(queue: StreamQueue, unit: Unit): void {
    queue.push(unit);
    this.bytes += bytesOf(unit);
    if (queue.units.length <= laneUnits.countedOfStreamMax) this.unitsCounted++;
  }

  private forget(queue: StreamQueue): void {
    this.bytes -= queue.bytes;
    this.unitsCounted -= Math.min(queue.units.length, laneUnits.countedOfStreamMax);
    queue.dropUnits();
  }

  private delay(queue: StreamQueue, dueMs: number): void {
    queue.state = 'waiting';
    queue.dueMs = dueMs;
    this.waiting.add(dueMs, queue);
  }

  /** Puts a stream that is not busy where it belongs. */
  private place(queue: StreamQueue): void {
    if (queue.units.length > 0) {
      queue.state = 'ready';
      this.ready.push(queue);
    } else if (queue.missingTo > 0) {
      queue.state = 'unread';
      this.unread.push(queue);
    } else this.streams.delete(queue.stream);
  }
}
