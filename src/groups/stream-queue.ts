import type { StreamName, UnixNanos } from '../store/values';
import { bytesOf, timeOf, type Unit } from './unit';

/**
 * Where a stream is: `ready`: its first unit can be delivered; `busy`: it is with a member, or being parked; `waiting`: until a
 * retry is due; `unread`: its next units have to be read; `reading`: they are being read.
 */
export type QueueState = 'ready' | 'busy' | 'waiting' | 'unread' | 'reading';

/** A stream of which a lane has a first event that is not settled. */
export interface Hole {
  readonly stream: StreamName;
  /** Everything before this version is settled. */
  readonly version: number;
  /** Of the event of that version, or lower. */
  readonly position: number;
  /** How often that event has failed. */
  readonly attempts: number;
  /** When it was committed; undefined: not known. */
  readonly time: UnixNanos | undefined;
  /** Whether it was delivered. */
  readonly wasTried: boolean;
  /** How long it has to wait for its next attempt, in milliseconds. */
  readonly waitMs: number;
}

/** What a lane has of one stream: its first events that are not settled. */
export class StreamQueue {
  state: QueueState = 'ready';
  readonly units: Unit[] = [];
  /** Of the units. */
  bytes = 0;
  /** There are further events up to this position, which have to be read; 0: `units` has all. */
  missingTo = 0;
  /** See `Hole`. */
  version: number;
  position: number;
  attempts: number;
  wasTried: boolean;
  dueMs = 0;
  /** Of the first event, while there are no units. */
  private time: UnixNanos | undefined;

  constructor(
    readonly stream: StreamName,
    hole: Pick<Hole, 'version' | 'position' | 'attempts' | 'time' | 'wasTried'>,
  ) {
    ({
      version: this.version,
      position: this.position,
      attempts: this.attempts,
      time: this.time,
      wasTried: this.wasTried,
    } = hole);
  }

  get first(): Unit | undefined {
    return this.units[0];
  }

  push(unit: Unit): void {
    if (this.units.length === 0) this.beginWith(unit);
    this.units.push(unit);
    this.bytes += bytesOf(unit);
  }

  /** Everything up to a version of the first unit is settled; undefined: the whole unit. */
  settle(version?: number): void {
    const { first } = this;
    if (first === undefined) return;
    this.version = (version ?? first.lastVersion) + 1;
    this.attempts = 0;
    this.wasTried = false;
    if (version !== undefined) return;
    this.units.shift();
    this.bytes -= bytesOf(first);
    this.time = undefined;
    if (this.first !== undefined) this.beginWith(this.first);
  }

  /** Forgets the units, which can be read again. */
  dropUnits(): void {
    this.missingTo = Math.max(this.missingTo, this.units.at(-1)?.position ?? 0);
    this.time = this.oldestTime;
    this.units.length = 0;
    this.bytes = 0;
  }

  hole(nowMs: number): Hole {
    const { stream, version, position, attempts, wasTried } = this;
    const waitMs = Math.max(0, Math.ceil(this.dueMs - nowMs));
    return { stream, version, position, attempts, wasTried, waitMs, time: this.oldestTime };
  }

  get oldestTime(): UnixNanos | undefined {
    return this.first === undefined ? this.time : timeOf(this.first);
  }

  private beginWith(unit: Unit): void {
    // What was read again may begin later: the filter of the group has changed, or messages are gone.
    if (unit.firstVersion > this.version) {
      this.attempts = 0;
      this.wasTried = false;
      this.version = unit.firstVersion;
    }
    this.position = unit.position;
  }
}

/** For a stream whose first event that is not settled is that of a unit, which is still to be added. */
export function untriedQueue({ stream, firstVersion: version, position }: Unit): StreamQueue {
  return new StreamQueue(stream, { version, position, attempts: 0, time: undefined, wasTried: false });
}
