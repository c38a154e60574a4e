import {
  Durability,
  StoreInfo as StoreInfoMessage,
  type GetServerInfoResponse,
  type LogFindings,
  type ServerLimits,
} from '../../generated/sluice/v1/event_store_service';
import type { Guard } from '../auth/guard';
import type { Limits } from '../limits';
import type { StoreInfo } from '../store/store-info';
import { toDuration } from './proto-time';
import type { Access } from './access';
import { toAccessInfo, type AboutAccess } from './access-info';
import { toUnreadableMessage } from './unreadable-message';

/** What the gateway knows about itself, apart from the store. */
export interface AboutGateway {
  readonly version: string;
  /** Where it serves gRPC: host:port, or unix:path. */
  readonly address: string;
  readonly durability: 'fsyncAlways' | 'fsyncInterval' | 'unknown';
  /** Whether it runs the embedded nats-server. */
  readonly embedded: boolean;
  readonly access: AboutAccess;
}

/** Enough to see what is wrong. */
const unreadableShownMax = 10;

/** What this gateway can do. A client may check for a name before it uses the feature. */
const features = [
  'append',
  'append-multi',
  'append-session',
  'validate-only',
  'read-stream',
  'get-version',
  'get-commit',
  'read-by-correlation',
  'list-streams',
  'read-all',
  'subscribe',
  'consumer-groups',
  'stream-lifecycle',
];

const durabilities = {
  fsyncAlways: Durability.FSYNC_ALWAYS,
  fsyncInterval: Durability.FSYNC_INTERVAL,
  unknown: Durability.UNSPECIFIED,
} as const;

/** What the gateway knows of itself. */
interface Known {
  readonly about: AboutGateway;
  readonly limits: Limits;
  readonly guard: Guard;
}

/** As the caller with this access may see it. */
export function toServerInfo(
  store: StoreInfo,
  { about, limits, guard }: Known,
  access: Access,
): GetServerInfoResponse {
  const info = {
    ...withInternals(store, about, limits),
    access: toAccessInfo(about.access, guard, access),
  };
  return access.permissions.mayUseStore('admin') ? info : withoutInternals(info);
}

function withInternals(
  store: StoreInfo,
  about: AboutGateway,
  limits: Limits,
): Omit<GetServerInfoResponse, 'access'> {
  const { eventBytesMax, replica, replicaInfos, wrongSettings, log, ...kept } = store;
  const { position } = store;
  const { version, embedded } = about;
  const lag = position > replica.position ? position - replica.position : 0n;
  return {
    version,
    store: {
      ...kept,
      durability: durabilities[about.durability],
      embedded,
      replicaInfos: [...replicaInfos],
      wrongSettings: [...wrongSettings],
      log: toLogFindings(log),
      subscriptionsTrouble: replica.troubleNow,
    },
    limits: toServerLimits(limits, eventBytesMax),
    features,
    grpcAddress: about.address,
    replica: {
      position: replica.position,
      lag,
      filled: replica.isFilled,
      bytes: replica.bytes,
      eventsReceived: BigInt(replica.eventsReceived),
      trouble: replica.troubleLately,
    },
  };
}

function withoutInternals(info: GetServerInfoResponse): GetServerInfoResponse {
  const { name, storeId, position, durability, embedded } = info.store as StoreInfoMessage;
  const store = StoreInfoMessage.fromPartial({ name, storeId, position, durability, embedded });
  return { ...info, store, replica: undefined };
}

function toLogFindings({ mirrors, unreadable, ...lost }: StoreInfo['log']): LogFindings {
  return {
    ...lost,
    mirrors: [...mirrors],
    unreadableCount: unreadable.length,
    unreadable: unreadable.slice(0, unreadableShownMax).map(toUnreadableMessage),
  };
}

function toServerLimits(limits: Limits, eventBytesMax: number): ServerLimits {
  return {
    appendEventsMax: limits.appendEventsMax,
    appendBytesMax: BigInt(limits.appendBytesMax),
    eventBytesMax: BigInt(eventBytesMax),
    transactionStreamsMax: limits.transactionStreamsMax,
    transactionChecksMax: limits.transactionChecksMax,
    sessionAppendsMax: limits.sessionAppendsMax,
    sessionBytesMax: BigInt(limits.sessionBytesMax),
    sessionMessageAppendsMax: limits.sessionMessageAppendsMax,
    appendTimeout: toDuration(limits.appendTimeoutMs),
    requestBytesMax: BigInt(limits.requestBytesMax),
    requestMetadataBytesMax: limits.requestMetadataBytesMax,
    pageBytesMax: limits.pageBytesMax,
    heartbeatIntervalMin: toDuration(limits.heartbeatIntervalMinMs),
    heartbeatIntervalMax: toDuration(limits.heartbeatIntervalMaxMs),
    readBytesPerSecondMin: limits.readBytesPerSecondMin,
    readStallTimeout: toDuration(limits.readStallTimeoutMs),
    connectionAppendsMax: limits.connectionAppendsMax,
    connectionSessionsMax: limits.connectionSessionsMax,
    connectionReadsMax: limits.connectionReadsMax,
    connectionSubscriptionsMax: limits.connectionSubscriptionsMax,
    connectionMembersMax: limits.connectionMembersMax,
    groupMembersMax: limits.groupMembersMax,
    memberInFlightMax: limits.memberInFlightMax,
    groupsMax: limits.groupsMax,
    eraseEventsMax: limits.eraseEventsMax,
  };
}
