import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidRequestError, isStoreError, UnreadableCommitError } from '../store/errors';
import type { EventStore, SubscriptionUpdate } from '../store/event-store';
import type { GroupSettings } from '../store/consumer-groups';
import { GroupError } from '../store/group-errors';
import { position } from '../store/values';
import type { Lane } from './lane';
import { laneOf } from './hash';
import { takeUnits, type Unit } from './unit';

/** What a reader needs of its group. */
export interface ReaderHost {
  readonly settings: GroupSettings;
  /** The lanes to read for, by number. */
  activeLane(number: number): Lane | undefined;
  activeLanes(): readonly Lane[];
  /** Called after lanes got units, or were found to have all. */
  onRead(): void;
  /** The group cannot go on. */
  onFailure(error: Error): void;
}

const heartbeatMs = 1_000;
/** A subscription from which nothing comes for this long, not even a heartbeat, is begun again. */
const silenceMs = 15_000;
const retryMinMs = 100;
const retryMaxMs = 2_000;
/** Positions that no lane needs are read rather than skipped by another subscription, if they are few. */
const skipMin = 10_000;

/** How long lanes that have nothing to do wait for one that is full, since to leave it behind means to read twice. */
const patienceMs = 50;

/**
 * Reads the store for all lanes that a group has on this gateway, with one subscription. A lane takes what follows its cursor. While
 * a lane is full, the reader waits; if another lane has nothing to do, it soon leaves the full one behind, and goes back for it later.
 */
export class Reader {
  /** The end of the store, as far as it is known. */
  head = 0;
  /** The message after what was read, if it is not a commit. */
  unreadable: UnreadableCommitError | undefined;
  /** Everything up to here was read for the lanes that were not behind. */
  at = 0;
  /** Whether the subscription has reached the end of the store. */
  private hasCaughtUp = false;
  private readonly closed = new AbortController();
  /** Ends the subscription. */
  private again = new AbortController();
  private wakeWaiter: (() => void) | undefined;
  private readonly done: Promise<void>;
  private heardMs = performance.now();

  constructor(
    private readonly store: EventStore,
    private readonly host: ReaderHost,
    private readonly pageBytesMax: number,
  ) {
    this.done = this.run();
  }

  async close(): Promise<void> {
    this.closed.abort();
    this.again.abort();
    this.wakeWaiter?.();
    await this.done;
  }

  /** Begins again if a lane is behind the subscription and has room, or the subscription is silent. Goes on if it waits for room. */
  check(): void {
    const isSilent = this.wakeWaiter === undefined && performance.now() - this.heardMs > silenceMs;
    this.wakeWaiter?.();
    const from = this.startOf();
    if (from === undefined) return;
    if (from < this.at || from > this.at + skipMin || isSilent) this.again.abort();
  }

  /** Whether a lane has everything that is stored. */
  isLive(lane: Lane): boolean {
    return this.hasCaughtUp && lane.cursor >= this.at;
  }

  private async run(): Promise<void> {
    let failures = 0;
    while (!this.closed.signal.aborted) {
      const from = this.startOf();
      if (from === undefined) {
        await this.pause();
        continue;
      }
      try {
        await this.follow(from);
        failures = 0;
      } catch (error) {
        this.onError(error);
        const delayMs = Math.min(retryMaxMs, retryMinMs * 2 ** failures++);
        await sleep(delayMs, undefined, { signal: this.closed.signal }).catch(() => undefined);
      }
    }
  }

  private onError(error: unknown): void {
    if (error instanceof UnreadableCommitError) {
      // What comes before it can be delivered and settled.
      this.unreadable = error;
      this.host.onRead();
      return;
    }
    const fatal = fatalError(error);
    if (fatal !== undefined) this.host.onFailure(fatal);
  }

  /** Where the next subscription begins: after the lowest cursor of the lanes that have room; undefined: none has. */
  private startOf(): number | undefined {
    let start: number | undefined;
    for (const lane of this.host.activeLanes()) {
      const hasRoom = lane.cursor < this.at ? lane.hasRoom() : !lane.isFull();
      if (hasRoom && lane.cursor < (start ?? Infinity)) start = lane.cursor;
    }
    return start;
  }

  private async follow(from: number): Promise<void> {
    this.again = new AbortController();
    if (this.closed.signal.aborted) return;
    const { filter, skipUnreadable } = this.host.settings;
    const start = {
      kind: 'position',
      after: position(BigInt(from)),
      afterCount: undefined,
      fromTime: undefined,
    } as const;
    const query = { filter, start, startMustExist: true, heartbeatMs, skipUnreadable, storeId: '' };
    const call = { signal: new AbortController().signal, deadlineMs: Infinity };
    this.at = from;
    this.hasCaughtUp = false;
    this.heardMs = performance.now();
    for await (const update of this.store.subscribe(query, call, this.again.signal)) {
      if (this.isInterrupted()) return;
      this.heardMs = performance.now();
      this.take(update);
      await this.untilRoom();
    }
  }

  private async untilRoom(): Promise<void> {
    const patientToMs = performance.now() + patienceMs;
    for (let must = this.mustWait(); must !== 'no' && !this.isInterrupted(); must = this.mustWait()) {
      const leftMs = must === 'long' ? undefined : patientToMs - performance.now();
      if (leftMs !== undefined && leftMs <= 0) return;
      await this.pause(leftMs);
      this.heardMs = performance.now();
    }
  }

  /** A function, since the compiler believes that a property which is false stays false. */
  private isInterrupted(): boolean {
    return this.again.signal.aborted;
  }

  private take(update: SubscriptionUpdate): void {
    // Lanes that are full or behind are not advanced: the reader comes back for them.
    const lanes = this.host.activeLanes().filter((lane) => lane.cursor >= this.at && !lane.isFull());
    const before = this.at;
    if (update.kind === 'events') this.takeRuns(update, new Set(lanes));
    const to = Number(update.position ?? before);
    for (const lane of lanes) lane.advance(to);
    this.at = Math.max(before, to);
    this.head = Math.max(this.head, this.at, update.kind === 'heartbeat' ? Number(update.head) : 0);
    if (update.kind === 'caughtUp') [this.hasCaughtUp, this.unreadable] = [true, undefined];
    if (update.kind === 'fellBehind') this.hasCaughtUp = false;
    if (update.kind !== 'heartbeat') this.host.onRead();
  }

  private takeRuns(
    { runs }: Extract<SubscriptionUpdate, { readonly kind: 'events' }>,
    lanes: ReadonlySet<Lane>,
  ): void {
    const count = this.host.settings.lanes;
    const byNumber = Array.from({ length: count }, (_, number) => {
      const lane = this.host.activeLane(number);
      return lane !== undefined && lanes.has(lane) ? lane : undefined;
    });
    const selection = {
      targetOf: (stream: string) => byNumber[laneOf(stream, count)],
      bytesMax: this.pageBytesMax,
    };
    for (const { events } of runs) takeUnits(events, selection, accept);
  }

  /** Whether a lane that is not behind is full; `briefly`: another one has nothing to do. */
  private mustWait(): 'no' | 'briefly' | 'long' {
    let [inTurn, full, isIdle] = [0, 0, false];
    for (const lane of this.host.activeLanes()) {
      if (lane.cursor < this.at) continue;
      inTurn++;
      if (lane.isFull()) full++;
      isIdle ||= lane.isEmpty;
    }
    if (full === inTurn) return 'long';
    if (full === 0) return 'no';
    return isIdle ? 'briefly' : 'long';
  }

  /** Until `check`, or for a time in milliseconds. */
  private pause(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.wakeWaiter = undefined;
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(wake, ms);
      this.wakeWaiter = wake;
    });
  }
}

function accept(lane: Lane, unit: Unit): void {
  lane.accept(unit);
}

/** What no further attempt can mend. */
function fatalError(error: unknown): Error | undefined {
  if (error instanceof InvalidRequestError)
    return new GroupError(
      'GROUP_AHEAD_OF_STORE',
      'the group is after the end of the store; was an older backup restored? ResetGroup says where to go on',
    );
  return isStoreError(error) ? undefined : (error as Error);
}
