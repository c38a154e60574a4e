import {
  EventStoreServiceService,
  ListStreamsRequest,
  ListStreamsResponse,
} from '../../generated/sluice/v1/event_store_service';
import { serverStream } from './authorized-calls';
import type { CallOptions } from './calls';
import type { Channel } from './channel';
import { toStreamHead, type StreamHead } from './get-version';
import { toUint64, type WholeNumber } from './numbers';
import { encode } from './text';

export interface ListStreamsOptions extends CallOptions {
  /** A pattern in NATS notation: "order.*" is one further token, "order.>" one or more. Left out: all. */
  readonly pattern?: string | undefined;
  /** Only names after this one in byte order, to continue an earlier listing. */
  readonly after?: string | undefined;
  /** At most this many; 0: no limit. */
  readonly maxCount?: WholeNumber | undefined;
  /** True: only streams that the caller may read. Otherwise a pattern that no single grant contains fails with AccessDeniedError. */
  readonly permittedOnly?: boolean | undefined;
  /** True: streams that were deleted or tombstoned are listed too. */
  readonly includeDeleted?: boolean | undefined;
}

/** One stream of a listing. */
export interface StreamSummary extends StreamHead {
  readonly stream: string;
  /** True: the last message on the stream's subject is not a commit; `version` is then 0. */
  readonly unreadable: boolean;
  /** True: the stream has had a control; `streams.get` says what holds. */
  readonly hasControls: boolean;
}

const method = { path: EventStoreServiceService.listStreams.path, response: ListStreamsResponse };

/** Each loop over the result makes its own call. */
export function listStreams(channel: Channel, options: ListStreamsOptions): AsyncIterable<StreamSummary> {
  const { pattern = '', after = '', maxCount = 0, signal } = options;
  const { permittedOnly = false, includeDeleted = false } = options;
  const count = toUint64(maxCount, 'maxCount');
  const message = { pattern, after, maxCount: count, permittedOnly, includeDeleted };
  const call = { method, request: encode(ListStreamsRequest, message) };
  return {
    async *[Symbol.asyncIterator]() {
      for await (const { streams } of serverStream(channel, call, options)) {
        for (const summary of streams) {
          signal?.throwIfAborted();
          const { stream, unreadable, hasControls } = summary;
          yield { stream, ...toStreamHead(summary), unreadable, hasControls };
        }
      }
    },
  };
}
