import { setTimeout as sleep } from 'node:timers/promises';
import type { Failed, GroupName, GroupSettings } from '../store/consumer-groups';
import type { CallContext } from '../store/event-store';
import { UnreadableCommitError } from '../store/errors';
import { patternMatcher } from '../store/patterns';
import { StateChangedError } from '../store/state-store';
import type { StreamName } from '../store/values';
import { ownCall, type GroupsContext } from './context';
import type { CurrentGroup } from './group-record';
import type { LaneOwner } from './lane-owner';
import type { ParkedIndex } from './parked-index';
import { decodeParked, encodeParked, keptReason, parkedKey, type StoredParked } from './parked-record';
import { UnreadableRecordError } from './record-fields';
import { readEvent } from './store-reads';
import type { Replay } from './replay';
import { bytesOf, unitsOf } from './unit';

const callTimeoutMs = 5_000;
const attemptsMax = 5;
/** When a replay is begun again that failed because of the store or its state. */
const againMs = 500;

/** A replay that is being read, is ready or is with a member. */
interface UnderWay {
  readonly owner: LaneOwner;
  /** Of its event; 0: it is being read. */
  readonly bytes: number;
}

/** The replays under way of one lane. */
interface Load {
  isReading: boolean;
  bytes: number;
}

/** Delivers parked events again that were asked for, in order for each stream. */
export class Replays {
  private readonly underWay = new Map<StreamName, UnderWay>();
  private readonly loads = new WeakMap<LaneOwner, Load>();
  private readonly ready = new Map<LaneOwner, Replay[]>();

  constructor(
    private readonly context: GroupsContext,
    private readonly group: CurrentGroup,
    private readonly index: ParkedIndex,
    private readonly onChange: () => void,
  ) {}

  /** Begins to read what is to be replayed, for each lane one event at a time, up to `bytesMax` with what its member has. */
  load(owners: Iterable<LaneOwner>, bytesMax: number): void {
    if (!this.index.hasReplaying) return;
    for (const owner of owners) {
      const load = this.loadOf(owner);
      if (!owner.isActive || load.isReading || (load.bytes > 0 && load.bytes >= bytesMax)) continue;
      const stream = this.holdNext(owner);
      if (stream === undefined) continue;
      this.index.moveBack(stream);
      this.underWay.set(stream, { owner, bytes: 0 });
      load.isReading = true;
      void this.read(owner, stream).finally(() => (load.isReading = false));
    }
  }

  /** The next stream of a lane of which nothing is with a member. Those under way are the last ones. */
  private holdNext({ number, lane }: LaneOwner): StreamName | undefined {
    for (const stream of this.index.replayingIn(number))
      if (this.underWay.get(stream)?.owner.isLost !== false && lane.hold(stream)) return stream;
    return undefined;
  }

  private loadOf(owner: LaneOwner): Load {
    const load = this.loads.get(owner) ?? { isReading: false, bytes: 0 };
    this.loads.set(owner, load);
    return load;
  }

  hasReady(owner: LaneOwner): boolean {
    return this.ready.has(owner);
  }

  next(owner: LaneOwner): Replay | undefined {
    const found = this.ready.get(owner)?.shift();
    if (this.ready.get(owner)?.length === 0) this.ready.delete(owner);
    return found;
  }

  /** The member was done with it, or has failed. */
  settle(owner: LaneOwner, replay: Replay, failed: Failed | undefined): void {
    const isDone = failed === undefined || failed.kind === 'skip';
    void this.finish(owner, replay.unit.stream, () =>
      isDone ? this.remove(replay.parked) : this.putBack(replay.parked, failed.reason),
    );
  }

  /** Forgets what is ready of a lane that delivers no more: the next owner replays it. */
  drop(owner: LaneOwner): void {
    for (const { unit } of this.ready.get(owner) ?? []) {
      this.forget(owner, unit.stream);
      if (!owner.isLost) owner.lane.unhold(unit.stream);
    }
    this.ready.delete(owner);
  }

  /** A delivery of it was lost with its lane. */
  lost(owner: LaneOwner, { unit }: Replay): void {
    this.forget(owner, unit.stream);
  }

  private forget(owner: LaneOwner, stream: StreamName): void {
    const found = this.underWay.get(stream);
    if (found?.owner !== owner) return;
    this.loadOf(owner).bytes -= found.bytes;
    this.underWay.delete(stream);
  }

  private async read(owner: LaneOwner, stream: StreamName): Promise<void> {
    try {
      const replay = await this.find(stream);
      if (replay !== undefined && owner.isActive) {
        const bytes = bytesOf(replay.unit);
        this.loadOf(owner).bytes += bytes;
        this.underWay.set(stream, { owner, bytes });
        this.ready.set(owner, [...(this.ready.get(owner) ?? []), replay]);
        this.onChange();
        return;
      }
    } catch (error) {
      this.context.log.warn({ err: error, stream }, 'a parked event was not replayed');
      await sleep(againMs);
    }
    await this.finish(owner, stream, () => Promise.resolve());
  }

  /** undefined: it is not to be replayed, or can no longer be read. */
  private async find(stream: StreamName): Promise<Replay | undefined> {
    const { state, store, limits } = this.context;
    const version = this.index.firstReplaying(stream) ?? 0;
    const entry = this.index.of(stream)?.entries.get(version);
    if (entry === undefined) return undefined;
    const key = parkedKey(this.name, { stream, version, position: entry.position });
    const record = await state.get(key, ownCall(callTimeoutMs));
    const parked = record === undefined ? undefined : readable(record.value);
    if (parked?.isReplaying !== true) {
      if (parked === undefined) this.index.delete(stream, version);
      else this.index.set(stream, version, parked);
      return undefined;
    }
    if (!patternMatcher(this.settings.filter.patterns)(stream)) {
      await this.putBack(parked, 'the group does not select its stream any more');
      return undefined;
    }
    const run = await readEvent(store, stream, version, ownCall(callTimeoutMs)).catch(ifUnreadable);
    if (run === 'hidden') {
      // Nobody can read it any more: it counts as settled.
      await this.remove(parked);
      return undefined;
    }
    const [unit] = run === undefined ? [] : unitsOf(run.events, { bytesMax: limits.pageBytesMax });
    if (unit !== undefined) return { unit, parked };
    await this.putBack(parked, 'the event can no longer be read');
    return undefined;
  }

  private async finish(owner: LaneOwner, stream: StreamName, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      // It is still to be replayed.
      this.context.log.warn({ err: error, stream }, 'what became of a replay was not stored');
      await sleep(againMs);
    }
    this.forget(owner, stream);
    if (!owner.isLost) owner.lane.unhold(stream);
    this.onChange();
  }

  private async remove(parked: StoredParked): Promise<void> {
    const { state } = this.context;
    const { stream, version } = parked;
    const key = parkedKey(this.name, parked);
    await untilUnchanged(async (call) => {
      const record = await state.get(key, call);
      if (record !== undefined) await state.remove(key, record.revision, call);
    });
    this.index.delete(stream, version);
  }

  /** It stays parked. If order counts, so does what follows on its stream: the last first, so that an interruption leaves no gap. */
  private async putBack({ stream, version, position }: StoredParked, reason: string): Promise<void> {
    const entries = this.settings.parkFollowing ? [...(this.index.of(stream)?.entries ?? [])] : [];
    for (const [other, entry] of entries.sort(([a], [b]) => b - a))
      if (entry.isReplaying && other !== version)
        await this.store({ stream, version: other, position: entry.position }, (parked) => ({
          ...parked,
          isReplaying: false,
        }));
    await this.store({ stream, version, position }, (parked) => ({
      ...parked,
      isReplaying: false,
      attempts: parked.attempts + 1,
      reason: keptReason(reason),
    }));
  }

  private async store(
    place: Pick<StoredParked, 'stream' | 'version' | 'position'>,
    change: (parked: StoredParked) => StoredParked,
  ): Promise<void> {
    const { state } = this.context;
    const { stream, version } = place;
    const key = parkedKey(this.name, place);
    await untilUnchanged(async (call) => {
      const record = await state.get(key, call);
      const parked = record === undefined ? undefined : readable(record.value);
      if (record === undefined || parked === undefined) {
        this.index.delete(stream, version);
        return;
      }
      const changed = change(parked);
      await state.put(key, encodeParked(changed), record.revision, call);
      this.index.set(stream, version, changed);
    });
  }

  private get name(): GroupName {
    return this.group.stored.group.name;
  }

  private get settings(): GroupSettings {
    return this.group.stored.group.settings;
  }
}

/** Repeats what others have changed at the same time. */
async function untilUnchanged(act: (call: CallContext) => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await act(ownCall(callTimeoutMs));
      return;
    } catch (error) {
      if (!(error instanceof StateChangedError) || attempt === attemptsMax) throw error;
    }
  }
}

function readable(value: Uint8Array): StoredParked | undefined {
  try {
    return decodeParked(value);
  } catch (error) {
    if (error instanceof UnreadableRecordError) return undefined;
    throw error;
  }
}

function ifUnreadable(error: unknown): undefined {
  if (error instanceof UnreadableCommitError) return undefined;
  throw error;
}
