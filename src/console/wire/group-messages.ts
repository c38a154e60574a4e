/** The messages of consumer groups in JSON; see messages.ts. */
type Uint64 = string;
type Timestamp = string;
type Duration = string;

export interface GroupSettings {
  patterns?: string[] | undefined;
  eventTypes?: string[] | undefined;
  eventTypePrefixes?: string[] | undefined;
  lanes?: number | undefined;
  attemptsMax?: number | undefined;
  backoffMin?: Duration | undefined;
  backoffMax?: Duration | undefined;
  ackTimeout?: Duration | undefined;
  handoverTimeout?: Duration | undefined;
  parkedMax?: number | undefined;
  parkFollowing?: boolean | undefined;
  skipUnreadable?: boolean | undefined;
}

export interface Group {
  name?: string | undefined;
  settings?: GroupSettings | undefined;
  startPosition?: Uint64 | undefined;
  revision?: Uint64 | undefined;
  createTime?: Timestamp | undefined;
}

export interface ListGroupsRequest {
  after?: string | undefined;
  maxCount?: number | undefined;
}

export interface ListGroupsResponse {
  groups?: Group[] | undefined;
}

export interface GetGroupRequest {
  group: string;
}

export interface Lane {
  number?: number | undefined;
  member?: string | undefined;
  floorPosition?: Uint64 | undefined;
  cursorPosition?: Uint64 | undefined;
  lag?: Uint64 | undefined;
  oldestTime?: Timestamp | undefined;
  streamsWaiting?: number | undefined;
}

export interface Member {
  id?: string | undefined;
  lanes?: number[] | undefined;
  maxInFlight?: number | undefined;
  gateway?: string | undefined;
}

export interface GetGroupResponse {
  group?: Group | undefined;
  lanes?: Lane[] | undefined;
  members?: Member[] | undefined;
  parkedCount?: number | undefined;
  headPosition?: Uint64 | undefined;
}

export interface ListParkedRequest {
  group: string;
  stream?: string | undefined;
  maxCount?: number | undefined;
  withEvents?: boolean | undefined;
}

export interface ParkedEvent {
  stream?: string | undefined;
  version?: Uint64 | undefined;
  position?: Uint64 | undefined;
  eventId?: string | undefined;
  type?: string | undefined;
  reason?: string | undefined;
  attempts?: number | undefined;
  parkTime?: Timestamp | undefined;
  following?: boolean | undefined;
  replaying?: boolean | undefined;
}

export interface ListParkedResponse {
  parked?: ParkedEvent[] | undefined;
}

export interface ReplayParkedRequest {
  group: string;
  stream?: string | undefined;
  version?: Uint64 | undefined;
}

export interface ReplayParkedResponse {
  count?: number | undefined;
}
