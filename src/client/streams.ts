import * as proto from '../../generated/sluice/v1/stream_service';
import { uuidV7 } from './append';
import { unary } from './authorized-calls';
import type { Call, CallOptions } from './calls';
import type { Channel } from './channel';
import { toUint64, type WholeNumber } from './numbers';
import { untilDecided } from './send-again';
import {
  toProtoRetention,
  toStreamDescription,
  type RetentionSettings,
  type StreamDescription,
} from './stream-description';
import { encode } from './text';

/** How to change a stream. */
export interface StreamChangeOptions extends CallOptions {
  /** The version that the stream must have. Left out: any version from 1 on. */
  readonly expectedVersion?: WholeNumber | undefined;
  /**
   * Idempotency key, a UUID, preferably a UUID v7: the same change with the same commit id is stored only once. Left out: the
   * client generates a UUID v7.
   */
  readonly commitId?: string | undefined;
}

/** What a change of a stream did. */
export interface StreamChange {
  /** The stream after the call. */
  readonly stream: StreamDescription;
  /** False: the stream was like this already, and nothing was stored. */
  readonly changed: boolean;
  /** True if an earlier call with the same commit id had done it. */
  readonly replayed: boolean;
  /** Empty if nothing was stored. */
  readonly commitId: string;
}

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
}

const service = proto.StreamServiceService;
const methods = {
  get: { path: service.getStream.path, response: proto.GetStreamResponse },
  truncate: { path: service.truncateStream.path, response: proto.TruncateStreamResponse },
  setRetention: { path: service.setRetention.path, response: proto.SetRetentionResponse },
  delete: { path: service.deleteStream.path, response: proto.DeleteStreamResponse },
  tombstone: { path: service.tombstoneStream.path, response: proto.TombstoneStreamResponse },
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
