import {
  Consistency,
  EventStoreServiceService,
  ReadStreamRequest,
  ReadStreamResponse,
} from '../../generated/sluice/v1/event_store_service';
import { serverStream } from './authorized-calls';
import type { Channel } from './channel';
import { toStreamHead, type StreamHead } from './get-version';
import { toUint64, type WholeNumber } from './numbers';
import { Events, toRangeFields, type EventRead, type RangeOptions } from './read';
import { encode } from './text';

/** Which part of a stream to read; without options, the whole stream. Options can be combined. */
export interface ReadStreamOptions extends RangeOptions {
  /** The first version to read, inclusive; 0: the beginning, or the end when reading backward. */
  readonly fromVersion?: WholeNumber | undefined;
  /** The last version to read, inclusive; 0: no limit. It must not be before `fromVersion` in reading order. */
  readonly toVersion?: WholeNumber | undefined;
  /**
   * leader, the default: the read includes every append that was acknowledged before the call. anyReplica: the gateway does not
   * ask the leader of the store; on a replicated store the newest commits may be missing.
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
    ...toRangeFields(options),
    consistency: consistencies[options.consistency ?? 'leader'],
  };
  const call = { method, request: encode(ReadStreamRequest, request) };
  const { signal } = options;
  return new Events(() => serverStream(channel, call, options), toStreamHead, { signal });
}
