import type { Config } from '../config/config';
import type { Snapshot } from '../metrics/metric';
import type { NatsOptions } from '../jetstream/nats/options';
import type { DiskReport, SpaceReport } from '../jetstream/log/space';
import type { FromReader, ToReader } from '../replica/share/messages';

/** What the primary and a worker tell each other, in order. The channel ends with either process. */

/** What a worker serves with. */
export interface WorkerStart {
  /** From 1 on; one that is replaced keeps it. */
  readonly number: number;
  /** With the limits of one worker. */
  readonly config: Config;
  readonly nats: NatsOptions;
  readonly level: 'fsyncAlways' | 'fsyncInterval' | 'unknown';
  /** Whether the primary runs the embedded nats-server. */
  readonly embedded: boolean;
  /** Its share of what the auth file allows a caller. */
  readonly callerShare: number;
  /** See TlsFiles. */
  readonly ticketSecret: Uint8Array;
}

export type ToWorker =
  | { readonly kind: 'start'; readonly start: WorkerStart }
  /** A client connection, beside the message. `peer`: as in Adopt. */
  | { readonly kind: 'connection'; readonly peer: string | undefined }
  | { readonly kind: 'replica'; readonly message: ToReader }
  | { readonly kind: 'synced'; readonly ticket: number }
  | { readonly kind: 'unsynced'; readonly ticket: number; readonly reason: string }
  /** Nothing becomes durable any more. */
  | { readonly kind: 'diskFailed' }
  | { readonly kind: 'disk'; readonly report: DiskReport }
  /** Why the primary could not remove messages; "": it could. */
  | { readonly kind: 'removal'; readonly trouble: string }
  /** Reports NOT_SERVING from now on, and goes on serving. */
  | { readonly kind: 'leave' }
  | { readonly kind: 'reload'; readonly level: string }
  | { readonly kind: 'metrics' }
  | { readonly kind: 'ping' }
  | { readonly kind: 'stop' };

/** Why a worker could not start; see StartError. */
export interface StartFailure {
  readonly stage: 'settings' | 'store' | 'listen';
  readonly message: string;
}

export type FromWorker =
  /** It takes connections. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly failure: StartFailure }
  /** It has the oldest of the connections that were sent and not taken. */
  | { readonly kind: 'taken' }
  /** This number of its connections have ended. */
  | { readonly kind: 'ended'; readonly connections: number }
  | { readonly kind: 'replica'; readonly message: FromReader }
  /** To sync the log up to a sequence, or all of it (0), for callers that wait this long: each process has a clock of its own. */
  | { readonly kind: 'sync'; readonly ticket: number; readonly upTo: bigint; readonly waitMs: number }
  /** The log may have gone back. */
  | { readonly kind: 'forget' }
  | { readonly kind: 'space'; readonly report: SpaceReport }
  | { readonly kind: 'reloaded' }
  /** To a ping, at once. */
  | { readonly kind: 'pong' }
  | { readonly kind: 'metrics'; readonly metrics: readonly Snapshot[] };
