import { defaultLimits, type Limits } from '../limits';
import { integer } from './setting-values';

/** The limits that can be set. */
export const limitSettings = {
  appendEventsMax: limit('appendEventsMax', 1, 250_000, 'Events in one append.'),
  appendBytesMax: limit('appendBytesMax', 1_024, 64 << 20, 'Bytes of one append as stored.'),
  eventBytesMax: limit(
    'eventBytesMax',
    1_024,
    64 << 20,
    'Bytes of one event as stored; max_payload of the NATS server is a bound as well.',
  ),
  appendsMax: limit('appendsMax', 1, 1_000_000, 'Appends under way in the gateway.'),
  appendsBytesMax: limit('appendsBytesMax', 1_024, 2 ** 40, 'Bytes of all appends under way.'),
  connectionAppendsMax: limit(
    'connectionAppendsMax',
    1,
    1_000_000,
    'Appends under way of one client connection.',
  ),
  connectionAppendsBytesMax: limit(
    'connectionAppendsBytesMax',
    1_024,
    2 ** 40,
    'Bytes of all appends under way of one client connection.',
  ),
  streamQueueMax: limit('streamQueueMax', 1, 1_000_000, 'Appends that may wait for one stream.'),
  sessionsMax: limit('sessionsMax', 1, 1_000_000, 'Append sessions open in the gateway.'),
  connectionSessionsMax: limit(
    'connectionSessionsMax',
    1,
    1_000_000,
    'Append sessions of one client connection. Not set: half of --sessions-max.',
  ),
  readsMax: limit('readsMax', 1, 1_000_000, 'Reads under way in the gateway.'),
  connectionReadsMax: limit(
    'connectionReadsMax',
    1,
    1_000_000,
    'Reads of one client connection. Not set: half of --reads-max.',
  ),
  subscriptionsMax: limit('subscriptionsMax', 1, 1_000_000, 'Subscriptions open in the gateway.'),
  connectionSubscriptionsMax: limit(
    'connectionSubscriptionsMax',
    1,
    1_000_000,
    'Subscriptions of one client connection. Not set: half of --subscriptions-max.',
  ),
  groupsMax: limit('groupsMax', 1, 100_000, 'Consumer groups of the store.'),
  groupMembersMax: limit('groupMembersMax', 1, 10_000, 'Members of one consumer group, on all gateways.'),
  membersMax: limit('membersMax', 1, 1_000_000, 'Members of consumer groups on this gateway.'),
  connectionMembersMax: limit(
    'connectionMembersMax',
    1,
    1_000_000,
    'Such members of one client connection. Not set: half of --members-max.',
  ),
  groupBytesMax: limit(
    'groupBytesMax',
    1_024,
    2 ** 40,
    'Bytes of events that members of one consumer group have or wait for, on this gateway.',
  ),
  groupsBytesMax: limit('groupsBytesMax', 1_024, 2 ** 40, 'The same for all consumer groups.'),
  lookupsMax: limit(
    'lookupsMax',
    1,
    1_000_000,
    'Calls of GetVersion, GetCommit and GetServerInfo under way in the gateway.',
  ),
  connectionLookupsMax: limit(
    'connectionLookupsMax',
    1,
    1_000_000,
    'Such calls of one client connection. Not set: half of --lookups-max.',
  ),
  headCacheEntriesMax: limit(
    'headCacheEntriesMax',
    1,
    100_000_000,
    'Streams whose version the gateway remembers.',
  ),
  replicaBytesMax: limit(
    'replicaBytesMax',
    64 << 20,
    2 ** 40,
    'Bytes of the events in the replica of the log, without its index; older events are read from NATS.',
  ),
  connectionStreamsMax: limit(
    'connectionStreamsMax',
    1,
    1_000_000,
    'Calls under way on one client connection.',
  ),
  connectionsMax: limit(
    'connectionsMax',
    1,
    1_000_000,
    'Client connections; the file descriptors of the process are a bound as well.',
  ),
  connectionIdleMs: limit(
    'connectionIdleMs',
    1_000,
    2_000_000_000,
    'How long a client connection may be without calls, in milliseconds.',
  ),
  connectionAgeMaxMs: limit(
    'connectionAgeMaxMs',
    0,
    2_000_000_000,
    'Age in milliseconds at which a client connection ends, so that clients spread over gateways again; 0: never.',
  ),
  connectionAgeGraceMs: limit(
    'connectionAgeGraceMs',
    1_000,
    2_000_000_000,
    'How long calls of a connection that ends for its age may continue, in milliseconds.',
  ),
  callsMax: limit('callsMax', 1, 1_000_000, 'Calls open in the gateway.'),
  heldBytesMax: limit(
    'heldBytesMax',
    1_024,
    2 ** 40,
    'Bytes of requests that have arrived and are not processed yet.',
  ),
  appendTimeoutMs: limit('appendTimeoutMs', 100, 3_600_000, 'How long an append may take, in milliseconds.'),
  requestTimeoutMs: limit(
    'requestTimeoutMs',
    100,
    3_600_000,
    'How long one request to NATS may take, in milliseconds.',
  ),
  readStallTimeoutMs: limit(
    'readStallTimeoutMs',
    100,
    86_400_000,
    'Time in milliseconds over which --read-bytes-per-second-min is measured, while messages wait.',
  ),
  readBytesPerSecondMin: limit(
    'readBytesPerSecondMin',
    1,
    2 ** 30,
    'Bytes a second that a caller must take of the messages of a read that wait for it.',
  ),
  drainWaitMs: limit(
    'drainWaitMs',
    0,
    3_600_000,
    'How long a stop goes on accepting calls while health is NOT_SERVING, in milliseconds, for load balancers.',
  ),
  shutdownTimeoutMs: limit(
    'shutdownTimeoutMs',
    0,
    3_600_000,
    'How long a stop waits for calls under way, in milliseconds.',
  ),
} as const;

function limit(key: keyof Limits, min: number, max: number, description: string) {
  const byDefault: string = defaultLimits[key].toString();
  return { group: 'limits', default: byDefault, schema: integer(min, max), description } as const;
}
