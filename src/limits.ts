import { accessLimits, type AccessLimits } from './access-limits';
import { groupLimits, type GroupLimits } from './group-limits';
import { httpLimits, type HttpLimits } from './http-limits';
import { requestLimits, type RequestLimits } from './request-limits';

/**
 * Every limit of the gateway, with its reason; four parts have files of their own. The unit is the last word of the name.
 * docs/configuration.md lists all of them, `--print-config` shows those in force, and GetServerInfo shows those that a caller can
 * act on. Only `eventBytesMax` also depends on the NATS server.
 */
export interface Limits extends AccessLimits, GroupLimits, HttpLimits, RequestLimits {
  /** Events in one Append: a commit must not occupy the thread of the gateway for long. */
  readonly appendEventsMax: number;
  /** Bytes of one Append as stored: a reader holds a whole commit in memory, because a commit is never split. */
  readonly appendBytesMax: number;
  /** Bytes of one event as stored: at most the `max_payload` of the NATS server, less the bytes of the headers. */
  readonly eventBytesMax: number;
  /** Bytes of one event's metadata, keys and values together. */
  readonly metadataBytesMax: number;
  /** Metadata entries of one event. */
  readonly metadataEntriesMax: number;
  /** Tags of one event, and of one item of a query: each is an entry of the index. */
  readonly tagsMax: number;
  /** Bytes of a tag. */
  readonly tagBytesMax: number;
  /** Items of one query: each is looked up by itself. */
  readonly queryItemsMax: number;
  /** Bytes of a stream name: it becomes a NATS subject, which the server keeps in memory. */
  readonly streamNameBytesMax: number;
  /** Tokens of a stream name: the cost of JetStream's subject tree grows with its depth. */
  readonly streamNameTokensMax: number;
  /** Bytes of a type, content type or metadata key. */
  readonly labelBytesMax: number;
  /** Characters of an event, correlation or causation id. */
  readonly idCharsMax: number;
  /** Event types in one filter. */
  readonly filterTypesMax: number;
  /** Patterns of stream names in one request: each is matched against every commit. */
  readonly filterPatternsMax: number;
  /** Bytes of events in one response message, except a single larger event: the unit of backpressure. */
  readonly pageBytesMax: number;
  /**
   * Bytes of requested messages that may be in transit on one NATS connection. When 64 MiB wait to be sent (`max_pending`),
   * nats-server ends the connection and with it all requests. It counts what it is writing until all of it is written, while
   * new requests follow what has arrived: hence less than half of that, with space for headers.
   */
  readonly fetchesBytesMax: number;
  /** Appends that may wait for one stream: a hot stream must not use up the whole gateway. */
  readonly streamQueueMax: number;
  /** Appends under way in the gateway. */
  readonly appendsMax: number;
  /** Bytes of all appends under way in the gateway. */
  readonly appendsBytesMax: number;
  /** Streams that one transaction writes: each is a message of an atomic batch, and other appends wait for the batch. */
  readonly transactionStreamsMax: number;
  /** Streams that one transaction only checks: each is a message as well. */
  readonly transactionChecksMax: number;
  /** Appends under way on one client connection, in sessions or not: a greedy caller must leave capacity for others. */
  readonly connectionAppendsMax: number;
  /** Bytes of these appends, except a single larger append. */
  readonly connectionAppendsBytesMax: number;
  /** Atomic batches under way on one NATS connection: nats-server accepts 50 for a log, from all gateways. */
  readonly openBatchesMax: number;
  /** Events that one erasure covers: the gateway overwrites them in its replica while other calls wait. */
  readonly eraseEventsMax: number;
  /** Append sessions open in the gateway: each holds up to `sessionBytesMax`. */
  readonly sessionsMax: number;
  /** Append sessions of one client connection: one caller alone must not use up the bound for all. */
  readonly connectionSessionsMax: number;
  /** Appends that one session has under way: at most what its stream and its connection may have, so that none is refused. */
  readonly sessionAppendsMax: number;
  /** Bytes of these appends as they will be stored, except a single larger append. */
  readonly sessionBytesMax: number;
  /** Reads under way in the gateway: each holds some pages. */
  readonly readsMax: number;
  /** Reads of one client connection: one caller alone must not use up the bound for all. */
  readonly connectionReadsMax: number;
  /** Subscriptions open in the gateway: each needs about 20 KiB even while nothing happens. */
  readonly subscriptionsMax: number;
  /** Subscriptions of one client connection: one caller alone must not use up the bound for all. */
  readonly connectionSubscriptionsMax: number;
  /** Calls of GetVersion, GetCommit and GetServerInfo under way in the gateway: each waits for NATS. */
  readonly lookupsMax: number;
  /** Such calls of one client connection: one caller alone must not use up the bound for all. */
  readonly connectionLookupsMax: number;
  /** Bytes that wait for one subscriber, except a single larger event: thousands may be slow at the same time. */
  readonly subscriptionBytesMax: number;
  /** Bytes that wait for all subscribers, divided among them: at least 4 KiB for each. */
  readonly subscriptionsBytesMax: number;
  /** Bytes that all subscriptions that read from the disk hold at a time, divided among them. */
  readonly catchUpBytesMax: number;
  /** Bytes of the newest commits in memory for subscribers: a subscriber that is further behind reads from the disk. */
  readonly tailBytesMax: number;
  /** Bytes of one file of the replica of the log. */
  readonly segmentBytesMax: number;
  /** Bytes of the events in the replica of the log, without its index: older events are read from NATS on demand. */
  readonly replicaBytesMax: number;
  /** The shortest interval of heartbeats that a subscriber may ask for. */
  readonly heartbeatIntervalMinMs: number;
  /** The longest such interval. */
  readonly heartbeatIntervalMaxMs: number;
  /** How long an append may take, even if the caller sets no deadline or a longer one. */
  readonly appendTimeoutMs: number;
  /** How long one request to NATS may take. */
  readonly requestTimeoutMs: number;
  /** How long a read or a subscription waits for NATS to make progress before it fails. */
  readonly readProgressTimeoutMs: number;
  /** The time over which `readBytesPerSecondMin` is measured; only time in which messages wait for the caller counts. */
  readonly readStallTimeoutMs: number;
  /** What a caller must take of what waits for it, so that it keeps no slot with a byte a minute. What was sent together counts together. */
  readonly readBytesPerSecondMin: number;
  /** How long the NATS server remembers commit ids, which saves lookups; ids are found without that as well. */
  readonly duplicateWindowMs: number;
  /** Streams whose version the gateway remembers. */
  readonly headCacheEntriesMax: number;
  /** How old the data of GetServerInfo may be: frequent calls cost NATS one request a second. */
  readonly serverInfoAgeMaxMs: number;
  /** How often the gateway looks for streams that mirror the log: a listing goes to every server of a cluster. */
  readonly mirrorsIntervalMs: number;
  /** How often the gateway looks for messages that were hidden or erased, and removes them from the log. 0: never. */
  readonly sweepIntervalMs: number;
  /** Messages that it removes in a second: appends and reads come first. */
  readonly sweepMessagesPerSecondMax: number;
  /** How often the gateway pings the server of a silent NATS connection. */
  readonly natsPingIntervalMs: number;
  /** Pings without an answer; after one more the gateway reconnects. */
  readonly natsPingsMax: number;
  /**
   * How long one attempt to connect to a NATS server may take: another server may be reachable. A connection that ends before
   * its greeting is only noticed then, and an append must survive several such attempts.
   */
  readonly natsDialTimeoutMs: number;
  /** Bytes that appends leave free on the disk of the embedded nats-server: on a full disk it does not answer any more. */
  readonly diskReserveBytes: number;
  /** Messages of the log that are not commits and that the gateway remembers: anyone may publish any number of them. */
  readonly unreadableRememberedMax: number;
  /** How often the gateway pings a client connection: a dead connection must not keep its calls. */
  readonly keepaliveIntervalMs: number;
  /** How long the answer to such a ping may take before the connection is closed. */
  readonly keepaliveTimeoutMs: number;
  /** How long a stop goes on accepting calls, with health at NOT_SERVING: load balancers need it to send calls elsewhere. */
  readonly drainWaitMs: number;
  /** How long the replica may have been behind the log while `/readyz` still says that the gateway is ready. */
  readonly readyLagMaxMs: number;
  /** How long a graceful stop waits for calls under way. */
  readonly shutdownTimeoutMs: number;
}

export const defaultLimits: Limits = {
  appendEventsMax: 10_000,
  appendBytesMax: 8 << 20,
  eventBytesMax: 1 << 20,
  metadataBytesMax: 65_536,
  metadataEntriesMax: 64,
  tagsMax: 16,
  tagBytesMax: 128,
  queryItemsMax: 64,
  streamNameBytesMax: 200,
  streamNameTokensMax: 16,
  labelBytesMax: 200,
  idCharsMax: 128,
  filterTypesMax: 64,
  filterPatternsMax: 16,
  pageBytesMax: 256 << 10,
  fetchesBytesMax: 28 << 20,
  streamQueueMax: 1_024,
  appendsMax: 8_192,
  appendsBytesMax: 64 << 20,
  transactionStreamsMax: 100,
  transactionChecksMax: 100,
  openBatchesMax: 16,
  eraseEventsMax: 10_000,
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
  ...requestLimits,
  headCacheEntriesMax: 100_000,
  serverInfoAgeMaxMs: 1_000,
  mirrorsIntervalMs: 60_000,
  sweepIntervalMs: 60_000,
  sweepMessagesPerSecondMax: 2_000,
  natsPingIntervalMs: 5_000,
  natsPingsMax: 2,
  natsDialTimeoutMs: 2_000,
  diskReserveBytes: 32 << 20,
  unreadableRememberedMax: 1_000,
  keepaliveIntervalMs: 30_000,
  keepaliveTimeoutMs: 20_000,
  drainWaitMs: 0,
  readyLagMaxMs: 10_000,
  shutdownTimeoutMs: 10_000,
  ...httpLimits,
  ...accessLimits,
  ...groupLimits,
};

/** The name of a bound in ServerLimits, in metrics and in docs/configuration.md: `appends_max` for `appendsMax`, and without a unit of time. */
export function boundName(key: keyof Limits): string {
  return key.replace(/Ms$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * What one principal may have of a bound in all, even if it has no limit of its own: three quarters, and never the last place, so
 * that it alone cannot shut out all others. Anonymous callers together count as one principal.
 */
export function principalShareOf(total: number): number {
  return Math.max(1, Math.min(total - 1, Math.floor((total * 3) / 4)));
}
