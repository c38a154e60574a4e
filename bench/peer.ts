import type { Event } from '../generated/sluice/v1/event';
import type { ReadRange } from './job';

/** A client that does the jobs, until the process ends. All methods throw if a call fails. */
export interface Peer {
  /** Appends to a stream, only if it is at this version. */
  append(stream: string, events: readonly Event[], version: number): Promise<void>;
  /** Appends an event to each of these streams, all of which have this version. */
  appendMulti(streams: readonly string[], version: number): Promise<void>;
  /** Reads and decodes events; resolves with their number. */
  read(stream: string, range: ReadRange): Promise<number>;
  version(stream: string): Promise<number>;
  /** Like `read`, over all streams. */
  correlation(id: string): Promise<number>;
  /** Subscribes to a pattern from the start; resolves when this many events have arrived. */
  catchUp(pattern: string, events: number): Promise<void>;
  /** Passes on the ids of new events of a pattern; resolves when the subscription is live, with a function that ends it. */
  follow(pattern: string, onEvent: (id: string) => void): Promise<() => void>;
}
