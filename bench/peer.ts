import type { Event } from '../generated/sluice/v1/event';
import type { ReadRange } from './job';

/** A way to do the jobs, for as long as the process lasts. All throw if a call fails. */
export interface Peer {
  /** Appends to a stream that has this version, and only then. */
  append(stream: string, events: readonly Event[], version: number): Promise<void>;
  /** Appends an event to each of these streams, all of which have this version. */
  appendMulti(streams: readonly string[], version: number): Promise<void>;
  /** Reads events, decodes them, and answers how many there were. */
  read(stream: string, range: ReadRange): Promise<number>;
  version(stream: string): Promise<number>;
  /** Like `read`, over all streams. */
  correlation(id: string): Promise<number>;
  /** Subscribes to a pattern from the start, and answers when so many events have come. */
  catchUp(pattern: string, events: number): Promise<void>;
  /** Gives the ids of new events of a pattern; resolves when it is live, with what ends it. */
  follow(pattern: string, onEvent: (id: string) => void): Promise<() => void>;
}
