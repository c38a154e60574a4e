/**
 * The messages of the contract in JSON, as far as the console uses them: proto/sluice/v1 says what they mean. 64-bit numbers are
 * strings, bytes are base64, and what has its default is absent. A test compares the fields with those of the contract.
 */
type Uint64 = string;
type Timestamp = string;
type Duration = string;

export interface RecordedEvent {
  id?: string;
  stream?: string;
  version?: Uint64;
  type?: string;
  binary?: string;
  text?: string;
  contentType?: string;
  correlationId?: string;
  causationId?: string;
  tags?: string[];
  metadata?: Record<string, string>;
  position?: Uint64;
  commitTime?: Timestamp;
  erased?: boolean;
}

export interface Event {
  type: string;
  text?: string;
  contentType?: string;
  tags?: string[];
}

export interface QueryItem {
  eventTypes?: string[];
  tags?: string[];
}

export interface Query {
  items?: QueryItem[];
}

export interface PageHint {
  eventsMax?: number;
  bytesMax?: number;
}

export interface ReadEnd {
  reason?: 'READ_END_REASON_COMPLETE' | 'READ_END_REASON_MAX_COUNT';
  eventCount?: Uint64;
}

export type StreamState = 'STREAM_STATE_ACTIVE' | 'STREAM_STATE_DELETED' | 'STREAM_STATE_TOMBSTONED';

export interface ReadStreamRequest {
  stream: string;
  fromVersion?: Uint64;
  toVersion?: Uint64;
  direction?: 'DIRECTION_BACKWARD';
  maxCount?: Uint64;
  fromTime?: Timestamp;
  toTime?: Timestamp;
  eventTypes?: string[];
  page?: PageHint;
}

export interface ReadStreamHeader {
  stream?: string;
  version?: Uint64;
  position?: Uint64;
  commitTime?: Timestamp;
  firstVersion?: Uint64;
  state?: StreamState;
}

export interface ReadStreamResponse {
  events?: RecordedEvent[];
  header?: ReadStreamHeader;
  end?: ReadEnd;
}

export interface GetVersionRequest {
  stream: string;
  asOf?: Timestamp;
}

export interface GetVersionResponse {
  version?: Uint64;
  position?: Uint64;
  commitTime?: Timestamp;
  firstVersion?: Uint64;
  state?: StreamState;
}

export interface ReadByCorrelationRequest {
  correlationId: string;
  maxCount?: Uint64;
}

export interface ReadByCorrelationHeader {
  position?: Uint64;
  limitedToGrants?: boolean;
}

export interface ReadByCorrelationResponse {
  events?: RecordedEvent[];
  header?: ReadByCorrelationHeader;
  end?: ReadEnd;
}

export interface ReadAllRequest {
  patterns?: string[];
  afterPosition?: Uint64;
  toPosition?: Uint64;
  direction?: 'DIRECTION_BACKWARD';
  maxCount?: Uint64;
  page?: PageHint;
  skipUnreadable?: boolean;
  permittedOnly?: boolean;
  query?: Query;
}

export interface ReadAllHeader {
  position?: Uint64;
  storeId?: string;
}

export interface ReadAllResponse {
  events?: RecordedEvent[];
  header?: ReadAllHeader;
  end?: ReadEnd;
  position?: Uint64;
}

export interface SubscribeRequest {
  stream?: string;
  patterns?: string[];
  afterPosition?: Uint64;
  afterCount?: Uint64;
  afterVersion?: Uint64;
  fromNow?: boolean;
  eventTypes?: string[];
  heartbeatInterval?: Duration;
  skipUnreadable?: boolean;
  permittedOnly?: boolean;
}

export interface Heartbeat {
  headPosition?: Uint64;
  lag?: Uint64;
}

export interface SubscribeResponse {
  events?: RecordedEvent[];
  position?: Uint64;
  heartbeat?: Heartbeat;
  caughtUp?: object;
  fellBehind?: object;
  draining?: object;
  storeId?: string;
}

export interface ListStreamsRequest {
  pattern?: string;
  after?: string;
  maxCount?: Uint64;
  permittedOnly?: boolean;
  includeDeleted?: boolean;
}

export interface StreamSummary {
  stream?: string;
  version?: Uint64;
  position?: Uint64;
  commitTime?: Timestamp;
  unreadable?: boolean;
  firstVersion?: Uint64;
  state?: StreamState;
  hasControls?: boolean;
}

export interface ListStreamsResponse {
  streams?: StreamSummary[];
}

export interface AppendRequest {
  stream: string;
  events?: Event[];
  expectedVersion?: Uint64;
  mustExist?: boolean;
  commitId?: string;
  condition?: AppendCondition;
}

export interface AppendCondition {
  query: Query;
  afterPosition?: Uint64;
  withinStream?: string;
}

export interface AppendResponse {
  version?: Uint64;
  firstVersion?: Uint64;
  position?: Uint64;
  replayed?: boolean;
}

export interface Retention {
  maxCount?: Uint64;
  maxAge?: Duration;
}

export interface ErasedRange {
  fromVersion?: Uint64;
  toVersion?: Uint64;
  commitTime?: Timestamp;
  principal?: string;
  reason?: string;
  position?: Uint64;
}

export interface StreamDescription {
  stream?: string;
  state?: StreamState;
  version?: Uint64;
  firstVersion?: Uint64;
  position?: Uint64;
  commitTime?: Timestamp;
  truncatedBefore?: Uint64;
  retention?: Retention;
  controlPosition?: Uint64;
  erased?: ErasedRange[];
}

export interface GetStreamRequest {
  stream: string;
}

export interface GetStreamResponse {
  stream?: StreamDescription;
}

export interface TruncateStreamRequest {
  stream: string;
  beforeVersion: Uint64;
  expectedVersion?: Uint64;
}

export interface DeleteStreamRequest {
  stream: string;
  expectedVersion?: Uint64;
}

export interface TombstoneStreamRequest {
  stream: string;
  expectedVersion?: Uint64;
}

export interface EraseEventsRequest {
  stream: string;
  fromVersion: Uint64;
  toVersion: Uint64;
  reason: string;
  expectedVersion?: Uint64;
}

/** The response of each change of StreamService. */
export interface TruncateStreamResponse {
  stream?: StreamDescription;
  changed?: boolean;
  commitId?: string;
}

export interface GroupSettings {
  patterns?: string[];
  eventTypes?: string[];
  eventTypePrefixes?: string[];
  lanes?: number;
  attemptsMax?: number;
  backoffMin?: Duration;
  backoffMax?: Duration;
  ackTimeout?: Duration;
  handoverTimeout?: Duration;
  parkedMax?: number;
  parkFollowing?: boolean;
  skipUnreadable?: boolean;
}

export interface Group {
  name?: string;
  settings?: GroupSettings;
  startPosition?: Uint64;
  revision?: Uint64;
  createTime?: Timestamp;
}

export interface ListGroupsRequest {
  after?: string;
  maxCount?: number;
}

export interface ListGroupsResponse {
  groups?: Group[];
}

export interface GetGroupRequest {
  group: string;
}

export interface Lane {
  number?: number;
  member?: string;
  floorPosition?: Uint64;
  cursorPosition?: Uint64;
  lag?: Uint64;
  oldestTime?: Timestamp;
  streamsWaiting?: number;
}

export interface Member {
  id?: string;
  lanes?: number[];
  maxInFlight?: number;
  gateway?: string;
}

export interface GetGroupResponse {
  group?: Group;
  lanes?: Lane[];
  members?: Member[];
  parkedCount?: number;
  headPosition?: Uint64;
}

export interface ListParkedRequest {
  group: string;
  stream?: string;
  maxCount?: number;
  withEvents?: boolean;
}

export interface ParkedEvent {
  stream?: string;
  version?: Uint64;
  position?: Uint64;
  eventId?: string;
  type?: string;
  reason?: string;
  attempts?: number;
  parkTime?: Timestamp;
  following?: boolean;
  replaying?: boolean;
}

export interface ListParkedResponse {
  parked?: ParkedEvent[];
}

export interface ReplayParkedRequest {
  group: string;
  stream?: string;
  version?: Uint64;
}

export interface ReplayParkedResponse {
  count?: number;
}
