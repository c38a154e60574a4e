import { streamInfo, type StreamConfig } from './api';
import type { NatsPool } from './pool';

/** How large one message of the log may be, headers and body together. It can be changed at any time, at either place. */
export interface MessageSize {
  /** By what the NATS server takes, and by `max_msg_size` of the log as it was last seen. */
  readonly bytesMax: number;
  /** The log is set like this now. */
  take(config: StreamConfig): void;
  /** Asks how the log is set. */
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
