import {
  EventStoreServiceService,
  ReadByCorrelationRequest,
  ReadByCorrelationResponse,
} from '../../generated/sluice/v1/event_store_service';
import { serverStream } from './authorized-calls';
import type { Channel } from './channel';
import { Events, toReadFields, type EventRead, type ReadOptions } from './read';
import { encode } from './text';
import type { UnreadableOptions } from './unreadable';

export interface ReadByCorrelationOptions extends ReadOptions, UnreadableOptions {}

/** How much of the store a read by correlation covers. */
export interface CorrelationHead {
  /** The read is complete up to this position. */
  readonly position: bigint;
  /** True: the caller may not read all streams, so that events may have been left out. */
  readonly limitedToGrants: boolean;
}

const method = { path: EventStoreServiceService.readByCorrelation.path, response: ReadByCorrelationResponse };

function toHead({ position, limitedToGrants }: CorrelationHead): CorrelationHead {
  return { position, limitedToGrants };
}

export function readByCorrelation(
  channel: Channel,
  correlationId: string,
  options: ReadByCorrelationOptions,
): EventRead<CorrelationHead> {
  const request: ReadByCorrelationRequest = {
    correlationId,
    ...toReadFields(options),
    skipUnreadable: options.onUnreadable !== undefined,
  };
  const call = { method, request: encode(ReadByCorrelationRequest, request) };
  return new Events(() => serverStream(channel, call, options), toHead, options);
}
