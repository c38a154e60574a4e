import type { FillingProgress } from '../../store/store-info';
import type { ReplicaState } from '../apply/state';
import type { WrittenSegments } from '../segments/followed-segments';

/** What the process that writes a replica and those that read it tell each other, in order. */

/** How far the files are. */
export interface SharedProgress extends Pick<ReplicaState, 'applied' | 'last' | 'lost'> {
  readonly segments: WrittenSegments;
  readonly eventsReceived: number;
}

export interface SharedStatus {
  readonly isFilled: boolean;
  readonly isWritable: boolean;
  /** Batches cannot be written: reads of what is not in the index yet fail. */
  readonly isFailing: boolean;
  /** Why the gateway may not follow the log; undefined: it may. */
  readonly refusal: string | undefined;
  readonly troubleNow: string;
  readonly troubleLately: string;
  readonly filling: FillingProgress | undefined;
}

/** A replica gets another generation with each rebuild. */
export interface SharedFiles {
  readonly generation: number;
  /** Of the log. */
  readonly identity: string;
  /** How often the log was replaced, or has gone back: what was acknowledged before may be lost. */
  readonly resets: number;
  /** See LogComparer: one process after the other would have the replica rebuilt for the same reason. */
  readonly lostAtRebuild: bigint | undefined;
  readonly progress: SharedProgress;
}

export type ToReader =
  | { readonly kind: 'files'; readonly files: SharedFiles }
  | { readonly kind: 'advanced'; readonly progress: SharedProgress }
  | { readonly kind: 'status'; readonly status: SharedStatus }
  /** No new commits arrive: subscribers must not wait for them. */
  | { readonly kind: 'down'; readonly message: string }
  /** The files will be removed: the reader closes them and says so. */
  | { readonly kind: 'closing' };

export type FromReader =
  | { readonly kind: 'closed' }
  /** A read waits until the index has all messages up to here. */
  | { readonly kind: 'awaiting'; readonly sequence: bigint }
  /** Whether subscribers wait for new commits. */
  | { readonly kind: 'subscribers'; readonly areThere: boolean }
  /** The log is not the one that the replica is of. */
  | {
      readonly kind: 'otherLog';
      readonly generation: number;
      readonly mismatch: string;
      readonly lostAtRebuild: bigint | undefined;
    }
  | { readonly kind: 'damaged'; readonly generation: number; readonly message: string };

/** The way between the process that writes a replica and one that reads it. Messages arrive in order, or the process is gone. */
export interface ReplicaLink<Sent, Received> {
  send(message: Sent): void;
  onMessage(listener: (message: Received) => void): void;
}

/** The way to a process that reads a replica. */
export interface ReaderLink extends ReplicaLink<ToReader, FromReader> {
  /** Ends the process. */
  kill(): void;
  onEnd(listener: () => void): void;
}
