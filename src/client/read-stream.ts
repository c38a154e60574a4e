import {
  Consistency,
  EventStoreServiceService,
  ReadStreamRequest,
  ReadStreamResponse,
} from '../../generated/sluice/v1/event_store_service';
import { serverStream, type CallOptions } from './calls';
import type { Channel } from './channel';
import { toStreamHead, type StreamHead } from './get-version';
import { toUint64, type WholeNumber } from './numbers';
import { directions, Events, toPageHint, type EventRead, type PageOptions } from './read';
import { encode } from './text';
import { toTimestamp, type Time } from './time';

/** Which part of a stream to read. All conditions hold together; left out, all of it is read. */
export interface ReadStreamOptions extends CallOptions {
  /** The version to begin with, inclusive; 0: the beginning, or the end when reading backward. */
  readonly fromVersion?: WholeNumber | undefined;
  /** The version to end with, inclusive; 0: no bound. It must not lie before `fromVersion` in reading order. */
  readonly toVersion?: WholeNumber | undefined;
  /** Default: forward. */
  readonly direction?: 'forward' | 'backward' | undefined;
  /** At most this many events, counted after all filters; 0: no bound. */
  readonly maxCount?: WholeNumber | undefined;
  /** Only commits taken in at or after this time. */
  readonly fromTime?: Time | undefined;
  /** Only commits taken in at or before this time. */
  readonly toTime?: Time | undefined;
  /** Only events of these types; none: all types. */
  readonly eventTypes?: readonly string[] | undefined;
  readonly page?: PageOptions | undefined;
  /**
   * leader, the default: every append that was answered before the call is seen. anyReplica: one question less to the
   * leader of the store, but on a replicated store the newest commits may be missing.
   */
  readonly consistency?: 'leader' | 'anyReplica' | undefined;
}

const consistencies = { leader: Consistency.LEADER, anyReplica: Consistency.ANY_REPLICA };

const method = { path: EventStoreServiceService.readStream.path, response: ReadStreamResponse };

export function readStream(
  channel: Channel,
  stream: string,
  options: ReadStreamOptions,
): EventRead<StreamHead> {
  const request: ReadStreamRequest = {
    stream,
    fromVersion: toUint64(options.fromVersion ?? 0, 'fromVersion'),
    toVersion: toUint64(options.toVersion ?? 0, 'toVersion'),
    direction: directions[options.direction ?? 'forward'],
    maxCount: toUint64(options.maxCount ?? 0, 'maxCount'),
    fromTime: toTimestamp(options.fromTime, 'fromTime'),
    toTime: toTimestamp(options.toTime, 'toTime'),
    eventTypes: [...(options.eventTypes ?? [])],
    page: toPageHint(options.page),
    consistency: consistencies[options.consistency ?? 'leader'],
  };
  const bytes = encode(ReadStreamRequest, request);
  return new Events(() => serverStream(channel, method, bytes, options), toStreamHead, {
    signal: options.signal,
  });
}
