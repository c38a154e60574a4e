/** GetServerInfo in JSON; see messages.ts. */
type Uint64 = string;
type Timestamp = string;
type Duration = string;

export interface ReplicaInfo {
  name?: string;
  leader?: boolean;
  current?: boolean;
  offline?: boolean;
  lag?: Uint64;
}

export interface UnreadableMessage {
  position?: Uint64;
  stream?: string;
  reason?: string;
}

export interface LogFindings {
  lostMessages?: Uint64;
  lostMessagesAccepted?: Uint64;
  mirrors?: string[];
  unreadableCount?: number;
  unreadable?: UnreadableMessage[];
  immutable?: boolean;
  removalTrouble?: string;
}

export interface StoreInfo {
  name?: string;
  storeId?: string;
  prefix?: string;
  replicas?: number;
  natsVersion?: string;
  durability?: 'DURABILITY_FSYNC_ALWAYS' | 'DURABILITY_FSYNC_INTERVAL';
  position?: Uint64;
  messageCount?: Uint64;
  bytes?: Uint64;
  embedded?: boolean;
  consumerCount?: number;
  replicaInfos?: ReplicaInfo[];
  bytesMax?: Uint64;
  wrongSettings?: string[];
  fullBy?: string;
  log?: LogFindings;
  subscriptionsTrouble?: string;
}

export interface LogReplica {
  position?: Uint64;
  lag?: Uint64;
  filled?: boolean;
  bytes?: Uint64;
  trouble?: string;
}

export interface ServerLimits {
  appendEventsMax?: number;
  eventBytesMax?: Uint64;
  eraseEventsMax?: number;
  heartbeatIntervalMin?: Duration;
}

export interface ExpiringToken {
  id?: string;
  expiresTime?: Timestamp;
}

export interface AuthFileInfo {
  generation?: Uint64;
  problems?: string[];
  anonymousGrants?: string[];
  tokensWithoutExpiry?: number;
  tokensExpired?: number;
  tokensExpiring?: ExpiringToken[];
  unusedRoles?: string[];
  allStreamsByDefault?: boolean;
  allStreamsPrincipals?: number;
}

export interface AccessInfo {
  controlled?: boolean;
  local?: boolean;
  tls?: boolean;
  clientCertificateRequired?: boolean;
  reflection?: 'REFLECTION_MODE_ON' | 'REFLECTION_MODE_AUTHENTICATED' | 'REFLECTION_MODE_OFF';
  principal?: string;
  authFile?: AuthFileInfo;
}

export interface GetServerInfoResponse {
  version?: string;
  store?: StoreInfo;
  limits?: ServerLimits;
  features?: string[];
  replica?: LogReplica;
  access?: AccessInfo;
}
