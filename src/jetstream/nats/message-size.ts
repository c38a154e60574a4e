import { streamInfo, type StreamConfig } from './api';
import type { NatsPool } from './pool';

/** How large one message of the log may be, headers and body together. The server and the stream can change it at any time. */
export interface MessageSize {
  /** The lower of `max_payload` of the server and `max_msg_size` of the log, as last observed. */
  readonly bytesMax: number;
  /** Takes over the present configuration of the log. */
  take(config: StreamConfig): void;
  /** Requests the configuration of the log. */
  refresh(): Promise<void>;
}

export function createMessageSize(
  pool: NatsPool,
  name: string,
  config: StreamConfig,
  timeoutMs: number,
): MessageSize {
  let ofLog = maxMessageSize(config);
  const take = (found: StreamConfig): void => {
    ofLog = maxMessageSize(found);
  };
  return {
    get bytesMax() {
      return Math.min(pool.append().maxPayloadBytes, ofLog);
    },
    take,
    async refresh() {
      take((await streamInfo(pool.append(), name, undefined, { timeoutMs })).config);
    },
  };
}

function maxMessageSize({ max_msg_size: bytes }: StreamConfig): number {
  return typeof bytes === 'number' && bytes >= 0 ? bytes : Infinity;
}
