import fc from 'fast-check';
import { Lane } from '../../src/groups/lane';
import { laneUnits, type LaneBounds, type LaneProgress } from '../../src/groups/lane-progress';
import { decodeLane, encodeLane } from '../../src/groups/lane-record';
import type { Offer } from '../../src/groups/offer';
import type { Unit } from '../../src/groups/unit';
import type { StreamName } from '../../src/store/values';

const bounds: LaneBounds = { streamsMax: 6, bytesMax: 2_000 };
const begin: LaneProgress = { cursor: 0, holes: [], triedTo: 0 };

/** What happens to a lane; numbers choose among what is possible. */
type Action =
  | { readonly kind: 'append'; readonly stream: number; readonly events: number }
  | { readonly kind: 'read'; readonly count: number }
  | {
      readonly kind: 'deliver' | 'settle' | 'settlePart' | 'retry' | 'hold' | 'unhold';
      readonly pick: number;
    }
  | { readonly kind: 'load'; readonly isWhole: boolean; readonly fails: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'handOver' };

const pick = fc.nat(20);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      stream: fc.nat(8),
      events: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('read' as const), count: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver' as const), pick }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('settle' as const, 'settlePart' as const, 'retry' as const),
      pick,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('load' as const), isWhole: fc.boolean(), fails: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('hold' as const, 'unhold' as const), pick }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'handOver' as const }) },
);

/** A log, a lane that is fed from it, and the simplest account of what it has settled. */
class Model {
  readonly log: Unit[] = [];
  readonly settledTo = new Map<StreamName, number>();
  readonly lastOf = new Map<StreamName, number>();
  busy: Offer[] = [];
  held: StreamName[] = [];
  lane = new Lane(begin, bounds, 0);
  nowMs = 0;
  private reading:
    | {
        readonly stream: StreamName;
        readonly version: number;
        readonly upTo: number;
        readonly length: number;
      }
    | undefined;
  private highestFloor = 0;

  run(action: Action): void {
    switch (action.kind) {
      case 'append':
        this.append(`s${action.stream.toString()}` as StreamName, action.events);
        break;
      case 'read':
        this.read(action.count);
        break;
      case 'deliver':
        this.deliver();
        break;
      case 'load':
        this.load(action.isWhole, action.fails);
        break;
      case 'wait':
        this.nowMs += action.ms;
        this.lane.wake(this.nowMs);
        break;
      case 'handOver':
        this.handOver();
        break;
      case 'hold': {
        const stream = `s${(action.pick % 9).toString()}` as StreamName;
        if (this.lane.hold(stream)) this.held.push(stream);
        break;
      }
      case 'unhold':
        for (const stream of this.held.splice(0, 1)) this.lane.unhold(stream);
        break;
      default:
        this.outcome(action.kind, action.pick);
    }
    this.check();
  }

  append(stream: StreamName, eventCount: number): void {
    const last = this.lastOf.get(stream) ?? 0;
    this.lastOf.set(stream, last + eventCount);
    const position = this.log.length * 2 + 1;
    this.log.push({
      stream,
      firstVersion: last + 1,
      lastVersion: last + eventCount,
      position,
      seconds: position,
      nanos: 0,
      block: new Uint8Array(100),
      start: 0,
      end: 100,
      eventCount,
    });
  }

  private read(count: number): void {
    if (this.lane.isFull()) return;
    for (const unit of this.log.filter(({ position }) => position > this.lane.cursor).slice(0, count)) {
      this.lane.accept(unit);
      this.lane.advance(unit.position);
    }
  }

  private deliver(): void {
    const offer = this.lane.next();
    if (offer === undefined) return;
    const { unit } = offer;
    const first = (this.settledTo.get(unit.stream) ?? 0) + 1;
    expect([unit.stream, unit.firstVersion]).toEqual([unit.stream, first]);
    expect(this.busy.map(({ unit: { stream } }) => stream)).not.toContain(unit.stream);
    expect(this.held).not.toContain(unit.stream);
    this.busy.push(offer);
  }

  private outcome(kind: 'settle' | 'settlePart' | 'retry', pick: number): void {
    const [offer] = this.busy.splice(pick % Math.max(1, this.busy.length), 1);
    if (offer === undefined) return;
    const { stream, firstVersion, lastVersion } = offer.unit;
    if (kind === 'retry') this.lane.retry(stream, this.nowMs + pick);
    else {
      const version = kind === 'settle' ? lastVersion : Math.min(lastVersion, firstVersion + (pick % 3));
      this.lane.settleThrough(stream, version);
      this.settledTo.set(stream, version);
    }
  }

  /** Begins to read what is missing, or ends what was begun, which has what was in the log then. */
  private load(isWhole: boolean, fails: boolean): void {
    const { reading } = this;
    const missing = reading ?? this.lane.nextUnread();
    this.reading = undefined;
    if (missing === undefined) return;
    if (reading === undefined) this.reading = { ...missing, length: this.log.length };
    else if (fails) this.lane.readFailed(reading.stream, this.nowMs + 5);
    else {
      const units = this.log
        .slice(0, reading.length)
        .filter(({ stream }) => stream === reading.stream)
        .filter(({ lastVersion, position }) => lastVersion >= reading.version && position <= reading.upTo)
        .map((unit) => ({ ...unit, firstVersion: Math.max(unit.firstVersion, reading.version) }));
      const isComplete = isWhole || units.length <= 1;
      this.lane.read(reading.stream, isWhole ? units : units.slice(0, 1), isComplete, reading.upTo);
    }
  }

  /** Another owner goes on with what the record has. */
  handOver(): void {
    const progress = this.lane.progress(this.nowMs);
    const record = {
      group: 'id',
      generation: 0,
      member: '',
      lease: '',
      mark: undefined,
      floor: this.lane.floor,
      oldestTime: undefined,
      streamsWaiting: 0,
    };
    const stored = decodeLane(encodeLane({ ...record, ...progress }));
    expect(stored).toMatchObject(progress);
    if (progress.holes.length >= bounds.streamsMax) this.forgetBehind(progress);
    this.lane = new Lane(stored, bounds, this.nowMs);
    this.busy = [];
    this.held = [];
    this.reading = undefined;
  }

  /** A record that cannot name all streams has a lower cursor: what was settled after it comes again. */
  private forgetBehind({ cursor, holes }: LaneProgress): void {
    for (const stream of this.settledTo.keys()) {
      if (holes.some((hole) => hole.stream === stream)) continue;
      const own = this.log.filter((unit) => unit.stream === stream && unit.position <= cursor);
      this.settledTo.set(stream, own.at(-1)?.lastVersion ?? 0);
    }
  }

  private check(): void {
    const { cursor, holes } = this.lane.progress(this.nowMs);
    if (holes.length > bounds.streamsMax) throw new Error(`${holes.length} holes`);
    const { floor } = this.lane;
    const holeOf = new Map(holes.map((hole) => [hole.stream, hole]));
    for (const { stream, lastVersion, position } of this.log) {
      const isSettled = lastVersion <= (this.settledTo.get(stream) ?? 0);
      const hole = holeOf.get(stream);
      const isClaimed = position <= cursor && (hole === undefined || lastVersion < hole.version);
      if (isSettled) continue;
      if (isClaimed) throw new Error(`the record claims ${stream} ${lastVersion}`);
      if (position <= floor) throw new Error(`the floor is above ${stream} ${lastVersion}`);
    }
    // What another owner would be asked for is not settled yet.
    for (const { stream, version } of holes)
      if (version <= (this.settledTo.get(stream) ?? 0)) throw new Error(`${stream} would be delivered again`);
    if (floor < this.highestFloor) throw new Error(`the floor went back to ${floor}`);
    this.highestFloor = floor;
  }

  private get isDone(): boolean {
    return this.lane.cursor === (this.log.at(-1)?.position ?? 0) && this.lane.isEmpty;
  }

  /** Everything is delivered and settled. */
  drain(): void {
    for (const stream of this.held.splice(0)) this.lane.unhold(stream);
    for (let turn = 0; turn < 20 * this.log.length + 100 && !this.isDone; turn++) {
      this.run({ kind: 'wait', ms: 50 });
      this.run({ kind: 'read', count: 5 });
      this.run({ kind: 'load', isWhole: turn % 2 === 0, fails: false });
      this.run({ kind: 'deliver', pick: 0 });
      this.run({ kind: 'settle', pick: 0 });
    }
    expect(new Map(this.settledTo)).toEqual(this.lastOf);
    expect(this.lane.isEmpty).toBe(true);
    expect(this.lane.busyCount).toBe(0);
  }
}

test('a lane delivers each stream in order, and its record claims nothing that is not settled', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 150, size: 'max' }), (actions) => {
      const model = new Model();
      for (const one of actions) model.run(one);
      model.drain();
    }),
    { numRuns: 200 },
  );
});

test('a stream that fails holds up nothing else, and little of it is in memory', () => {
  const model = new Model();
  const bad = 's0' as StreamName;
  for (let count = 0; count < 1_000; count++) {
    model.append(bad, 1);
    model.append('s1' as StreamName, 1);
  }
  const lane = new Lane(begin, { streamsMax: 10, bytesMax: 1_000_000 }, 0);
  for (const unit of model.log) lane.accept(unit);
  lane.advance(model.log.at(-1)?.position ?? 0);
  for (let turn = 0; turn < 200; turn++) {
    const offer = lane.next();
    if (offer?.unit.stream === bad) lane.retry(bad, Infinity);
    else if (offer !== undefined) lane.settleOffer(offer);
    const missing = lane.nextUnread();
    if (missing === undefined) continue;
    const units = model.log.filter(
      ({ stream, firstVersion }) => stream === missing.stream && firstVersion >= missing.version,
    );
    lane.read(missing.stream, units, true, missing.upTo);
  }
  const { holes } = lane.progress(0);
  expect(holes.find(({ stream }) => stream === bad)).toMatchObject({ version: 1, attempts: 1 });
  expect(lane.floor).toBe(0);
  expect(lane.isFull()).toBe(false);
});

test('there is room in a lane that was full as long as fewer streams wait for retries than may', () => {
  const lane = new Lane(begin, { streamsMax: 10, bytesMax: 1e9 }, 0);
  for (let position = 1; position <= 10; position++) lane.accept(smallUnit(position, 1, position));
  lane.advance(10);
  expect(lane.isFull()).toBe(true);
  expect(lane.hasRoom()).toBe(false);
  for (let offer = lane.next(); offer !== undefined; offer = lane.next())
    if (offer.unit.position <= 7) lane.retry(offer.unit.stream, 1e9);
    else lane.settleOffer(offer);
  expect(lane.isFull()).toBe(false);
  expect(lane.hasRoom()).toBe(true);
});

test('a lane is full with the units that wait for a member, but one stream does not fill it', () => {
  const lane = new Lane(begin, { streamsMax: 100, bytesMax: 1e9 }, 0);
  let position = 0;
  const accept = (stream: number, count: number): void => {
    for (let version = 1; version <= count; version++) lane.accept(smallUnit(stream, version, ++position));
    lane.advance(position);
  };
  accept(1, laneUnits.ofStreamMax);
  expect(lane.hasRoom()).toBe(true);
  const streams = laneUnits.aheadMax / laneUnits.countedOfStreamMax;
  for (let stream = 2; stream <= streams; stream++) accept(stream, laneUnits.countedOfStreamMax);
  expect(lane.isFull()).toBe(true);

  // What is with members is not ahead.
  const offers = Array.from({ length: streams }, () => lane.next() as Offer);
  expect(lane.isFull()).toBe(false);
  expect(lane.hasRoom()).toBe(false);
  for (const offer of offers) lane.settleOffer(offer);
  for (let offer = lane.next(); offer !== undefined; offer = lane.next()) lane.settleOffer(offer);
  expect(lane.hasRoom()).toBe(true);
  expect(lane.isIdle).toBe(true);
});

function smallUnit(stream: number, version: number, position: number): Unit {
  return {
    stream: `s${stream.toString()}` as StreamName,
    firstVersion: version,
    lastVersion: version,
    position,
    seconds: 0,
    nanos: 0,
    block: Buffer.alloc(10),
    start: 0,
    end: 10,
    eventCount: 1,
  };
}
