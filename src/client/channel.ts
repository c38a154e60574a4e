import { setMaxListeners } from 'node:events';
import { Client, Metadata, status } from '@grpc/grpc-js';
import { CancelledError } from './errors';
import { inTurn, targetOf } from './several';
import { isLocal } from './target';
import { securityOf, type ClientTls } from './tls';
import { TokenSource, withBearer, type Token } from './token';

/** How to connect. */
export interface ConnectOptions {
  /** TLS; true: the gateway's certificate is checked against Node's default authorities. Left out: plain text. */
  readonly tls?: ClientTls | true | undefined;
  /**
   * How long a call with a single response (append, appendMulti, getVersion, serverInfo) may take, in milliseconds, unless
   * the call has its own `deadlineMs`; Infinity: without limit. Default: 15,000, longer than the 10,000 that a gateway spends
   * on an append. Reads and listings have no deadline by default.
   */
  readonly deadlineMs?: number | undefined;
  /**
   * How often an append or appendMulti is sent at most, 1 or more. The client sends it again, with the same commit id, when
   * the gateway or the store is unavailable or overloaded, or when the response was lost, as long as its deadline allows.
   * Nothing is stored twice. Default: 8, which fill the default deadline: a restart of the only gateway takes some seconds.
   */
  readonly appendAttemptsMax?: number | undefined;
  /**
   * An API token or a JWT, which every call sends as `authorization: Bearer`. A function is called when there is no token yet, and
   * again when the gateway refuses the token, once for all calls; these are then made again, once, and subscriptions continue. Only
   * over TLS, or to this machine: an address of loopback, `localhost` or `unix:/path`.
   */
  readonly token?: Token | undefined;
  /** gRPC metadata of every call. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /**
   * True: events that are appended while a span of OpenTelemetry is active get its `traceparent`, and its `tracestate` if it has
   * one, in their metadata, unless they have a `traceparent` of their own. Default: false.
   */
  readonly recordTraceContext?: boolean | undefined;
  /** Channel options of @grpc/grpc-js; they override those of this client. */
  readonly channelOptions?: Readonly<Record<string, string | number>> | undefined;
}

/** The connections to a gateway, or to several, and what all calls share. */
export interface Channel {
  /** Throws CancelledError when the channel is closed. */
  readonly client: Client;
  readonly metadata: Metadata;
  /** undefined: what every call sends is in `metadata`. */
  readonly tokens: TokenSource | undefined;
  readonly deadlineMs: number;
  readonly appendAttemptsMax: number;
  readonly recordTraceContext: boolean;
  /** Aborted, with a CancelledError, when the channel is closed. */
  readonly closed: AbortSignal;
  /** Gives up the connections where one has gone silent, unless that has happened: later calls get others. */
  readonly leave: (silent: Client) => void;
  readonly close: () => void;
}

const defaultDeadlineMs = 15_000;
const defaultAppendAttemptsMax = 8;

const defaultChannelOptions = {
  // Clients of one process do not share connections.
  'grpc.use_local_subchannel_pool': 1,
  // This client decides what is sent again; gRPC retries only calls that no server has received.
  'grpc.service_config_disable_resolution': 1,
  // The gateway limits what it sends, and one event may be larger than gRPC's default of 4 MiB.
  'grpc.max_receive_message_length': -1,
  // A few pages of events on their way: with HTTP/2's 64 KiB, latency would limit the throughput.
  'grpc-node.flow_control_window': 1 << 20,
  // A connection that goes silent holds its calls for 10 s at most, so that an append has time for another attempt.
  'grpc.keepalive_time_ms': 5_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // Reconnects to a restarted gateway within seconds; gRPC's default backoff grows to two minutes.
  'grpc.initial_reconnect_backoff_ms': 250,
  'grpc.max_reconnect_backoff_ms': 5_000,
};

/**
 * Connects with the first call, which goes to one of the addresses. Throws the error of grpc-js for an address, certificate or metadata that is not valid, and a TypeError
 * for a token that cannot be sent.
 */
export function openChannel(address: string | readonly string[], options: ConnectOptions): Channel {
  const addresses = typeof address === 'string' ? [address] : address;
  const target = targetOf(addresses);
  const { appendAttemptsMax = defaultAppendAttemptsMax } = options;
  if (!(appendAttemptsMax >= 1))
    throw new RangeError(`appendAttemptsMax must be at least 1; found ${appendAttemptsMax}`);
  const closing = new AbortController();
  setMaxListeners(0, closing.signal); // one for each subscription
  const credentials = credentialsOf(addresses, options, closing.signal);
  const security = securityOf(addresses, options.tls);
  const makeClient = (): Client =>
    new Client(target, security.credentials, {
      ...defaultChannelOptions,
      ...(addresses.length > 1 && inTurn),
      ...security.channelOptions,
      ...options.channelOptions,
      ...credentials.channelOptions,
    });
  let client = makeClient();
  return {
    get client() {
      closing.signal.throwIfAborted();
      return client;
    },
    closed: closing.signal,
    metadata: credentials.metadata,
    tokens: credentials.tokens,
    deadlineMs: options.deadlineMs ?? defaultDeadlineMs,
    appendAttemptsMax,
    recordTraceContext: options.recordTraceContext ?? false,
    leave(silent) {
      if (client !== silent || closing.signal.aborted) return;
      client = makeClient();
      silent.close();
    },
    close() {
      closing.abort(new CancelledError({ message: 'the client is closed', status: status.CANCELLED }));
      client.close();
    },
  };
}

interface Credentials {
  readonly metadata: Metadata;
  readonly tokens?: TokenSource;
  readonly channelOptions?: Readonly<Record<string, number>>;
}

function credentialsOf(
  addresses: readonly string[],
  { token, tls, metadata: given, deadlineMs = defaultDeadlineMs }: ConnectOptions,
  closed: AbortSignal,
): Credentials {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(given ?? {})) metadata.set(key, value);
  if (token === undefined) return { metadata };
  if (metadata.get('authorization').length > 0)
    throw new TypeError('token and metadata cannot both have the authorization of a call');
  const far = tls === undefined ? addresses.find((address) => !isLocal(address)) : undefined;
  if (far !== undefined)
    throw new TypeError(
      `a token is not sent to ${far} in plain text: use tls, or an address of this machine (loopback, localhost or unix:/path)`,
    );
  // In plain text, not even this machine is reached by way of a proxy.
  const channelOptions = tls === undefined ? { 'grpc.enable_http_proxy': 0 } : {};
  if (typeof token !== 'function') return { metadata: withBearer(metadata, token), channelOptions };
  const askMsMax = Number.isFinite(deadlineMs) ? deadlineMs : defaultDeadlineMs;
  return { metadata, tokens: new TokenSource(token, metadata, askMsMax, closed), channelOptions };
}
