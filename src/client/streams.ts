import * as proto from '../../generated/sluice/v1/stream_service';
import { uuidV7 } from './append';
import { unary } from './authorized-calls';
import type { Call, CallOptions } from './calls';
import type { Channel } from './channel';
import { eraseInPieces, type ErasureSettings } from './erase';
import { toUint64, type WholeNumber } from './numbers';
import { untilDecided } from './send-again';
import type { StreamChange, StreamChangeOptions } from './stream-change';
import {
  toProtoRetention,
  toStreamDescription,
  type RetentionSettings,
  type StreamDescription,
} from './stream-description';
import { encode } from './text';

/**
 * Ends streams, or their beginnings; docs/streams.md explains how. What a change hides is gone for every reader that begins later,
 * and versions never restart. The client retries changes, which is safe because of their commit ids.
 *
 * Every method fails with a StreamError whose code is STREAM_NOT_FOUND for a stream that never had an event. Changes may also fail
 * like `append`, and with STREAM_TOMBSTONED. Arguments that cannot be sent are a TypeError or a RangeError.
 */
export interface Streams {
  /** What the stream is now, as the leader of the store knows it. */
  get(stream: string, options?: CallOptions): Promise<StreamDescription>;
  /**
   * Hides the events before a version. What is hidden stays hidden: a lower version than before changes nothing. Fails with
   * VERSION_BEYOND_END for a version above that of the stream plus 1.
   */
  truncate(stream: string, beforeVersion: WholeNumber, options?: StreamChangeOptions): Promise<StreamChange>;
  /** Sets what can be read of the stream from now on, in place of its former retention; `{}` removes it. */
  setRetention(
    stream: string,
    retention: RetentionSettings,
    options?: StreamChangeOptions,
  ): Promise<StreamChange>;
  /** Hides all events. The next append goes on with the next version, and the stream then begins there. */
  delete(stream: string, options?: StreamChangeOptions): Promise<StreamChange>;
  /** Deletes the stream for ever: every later append fails with STREAM_TOMBSTONED. It cannot be undone. */
  tombstone(stream: string, options?: StreamChangeOptions): Promise<StreamChange>;
  /**
   * Erases the contents of events for good: readers get each of them with `erased`. Also hidden events, and those of a stream that was
   * deleted or tombstoned. Fails with ERASE_SPLITS_COMMIT if the range does not cover whole commits, VERSION_BEYOND_END if the stream ends
   * before it does, and STORE_IMMUTABLE if the store does not permit it.
   *
   * More than 10,000 events take several calls: then `commitId` must be left out, and after an error the first of them may be erased.
   * To repeat the whole is safe: what is erased stays so.
   */
  erase(stream: string, erasure: ErasureSettings, options?: StreamChangeOptions): Promise<StreamChange>;
}

const service = proto.StreamServiceService;
const methods = {
  get: { path: service.getStream.path, response: proto.GetStreamResponse },
  truncate: { path: service.truncateStream.path, response: proto.TruncateStreamResponse },
  setRetention: { path: service.setRetention.path, response: proto.SetRetentionResponse },
  delete: { path: service.deleteStream.path, response: proto.DeleteStreamResponse },
  tombstone: { path: service.tombstoneStream.path, response: proto.TombstoneStreamResponse },
  erase: { path: service.eraseEvents.path, response: proto.EraseEventsResponse },
};

export function streamsOf(channel: Channel): Streams {
  return {
    async get(stream, options = {}) {
      const request = encode(proto.GetStreamRequest, { stream });
      return toStreamDescription((await unary(channel, { method: methods.get, request }, options)).stream);
    },
    async truncate(stream, beforeVersion, options = {}) {
      const fields = fieldsOf(stream, options);
      const before = toUint64(beforeVersion, 'beforeVersion');
      const request = encode(proto.TruncateStreamRequest, { ...fields, beforeVersion: before });
      return change(channel, { method: methods.truncate, request, commit: fields }, options);
    },
    async setRetention(stream, retention, options = {}) {
      const fields = fieldsOf(stream, options);
      const message = { ...fields, retention: toProtoRetention(retention) };
      const request = encode(proto.SetRetentionRequest, message);
      return change(channel, { method: methods.setRetention, request, commit: fields }, options);
    },
    async delete(stream, options = {}) {
      const fields = fieldsOf(stream, options);
      const request = encode(proto.DeleteStreamRequest, fields);
      return change(channel, { method: methods.delete, request, commit: fields }, options);
    },
    async tombstone(stream, options = {}) {
      const fields = fieldsOf(stream, options);
      const request = encode(proto.TombstoneStreamRequest, fields);
      return change(channel, { method: methods.tombstone, request, commit: fields }, options);
    },
    async erase(stream, { reason, ...range }, options = {}) {
      return eraseInPieces(range, options, ({ fromVersion, toVersion }) => {
        const fields = fieldsOf(stream, options);
        const message = { ...fields, fromVersion, toVersion, reason };
        const request = encode(proto.EraseEventsRequest, message);
        return change(channel, { method: methods.erase, request, commit: fields }, options);
      });
    },
  };
}

function fieldsOf(
  stream: string,
  { expectedVersion, commitId = uuidV7() }: StreamChangeOptions,
): proto.DeleteStreamRequest {
  return {
    stream,
    expectedVersion: expectedVersion === undefined ? undefined : toUint64(expectedVersion, 'expectedVersion'),
    commitId,
  };
}

async function change(
  channel: Channel,
  call: Call<proto.DeleteStreamResponse>,
  options: CallOptions,
): Promise<StreamChange> {
  return untilDecided(channel, options, async (callOptions) => {
    const { stream, changed, replayed, commitId } = await unary(channel, call, callOptions);
    return { stream: toStreamDescription(stream), changed, replayed, commitId };
  });
}
