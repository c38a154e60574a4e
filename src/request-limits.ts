/** The limits of requests, calls and connections: the part of `Limits` (limits.ts) that concerns what callers send. */
export interface RequestLimits {
  /** Bytes of one gRPC request message: twice the largest append, so that its error names the field, and at least 256 KiB. */
  readonly requestBytesMax: number;
  /**
   * Fields in one gRPC request message, including those of nested messages: what takes 2 bytes on the wire can take a hundred
   * in memory, and all calls wait while a message is decoded.
   */
  readonly requestFieldsMax: number;
  /** Bytes of one gRPC request message of a call that appends nothing: the longest filter without a query needs less than half of it. */
  readonly queryBytesMax: number;
  /** Bytes that one connection has sent, inflated, and that are not processed yet, except a single larger message. */
  readonly connectionHeldBytesMax: number;
  /** The same for all connections: above it, messages of the connections that hold most are refused. */
  readonly heldBytesMax: number;
  /** How long a caller may take for `requestStallBytes` of a request, or for all of a shorter one. */
  readonly requestStallTimeoutMs: number;
  /** The part of a longer request that must arrive in that time: a slower caller only occupies memory. */
  readonly requestStallBytes: number;
  /** Compressed messages that are inflated at a time: each needs a thread. */
  readonly inflatesMax: number;
  /**
   * Calls whose callers are being identified, because a signature has to be verified, and at most an eighth of `callsMax`: above
   * it, one of the connection that has most is refused.
   */
  readonly identifyingMax: number;
  /** Different JWTs of one connection that are being verified. */
  readonly connectionIdentifyingMax: number;
  /** How long that may take for one call. */
  readonly identifyTimeoutMs: number;
  /** Calls open in the gateway, subscriptions included: each needs some memory before its request is known. */
  readonly callsMax: number;
  /**
   * Calls that one connection may cancel at once, by itself or because its deadline has passed, before it is ended with all of its
   * calls. From Node.js 24 on: earlier versions end it at 1,000, and take 33 more each second.
   */
  readonly connectionCancelsMax: number;
  /** How many more of them it may cancel each second. */
  readonly connectionCancelsPerSecond: number;
  /** Appends in one message of a session: more go into the next one. */
  readonly sessionMessageAppendsMax: number;
  /** How long a session may start waiting appends before other calls run. */
  readonly sessionSliceMs: number;
  /** Bytes of the metadata of one gRPC request. */
  readonly requestMetadataBytesMax: number;
  /** Calls under way on one client connection, as streams of HTTP/2. */
  readonly connectionStreamsMax: number;
  /** Client connections: each needs a file descriptor and some memory. */
  readonly connectionsMax: number;
  /** File descriptors that are not for client connections: for NATS, the embedded nats-server and the log. */
  readonly descriptorsReserved: number;
  /** How long a client connection may take for the handshakes of TLS and HTTP/2. */
  readonly greetingTimeoutMs: number;
  /** How long a client connection may be without calls: clients open another one when they need it. */
  readonly connectionIdleMs: number;
  /** The age at which a client connection ends, so that clients spread over gateways again; 0: it does not end. */
  readonly connectionAgeMaxMs: number;
  /** How long calls of a connection that ends may continue. */
  readonly connectionAgeGraceMs: number;
}

export const requestLimits: RequestLimits = {
  requestBytesMax: 16 << 20,
  requestFieldsMax: 500_000,
  queryBytesMax: 64 << 10,
  connectionHeldBytesMax: 32 << 20,
  heldBytesMax: 128 << 20,
  requestStallTimeoutMs: 10_000,
  requestStallBytes: 64 << 10,
  inflatesMax: 2,
  identifyingMax: 1_024,
  connectionIdentifyingMax: 16,
  identifyTimeoutMs: 5_000,
  callsMax: 20_000,
  connectionCancelsMax: 50_000,
  connectionCancelsPerSecond: 5_000,
  sessionMessageAppendsMax: 10_000,
  sessionSliceMs: 10,
  requestMetadataBytesMax: 16 << 10,
  connectionStreamsMax: 1_000,
  connectionsMax: 10_000,
  descriptorsReserved: 256,
  greetingTimeoutMs: 10_000,
  connectionIdleMs: 600_000,
  connectionAgeMaxMs: 0,
  connectionAgeGraceMs: 60_000,
};
