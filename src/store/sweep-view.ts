import type { Sequence, Version } from './values';

/** A control of the log. */
export interface ControlPlace {
  readonly stream: string;
  readonly position: bigint;
}

/** What looks for messages to remove from the log needs of a view of it. It may lag behind the log. */
export interface SweepView {
  /** Whether the view is filled and follows the log. */
  readonly isReady: boolean;
  /** The next controls after a position, in the order of the log. */
  controlsAfter(position: bigint, max: number): readonly ControlPlace[];
  /** The position of the newest control of a stream; 0: it never had one. */
  newestControl(stream: string): bigint;
  /** Whether a stream had a version before a position, as its commits say. */
  hadVersion(stream: string, version: Version, position: bigint): boolean;
  /** The sequences of the last messages of the commits whose events are all of these versions. */
  commitsOf(stream: string, from: Version, to: Version): readonly Sequence[];
  /**
   * Streams whose retention has hidden so much that it is worth a truncation. At most `max` streams after a name are looked at.
   * `last`: the name to go on after; undefined: these are all.
   */
  truncatable(
    after: string,
    max: number,
  ): { readonly streams: readonly Truncatable[]; readonly last?: string };
}

/** A stream, and the first version that its retention leaves. */
export interface Truncatable {
  readonly stream: string;
  readonly before: Version;
}
