/** GetServerInfo in JSON; see messages.ts. */
type Uint64 = string;
type Timestamp = string;
type Duration = string;

export interface ReplicaInfo {
  name?: string | undefined;
  leader?: boolean | undefined;
  current?: boolean | undefined;
  offline?: boolean | undefined;
  lag?: Uint64 | undefined;
}

export interface UnreadableMessage {
  position?: Uint64 | undefined;
  stream?: string | undefined;
  reason?: string | undefined;
}

export interface LogFindings {
  lostMessages?: Uint64 | undefined;
  lostMessagesAccepted?: Uint64 | undefined;
  mirrors?: string[] | undefined;
  unreadableCount?: number | undefined;
  unreadable?: UnreadableMessage[] | undefined;
  immutable?: boolean | undefined;
  removalTrouble?: string | undefined;
}

export interface StoreInfo {
  name?: string | undefined;
  storeId?: string | undefined;
  prefix?: string | undefined;
  replicas?: number | undefined;
  natsVersion?: string | undefined;
  durability?: 'DURABILITY_FSYNC_ALWAYS' | 'DURABILITY_FSYNC_INTERVAL' | undefined;
  position?: Uint64 | undefined;
  messageCount?: Uint64 | undefined;
  bytes?: Uint64 | undefined;
  embedded?: boolean | undefined;
  consumerCount?: number | undefined;
  replicaInfos?: ReplicaInfo[] | undefined;
  bytesMax?: Uint64 | undefined;
  wrongSettings?: string[] | undefined;
  fullBy?: string | undefined;
  log?: LogFindings | undefined;
  subscriptionsTrouble?: string | undefined;
}

export interface LogReplica {
  position?: Uint64 | undefined;
  lag?: Uint64 | undefined;
  filled?: boolean | undefined;
  bytes?: Uint64 | undefined;
  trouble?: string | undefined;
  eventsReceived?: Uint64 | undefined;
}

export interface ServerLimits {
  appendEventsMax?: number | undefined;
  eventBytesMax?: Uint64 | undefined;
  eraseEventsMax?: number | undefined;
  heartbeatIntervalMin?: Duration | undefined;
}

export interface ExpiringToken {
  id?: string | undefined;
  expiresTime?: Timestamp | undefined;
}

export interface AuthFileInfo {
  generation?: Uint64 | undefined;
  problems?: string[] | undefined;
  anonymousGrants?: string[] | undefined;
  tokensWithoutExpiry?: number | undefined;
  tokensExpired?: number | undefined;
  tokensExpiring?: ExpiringToken[] | undefined;
  unusedRoles?: string[] | undefined;
  allStreamsByDefault?: boolean | undefined;
  allStreamsPrincipals?: number | undefined;
}

export interface AccessInfo {
  controlled?: boolean | undefined;
  local?: boolean | undefined;
  tls?: boolean | undefined;
  clientCertificateRequired?: boolean | undefined;
  reflection?: 'REFLECTION_MODE_ON' | 'REFLECTION_MODE_AUTHENTICATED' | 'REFLECTION_MODE_OFF' | undefined;
  principal?: string | undefined;
  authFile?: AuthFileInfo | undefined;
}

export interface GetServerInfoResponse {
  version?: string | undefined;
  store?: StoreInfo | undefined;
  limits?: ServerLimits | undefined;
  features?: string[] | undefined;
  replica?: LogReplica | undefined;
  access?: AccessInfo | undefined;
  grpcAddress?: string | undefined;
}
