import { setMaxListeners } from 'node:events';
import { Client, Metadata, status } from '@grpc/grpc-js';
import { CancelledError } from './errors';
import { securityOf, type ClientTls } from './tls';

/** How to connect. */
export interface ConnectOptions {
  /** TLS; true: the gateway's certificate is checked against the authorities that Node knows. Left out: plain text. */
  readonly tls?: ClientTls | true | undefined;
  /**
   * How long a call with a single answer (append, getVersion, serverInfo) may take, in milliseconds, if the call does
   * not say; Infinity: for ever. Default: 15,000, more than the 10,000 that a gateway takes for an append. Reads and
   * listings have no deadline but their own.
   */
  readonly deadlineMs?: number | undefined;
  /**
   * How often an append or appendMulti is sent at most, 1 or more. It is sent again, with the same commit id, when the
   * gateway or the store is away or overloaded, or when its answer was lost, as long as its deadline allows: that stores
   * nothing twice. Default: 3.
   */
  readonly appendAttemptsMax?: number | undefined;
  /** gRPC metadata to send with every call, for instance `authorization`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Channel options of @grpc/grpc-js, over those of this client. */
  readonly channelOptions?: Readonly<Record<string, string | number>> | undefined;
}

/** A connection to a gateway and what all its calls have in common. */
export interface Channel {
  /** Throws CancelledError when the channel is closed. */
  readonly client: Client;
  readonly metadata: Metadata;
  readonly deadlineMs: number;
  readonly appendAttemptsMax: number;
  /** Aborted, with a CancelledError, when the channel is closed. */
  readonly closed: AbortSignal;
  readonly close: () => void;
}

const defaultDeadlineMs = 15_000;
const defaultAppendAttemptsMax = 3;

const defaultChannelOptions = {
  // One connection for each client, whatever other clients the process has.
  'grpc.use_local_subchannel_pool': 1,
  // This client knows what may be sent again. What remains is gRPC's transparent retry, of calls that no server has seen.
  'grpc.service_config_disable_resolution': 1,
  // The gateway bounds what it sends; one event may be larger than gRPC's default of 4 MiB.
  'grpc.max_receive_message_length': -1,
  // Room for a few pages of events on their way: with HTTP/2's 64 KiB, distance would set the pace.
  'grpc-node.flow_control_window': 1 << 20,
  // A connection that died silently must not keep its calls.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // A gateway that was restarted is found again within seconds; gRPC's default goes up to two minutes.
  'grpc.initial_reconnect_backoff_ms': 250,
  'grpc.max_reconnect_backoff_ms': 5_000,
};

/** Connects with the first call. Throws what grpc-js throws for an address, certificate or metadata it cannot use. */
export function openChannel(address: string, options: ConnectOptions): Channel {
  const { appendAttemptsMax = defaultAppendAttemptsMax } = options;
  if (!(appendAttemptsMax >= 1))
    throw new RangeError(`appendAttemptsMax must be at least 1; found ${appendAttemptsMax}`);
  const security = securityOf(address, options.tls);
  const client = new Client(address, security.credentials, {
    ...defaultChannelOptions,
    ...security.channelOptions,
    ...options.channelOptions,
  });
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
  const closing = new AbortController();
  setMaxListeners(0, closing.signal); // one for each subscription
  return {
    get client() {
      closing.signal.throwIfAborted();
      return client;
    },
    closed: closing.signal,
    metadata,
    deadlineMs: options.deadlineMs ?? defaultDeadlineMs,
    appendAttemptsMax,
    close() {
      closing.abort(new CancelledError('the client is closed', { status: status.CANCELLED }));
      client.close();
    },
  };
}
