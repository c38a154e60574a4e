import type { Log } from '../../store/log';

/** What there was before the log was asked something: what it answers says nothing of what came since. */
export interface Moment {
  readonly doubts: number;
  readonly timesBack: number;
  /** This gateway has seen it acknowledged. */
  readonly acknowledged: bigint;
}

/** Whether the log is still what it was when it was last compared with the replica. */
export class Continuity {
  private judgedDoubts = -1;
  private timesBack = 0;
  private highest = 0n;

  constructor(private readonly log: Log) {}

  /** Whether the log was in doubt since it was last compared. */
  get isDoubted(): boolean {
    return this.judgedDoubts !== this.log.doubts;
  }

  /** The highest sequence that this gateway has seen acknowledged, unless the log has gone back since. */
  get acknowledged(): bigint {
    return this.highest;
  }

  acknowledge(sequence: bigint): void {
    if (sequence > this.highest) this.highest = sequence;
  }

  now(): Moment {
    const { timesBack, highest: acknowledged, log } = this;
    return { doubts: log.doubts, timesBack, acknowledged };
  }

  /** Whether the log was not in doubt since a moment, and has not gone back. */
  isAsAt({ doubts, timesBack }: Moment): boolean {
    return doubts === this.log.doubts && timesBack === this.timesBack;
  }

  /** As of a moment it was the same log. */
  compared({ doubts }: Moment): void {
    this.judgedDoubts = doubts;
  }

  /** The log is another one, or what it was earlier: what was acknowledged before is not there any more. */
  goBack(): void {
    this.timesBack++;
    this.highest = 0n;
  }
}
