import {
  EventStoreServiceService,
  ReadByCorrelationRequest,
  ReadByCorrelationResponse,
} from '../../generated/sluice/v1/event_store_service';
import { serverStream, type CallOptions } from './calls';
import type { Channel } from './channel';
import { toUint64, type WholeNumber } from './numbers';
import { Events, toPageHint, type EventRead, type PageOptions } from './read';
import { encode } from './text';
import type { UnreadableOptions } from './unreadable';

export interface ReadByCorrelationOptions extends CallOptions, UnreadableOptions {
  /** Only events of these types; none: all types. */
  readonly eventTypes?: readonly string[] | undefined;
  /** At most this many events; 0: no bound. */
  readonly maxCount?: WholeNumber | undefined;
  readonly page?: PageOptions | undefined;
}

/** How much of the store a read by correlation covers. */
export interface CorrelationHead {
  /** The read is complete up to this position. */
  readonly position: bigint;
}

const method = { path: EventStoreServiceService.readByCorrelation.path, response: ReadByCorrelationResponse };

export function readByCorrelation(
  channel: Channel,
  correlationId: string,
  options: ReadByCorrelationOptions,
): EventRead<CorrelationHead> {
  const request: ReadByCorrelationRequest = {
    correlationId,
    eventTypes: [...(options.eventTypes ?? [])],
    maxCount: toUint64(options.maxCount ?? 0, 'maxCount'),
    page: toPageHint(options.page),
    skipUnreadable: options.onUnreadable !== undefined,
  };
  const bytes = encode(ReadByCorrelationRequest, request);
  return new Events(
    () => serverStream(channel, method, bytes, options),
    ({ position }) => ({ position }),
    options,
  );
}
