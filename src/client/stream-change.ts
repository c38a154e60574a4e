import type { CallOptions } from './calls';
import type { WholeNumber } from './numbers';
import type { StreamDescription } from './stream-description';

/** How to change a stream. */
export interface StreamChangeOptions extends CallOptions {
  /** The version that the stream must have. Left out: any version from 1 on. */
  readonly expectedVersion?: WholeNumber | undefined;
  /**
   * Idempotency key, a UUID, preferably a UUID v7: the same change with the same commit id is stored only once. Left out: the
   * client generates a UUID v7.
   */
  readonly commitId?: string | undefined;
}

/** What a change of a stream did. */
export interface StreamChange {
  /** The stream after the call. */
  readonly stream: StreamDescription;
  /** False: the stream was like this already, and nothing was stored. */
  readonly changed: boolean;
  /** True if an earlier call with the same commit id had done it. */
  readonly replayed: boolean;
  /** Empty if nothing was stored. */
  readonly commitId: string;
}
