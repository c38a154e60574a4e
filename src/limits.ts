/**
 * Every bound of the gateway, with its reason. The unit is the last word of the name. docs/configuration.md explains all of
 * them, and GetServerInfo shows those that a caller can act on; `eventBytesMax` alone also depends on the NATS server.
 */
export interface Limits {
  /** Events in one Append: keeps one commit from holding the gateway's thread for long. */
  readonly appendEventsMax: number;
  /** Bytes of one Append as stored: a reader holds a whole commit in memory, since a commit is never split. */
  readonly appendBytesMax: number;
  /** Bytes of one event as stored; never more than the NATS server's max_payload less room for headers. */
  readonly eventBytesMax: number;
  /** Bytes of one event's metadata, keys and values together. */
  readonly metadataBytesMax: number;
  /** Metadata entries of one event. */
  readonly metadataEntriesMax: number;
  /** Tags of one event. */
  readonly tagsMax: number;
  /** Bytes of a stream name: it becomes a NATS subject, which the server keeps in memory. */
  readonly streamNameBytesMax: number;
  /** Tokens of a stream name: JetStream's subject tree costs by depth. */
  readonly streamNameTokensMax: number;
  /** Bytes of a type, content type, tag or metadata key. */
  readonly labelBytesMax: number;
  /** Characters of an event, correlation or causation id. */
  readonly idCharsMax: number;
  /** Event types in one filter. */
  readonly filterTypesMax: number;
  /** Patterns of stream names in one request: each is tried on every commit that passes. */
  readonly filterPatternsMax: number;
  /** Bytes of events in one response message, but for one larger event: the unit of backpressure. */
  readonly pageBytesMax: number;
  /** Bytes that one page asks of NATS: what a read may hold in memory beside one commit. */
  readonly fetchBytesMax: number;
  /** Messages that one page asks of NATS. */
  readonly fetchMessagesMax: number;
  /**
   * Bytes of pages that may be on their way over one NATS connection. At 64 MiB that wait to be sent (`max_pending`),
   * nats-server ends the connection, and with it every read. It counts what it is writing until all of that is written,
   * while what came first of it is answered by new questions: so less than half of that, with room for headers.
   */
  readonly fetchesBytesMax: number;
  /** Appends that may wait for one stream: a hot stream must not take the whole gateway. */
  readonly streamQueueMax: number;
  /** Appends under way in the gateway. */
  readonly appendsMax: number;
  /** Bytes of appends under way in the gateway. */
  readonly appendsBytesMax: number;
  /** Streams that one AppendMulti writes: each is a message of an atomic batch, which holds the store while it is written. */
  readonly transactionStreamsMax: number;
  /** Streams that one AppendMulti only checks: each is a message as well. */
  readonly transactionChecksMax: number;
  /** Appends under way of one client connection, in sessions or not: a greedy caller must leave room for others. */
  readonly connectionAppendsMax: number;
  /** Their bytes, but for one larger append. */
  readonly connectionAppendsBytesMax: number;
  /** Atomic batches under way on one NATS connection: nats-server takes 50 for a log, from all gateways. */
  readonly openBatchesMax: number;
  /** Append sessions open in the gateway: each holds up to `sessionBytesMax`. */
  readonly sessionsMax: number;
  /** Those of one client connection: the last place is never taken by one alone. */
  readonly connectionSessionsMax: number;
  /** Appends that one session has under way: no more than its stream and its connection may, so that none is refused for that. */
  readonly sessionAppendsMax: number;
  /** Bytes, as they will be stored, of the appends that one session has under way, but for one larger append. */
  readonly sessionBytesMax: number;
  /** Reads under way in the gateway: each holds up to `fetchBytesMax`. */
  readonly readsMax: number;
  /** Those of one client connection: the last place is never taken by one alone. */
  readonly connectionReadsMax: number;
  /** Subscriptions open in the gateway: each costs about 20 KiB also while nothing happens. */
  readonly subscriptionsMax: number;
  /** Those of one client connection: the last place is never taken by one alone. */
  readonly connectionSubscriptionsMax: number;
  /** Calls of GetVersion and GetServerInfo under way in the gateway: each waits for NATS. */
  readonly lookupsMax: number;
  /** Those of one client connection: the last place is never taken by one alone. */
  readonly connectionLookupsMax: number;
  /** Bytes that wait for one subscriber, but for one larger event: thousands may be slow at the same time. */
  readonly subscriptionBytesMax: number;
  /** Bytes that wait for all subscribers, divided among them: 4 KiB for each at least. */
  readonly subscriptionsBytesMax: number;
  /** Bytes that all subscriptions which read from the log ask of NATS at a time, divided among them. */
  readonly catchUpBytesMax: number;
  /** Bytes of the newest commits kept in memory for subscribers: who falls behind by more reads from the disk. */
  readonly tailBytesMax: number;
  /** Bytes of one file of the replica of the log. */
  readonly segmentBytesMax: number;
  /** Bytes of the events in the replica of the log, its index aside: what is older is read from NATS when it is asked for. */
  readonly replicaBytesMax: number;
  /** The shortest interval of heartbeats that a subscriber may ask for. */
  readonly heartbeatIntervalMinMs: number;
  /** The longest. */
  readonly heartbeatIntervalMaxMs: number;
  /** How long an append may take, also when the caller sets no deadline or a longer one. */
  readonly appendTimeoutMs: number;
  /** How long GetVersion, ListStreams pages and other single questions to NATS may take. */
  readonly requestTimeoutMs: number;
  /** How long a read waits for NATS to make progress before it fails. */
  readonly readProgressTimeoutMs: number;
  /** The time over which `readBytesPerSecondMin` is measured: only while messages wait for the caller. */
  readonly readStallTimeoutMs: number;
  /**
   * What a caller must take of its messages that wait: who takes a byte a minute must not keep a place. What was sent together
   * counts when all of it is taken.
   */
  readonly readBytesPerSecondMin: number;
  /** How long the NATS server is to remember commit ids, which saves a look for them; they are found without that too. */
  readonly duplicateWindowMs: number;
  /** Bytes of one gRPC request message: twice the largest append, so that its error names the field, and at least 256 KiB. */
  readonly requestBytesMax: number;
  /**
   * Fields in one gRPC request message, those of the messages within included: what takes 2 bytes on the wire can take
   * a hundred in memory, and all calls wait while a message is decoded.
   */
  readonly requestFieldsMax: number;
  /** Bytes of one gRPC request message of calls that append nothing: the longest filter has less than half of it. */
  readonly queryBytesMax: number;
  /** Bytes that one connection has sent, inflated, and that are not dealt with yet, but for one larger message. */
  readonly connectionHeldBytesMax: number;
  /** Those of all connections: beyond it, messages of the connections that hold most are refused. */
  readonly heldBytesMax: number;
  /** How long the caller may take for `requestStallBytes` of a request, or for all of a shorter one. */
  readonly requestStallTimeoutMs: number;
  /** What has to come of a longer request in that time: a caller that is this slow only holds memory. */
  readonly requestStallBytes: number;
  /** Compressed messages that are inflated at a time: each takes a thread. */
  readonly inflatesMax: number;
  /** Calls open in the gateway: more than all subscriptions, and each takes some memory before it is known what it wants. */
  readonly callsMax: number;
  /** Appends in one message of a session: more go into the next one. */
  readonly sessionMessageAppendsMax: number;
  /** How long a session begins appends that have come before other calls have their turn. */
  readonly sessionTurnMs: number;
  /** Bytes of the metadata of one gRPC request. */
  readonly requestMetadataBytesMax: number;
  /** HTTP/2 streams of one client connection. */
  readonly connectionStreamsMax: number;
  /** Client connections: each takes a file descriptor and some memory. */
  readonly connectionsMax: number;
  /** File descriptors that are not for client connections: for NATS, the own nats-server and the log. */
  readonly descriptorsReserved: number;
  /** How long a client connection may take for TLS and the first words of HTTP/2. */
  readonly greetingTimeoutMs: number;
  /** How long a client connection may be without calls: clients open another one when they need it. */
  readonly connectionIdleMs: number;
  /** The age at which a client connection ends, so that clients spread over gateways again; 0: it does not end. */
  readonly connectionAgeMaxMs: number;
  /** How long calls of a connection that ends may go on. */
  readonly connectionAgeGraceMs: number;
  /** Streams whose head version the gateway remembers. */
  readonly headCacheEntriesMax: number;
  /** How old what GetServerInfo tells may be: whoever asks all the time costs NATS no more than one question a second. */
  readonly serverInfoAgeMaxMs: number;
  /** How often a NATS connection that is silent is asked whether the server is still there. */
  readonly natsPingIntervalMs: number;
  /** So many of these questions may be open; with one more the connection is given up. */
  readonly natsPingsMax: number;
  /**
   * How long one attempt to connect to a NATS server may take: another server may answer. The client notices only then that a connection
   * ended before it was greeted, and an append shall survive several of these.
   */
  readonly natsDialTimeoutMs: number;
  /** Bytes of the disk of the own NATS server that appends leave free: a server on a full disk gives no answer any more. */
  readonly diskReserveBytes: number;
  /** Messages of the log that are no commits and that the gateway remembers, to tell of them: somebody may publish any number. */
  readonly unreadableRememberedMax: number;
  /** How often a client connection is asked whether it is still alive: one that died must not keep its calls. */
  readonly keepaliveIntervalMs: number;
  /** How long a client connection may take to answer that before it is closed. */
  readonly keepaliveTimeoutMs: number;
  /** How long a graceful stop waits for calls under way. */
  readonly shutdownTimeoutMs: number;
}

export const defaultLimits: Limits = {
  appendEventsMax: 10_000,
  appendBytesMax: 8 << 20,
  eventBytesMax: 1 << 20,
  metadataBytesMax: 65_536,
  metadataEntriesMax: 64,
  tagsMax: 64,
  streamNameBytesMax: 200,
  streamNameTokensMax: 16,
  labelBytesMax: 200,
  idCharsMax: 128,
  filterTypesMax: 64,
  filterPatternsMax: 16,
  pageBytesMax: 256 << 10,
  fetchBytesMax: 1 << 20,
  fetchMessagesMax: 1_000,
  fetchesBytesMax: 28 << 20,
  streamQueueMax: 1_024,
  appendsMax: 8_192,
  appendsBytesMax: 64 << 20,
  transactionStreamsMax: 100,
  transactionChecksMax: 100,
  openBatchesMax: 16,
  connectionAppendsMax: 2_048,
  connectionAppendsBytesMax: 16 << 20,
  sessionsMax: 256,
  connectionSessionsMax: 128,
  sessionAppendsMax: 512,
  sessionBytesMax: 4 << 20,
  readsMax: 256,
  connectionReadsMax: 128,
  subscriptionsMax: 10_000,
  connectionSubscriptionsMax: 5_000,
  lookupsMax: 4_096,
  connectionLookupsMax: 2_048,
  subscriptionBytesMax: 64 << 10,
  subscriptionsBytesMax: 32 << 20,
  catchUpBytesMax: 64 << 20,
  tailBytesMax: 16 << 20,
  segmentBytesMax: 128 << 20,
  replicaBytesMax: 2 ** 40,
  heartbeatIntervalMinMs: 1_000,
  heartbeatIntervalMaxMs: 3_600_000,
  appendTimeoutMs: 10_000,
  requestTimeoutMs: 10_000,
  readProgressTimeoutMs: 10_000,
  readStallTimeoutMs: 120_000,
  readBytesPerSecondMin: 128,
  duplicateWindowMs: 120_000,
  requestBytesMax: 16 << 20,
  requestFieldsMax: 500_000,
  queryBytesMax: 64 << 10,
  connectionHeldBytesMax: 32 << 20,
  heldBytesMax: 128 << 20,
  requestStallTimeoutMs: 10_000,
  requestStallBytes: 64 << 10,
  inflatesMax: 2,
  callsMax: 20_000,
  sessionMessageAppendsMax: 10_000,
  sessionTurnMs: 10,
  requestMetadataBytesMax: 16 << 10,
  connectionStreamsMax: 1_000,
  connectionsMax: 10_000,
  descriptorsReserved: 256,
  greetingTimeoutMs: 10_000,
  connectionIdleMs: 600_000,
  connectionAgeMaxMs: 0,
  connectionAgeGraceMs: 60_000,
  headCacheEntriesMax: 100_000,
  serverInfoAgeMaxMs: 1_000,
  natsPingIntervalMs: 5_000,
  natsPingsMax: 2,
  natsDialTimeoutMs: 2_000,
  diskReserveBytes: 32 << 20,
  unreadableRememberedMax: 1_000,
  keepaliveIntervalMs: 30_000,
  keepaliveTimeoutMs: 20_000,
  shutdownTimeoutMs: 10_000,
};
