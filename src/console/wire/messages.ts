/**
 * The messages of the contract in JSON, as far as the console uses them: proto/sluice/v1 says what they mean. 64-bit numbers are
 * strings, bytes are base64, and what has its default is absent. A test compares the fields with those of the contract.
 */
type Uint64 = string;
type Timestamp = string;
type Duration = string;

export interface RecordedEvent {
  id?: string | undefined;
  stream?: string | undefined;
  version?: Uint64 | undefined;
  type?: string | undefined;
  binary?: string | undefined;
  text?: string | undefined;
  contentType?: string | undefined;
  correlationId?: string | undefined;
  causationId?: string | undefined;
  tags?: string[] | undefined;
  metadata?: Record<string, string> | undefined;
  position?: Uint64 | undefined;
  commitTime?: Timestamp | undefined;
  erased?: boolean | undefined;
}

export interface Event {
  type: string;
  text?: string | undefined;
  contentType?: string | undefined;
  tags?: string[] | undefined;
}

export interface QueryItem {
  eventTypes?: string[] | undefined;
  tags?: string[] | undefined;
}

export interface Query {
  items?: QueryItem[] | undefined;
}

export interface PageHint {
  eventsMax?: number | undefined;
  bytesMax?: number | undefined;
}

export interface ReadEnd {
  reason?: 'READ_END_REASON_COMPLETE' | 'READ_END_REASON_MAX_COUNT' | undefined;
  eventCount?: Uint64 | undefined;
}

export type StreamState = 'STREAM_STATE_ACTIVE' | 'STREAM_STATE_DELETED' | 'STREAM_STATE_TOMBSTONED';

export interface ReadStreamRequest {
  stream: string;
  fromVersion?: Uint64 | undefined;
  toVersion?: Uint64 | undefined;
  direction?: 'DIRECTION_BACKWARD' | undefined;
  maxCount?: Uint64 | undefined;
  fromTime?: Timestamp | undefined;
  toTime?: Timestamp | undefined;
  eventTypes?: string[] | undefined;
  page?: PageHint | undefined;
}

export interface ReadStreamHeader {
  stream?: string | undefined;
  version?: Uint64 | undefined;
  position?: Uint64 | undefined;
  commitTime?: Timestamp | undefined;
  firstVersion?: Uint64 | undefined;
  state?: StreamState | undefined;
}

export interface ReadStreamResponse {
  events?: RecordedEvent[] | undefined;
  header?: ReadStreamHeader | undefined;
  end?: ReadEnd | undefined;
}

export interface GetVersionRequest {
  stream: string;
  asOf?: Timestamp | undefined;
}

export interface GetVersionResponse {
  version?: Uint64 | undefined;
  position?: Uint64 | undefined;
  commitTime?: Timestamp | undefined;
  firstVersion?: Uint64 | undefined;
  state?: StreamState | undefined;
}

export interface GetCommitRequest {
  commitId: string;
}

export interface StreamAppended {
  stream?: string | undefined;
  version?: Uint64 | undefined;
  firstVersion?: Uint64 | undefined;
}

export interface GetCommitResponse {
  position?: Uint64 | undefined;
  commitTime?: Timestamp | undefined;
  streams?: StreamAppended[] | undefined;
}

export interface ReadByCorrelationRequest {
  correlationId: string;
  maxCount?: Uint64 | undefined;
}

export interface ReadByCorrelationHeader {
  position?: Uint64 | undefined;
  limitedToGrants?: boolean | undefined;
}

export interface ReadByCorrelationResponse {
  events?: RecordedEvent[] | undefined;
  header?: ReadByCorrelationHeader | undefined;
  end?: ReadEnd | undefined;
}

export interface ReadAllRequest {
  patterns?: string[] | undefined;
  afterPosition?: Uint64 | undefined;
  toPosition?: Uint64 | undefined;
  fromTime?: Timestamp | undefined;
  toTime?: Timestamp | undefined;
  direction?: 'DIRECTION_BACKWARD' | undefined;
  maxCount?: Uint64 | undefined;
  page?: PageHint | undefined;
  skipUnreadable?: boolean | undefined;
  permittedOnly?: boolean | undefined;
  query?: Query | undefined;
}

export interface ReadAllHeader {
  position?: Uint64 | undefined;
  storeId?: string | undefined;
}

export interface ReadAllResponse {
  events?: RecordedEvent[] | undefined;
  header?: ReadAllHeader | undefined;
  end?: ReadEnd | undefined;
  position?: Uint64 | undefined;
}

export interface SubscribeRequest {
  stream?: string | undefined;
  patterns?: string[] | undefined;
  afterPosition?: Uint64 | undefined;
  afterCount?: Uint64 | undefined;
  afterVersion?: Uint64 | undefined;
  fromNow?: boolean | undefined;
  eventTypes?: string[] | undefined;
  heartbeatInterval?: Duration | undefined;
  skipUnreadable?: boolean | undefined;
  permittedOnly?: boolean | undefined;
}

export interface Heartbeat {
  headPosition?: Uint64 | undefined;
  lag?: Uint64 | undefined;
}

export interface SubscribeResponse {
  events?: RecordedEvent[] | undefined;
  position?: Uint64 | undefined;
  heartbeat?: Heartbeat | undefined;
  caughtUp?: object | undefined;
  fellBehind?: object | undefined;
  draining?: object | undefined;
  storeId?: string | undefined;
}

export interface ListStreamsRequest {
  pattern?: string | undefined;
  after?: string | undefined;
  maxCount?: Uint64 | undefined;
  permittedOnly?: boolean | undefined;
  includeDeleted?: boolean | undefined;
}

export interface StreamSummary {
  stream?: string | undefined;
  version?: Uint64 | undefined;
  position?: Uint64 | undefined;
  commitTime?: Timestamp | undefined;
  unreadable?: boolean | undefined;
  firstVersion?: Uint64 | undefined;
  state?: StreamState | undefined;
  hasControls?: boolean | undefined;
}

export interface ListStreamsResponse {
  streams?: StreamSummary[] | undefined;
}

export interface AppendRequest {
  stream: string;
  events?: Event[] | undefined;
  expectedVersion?: Uint64 | undefined;
  mustExist?: boolean | undefined;
  commitId?: string | undefined;
  condition?: AppendCondition | undefined;
  validateOnly?: boolean | undefined;
}

export interface AppendCondition {
  query: Query;
  afterPosition?: Uint64 | undefined;
  withinStream?: string | undefined;
}

export interface AppendResponse {
  version?: Uint64 | undefined;
  firstVersion?: Uint64 | undefined;
  position?: Uint64 | undefined;
  replayed?: boolean | undefined;
}

export interface Retention {
  maxCount?: Uint64 | undefined;
  maxAge?: Duration | undefined;
}

export interface ErasedRange {
  fromVersion?: Uint64 | undefined;
  toVersion?: Uint64 | undefined;
  commitTime?: Timestamp | undefined;
  principal?: string | undefined;
  reason?: string | undefined;
  position?: Uint64 | undefined;
}

export interface StreamDescription {
  stream?: string | undefined;
  state?: StreamState | undefined;
  version?: Uint64 | undefined;
  firstVersion?: Uint64 | undefined;
  position?: Uint64 | undefined;
  commitTime?: Timestamp | undefined;
  truncatedBefore?: Uint64 | undefined;
  retention?: Retention | undefined;
  controlPosition?: Uint64 | undefined;
  erased?: ErasedRange[] | undefined;
}

export interface GetStreamRequest {
  stream: string;
}

export interface GetStreamResponse {
  stream?: StreamDescription | undefined;
}

export interface TruncateStreamRequest {
  stream: string;
  beforeVersion: Uint64;
  expectedVersion?: Uint64 | undefined;
}

export interface DeleteStreamRequest {
  stream: string;
  expectedVersion?: Uint64 | undefined;
}

export interface TombstoneStreamRequest {
  stream: string;
  expectedVersion?: Uint64 | undefined;
}

export interface EraseEventsRequest {
  stream: string;
  fromVersion: Uint64;
  toVersion: Uint64;
  reason: string;
  expectedVersion?: Uint64 | undefined;
}

/** The response of each change of StreamService. */
export interface TruncateStreamResponse {
  stream?: StreamDescription | undefined;
  changed?: boolean | undefined;
  commitId?: string | undefined;
}
