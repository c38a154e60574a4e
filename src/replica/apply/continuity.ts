import type { Log } from '../../store/log';

/** What was known when the log was asked something: the answer says nothing about what happened since. */
export interface Snapshot {
  readonly doubts: number;
  readonly resets: number;
  /** The highest sequence that this gateway knows to be acknowledged. */
  readonly acknowledged: bigint;
}

/** Whether the log is still the one with which the replica was last compared. */
export class Continuity {
  private confirmedDoubts = -1;
  private resets = 0;
  private highest = 0n;

  constructor(private readonly log: Log) {}

  /** Whether the log was put in doubt since the replica was last compared with it. */
  get isDoubted(): boolean {
    return this.confirmedDoubts !== this.log.doubts;
  }

  /** The highest sequence that this gateway knows to be acknowledged, unless the log has gone back since. */
  get acknowledged(): bigint {
    return this.highest;
  }

  acknowledge(sequence: bigint): void {
    if (sequence > this.highest) this.highest = sequence;
  }

  snapshot(): Snapshot {
    const { resets, highest: acknowledged, log } = this;
    return { doubts: log.doubts, resets, acknowledged };
  }

  /** Whether the log was neither put in doubt nor replaced since a snapshot. */
  isUnchangedSince({ doubts, resets }: Snapshot): boolean {
    return doubts === this.log.doubts && resets === this.resets;
  }

  /** The replica was compared with the log, and the log is the same one. */
  confirm({ doubts }: Snapshot): void {
    this.confirmedDoubts = doubts;
  }

  /** The log was replaced, or has gone back to an earlier state: what was acknowledged before may be lost. */
  reset(): void {
    this.resets++;
    this.highest = 0n;
  }
}
