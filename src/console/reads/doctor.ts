import type { GetServerInfoResponse } from '../../client/client';
import type { Finding } from '../../cli/finding';
import { findings } from '../../cli/findings';
import type * as json from '../wire/server-info';

/** What `sluice doctor` finds in what the gateway says of itself. */
export function findingsOf(info: json.GetServerInfoResponse): Finding[] {
  return findings(typed(info), info.version ?? '');
}

const durabilities = { DURABILITY_FSYNC_ALWAYS: 1, DURABILITY_FSYNC_INTERVAL: 2 } as const;
const reflectionModes = {
  REFLECTION_MODE_ON: 1,
  REFLECTION_MODE_AUTHENTICATED: 2,
  REFLECTION_MODE_OFF: 3,
} as const;

/** The message as a client has it: with defaults, numbers of 64 bits as bigint, and enums as numbers. */
function typed({
  version = '',
  store,
  features = [],
  replica,
  access,
  grpcAddress = '',
}: json.GetServerInfoResponse): GetServerInfoResponse {
  return {
    version,
    features,
    limits: undefined,
    store: store && storeOf(store),
    replica: replica && {
      position: big(replica.position),
      lag: big(replica.lag),
      filled: replica.filled ?? false,
      bytes: big(replica.bytes),
      trouble: replica.trouble ?? '',
      eventsReceived: big(replica.eventsReceived),
    },
    access: access && accessOf(access),
    grpcAddress,
  };
}

function big(value: string | undefined): bigint {
  return BigInt(value ?? 0);
}

function storeOf(store: json.StoreInfo): NonNullable<GetServerInfoResponse['store']> {
  return {
    name: store.name ?? '',
    storeId: store.storeId ?? '',
    prefix: store.prefix ?? '',
    replicas: store.replicas ?? 0,
    natsVersion: store.natsVersion ?? '',
    // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the compiler compares the number with the enum
    durability: store.durability === undefined ? 0 : durabilities[store.durability],
    position: big(store.position),
    messageCount: big(store.messageCount),
    bytes: big(store.bytes),
    embedded: store.embedded ?? false,
    consumerCount: store.consumerCount ?? 0,
    replicaInfos: (store.replicaInfos ?? []).map((server) => ({
      name: server.name ?? '',
      leader: server.leader ?? false,
      current: server.current ?? false,
      offline: server.offline ?? false,
      lag: big(server.lag),
    })),
    bytesMax: big(store.bytesMax),
    wrongSettings: store.wrongSettings ?? [],
    fullBy: store.fullBy ?? '',
    log: store.log && logOf(store.log),
    subscriptionsTrouble: store.subscriptionsTrouble ?? '',
  };
}

function logOf(log: json.LogFindings): NonNullable<NonNullable<GetServerInfoResponse['store']>['log']> {
  return {
    lostMessages: big(log.lostMessages),
    lostMessagesAccepted: big(log.lostMessagesAccepted),
    mirrors: log.mirrors ?? [],
    unreadableCount: log.unreadableCount ?? 0,
    unreadable: (log.unreadable ?? []).map(({ position, stream = '', reason = '' }) => ({
      position: big(position),
      stream,
      reason,
    })),
    immutable: log.immutable ?? false,
    removalTrouble: log.removalTrouble ?? '',
  };
}

function accessOf(access: json.AccessInfo): NonNullable<GetServerInfoResponse['access']> {
  const { authFile } = access;
  return {
    controlled: access.controlled ?? false,
    local: access.local ?? false,
    tls: access.tls ?? false,
    clientCertificateRequired: access.clientCertificateRequired ?? false,
    // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the compiler compares the number with the enum
    reflection: access.reflection === undefined ? 0 : reflectionModes[access.reflection],
    principal: access.principal ?? '',
    authFile: authFile && {
      generation: big(authFile.generation),
      problems: authFile.problems ?? [],
      anonymousGrants: authFile.anonymousGrants ?? [],
      tokensWithoutExpiry: authFile.tokensWithoutExpiry ?? 0,
      tokensExpired: authFile.tokensExpired ?? 0,
      tokensExpiring: (authFile.tokensExpiring ?? []).map(({ id = '', expiresTime }) => ({
        id,
        expiresTime: expiresTime === undefined ? undefined : secondsOf(expiresTime),
      })),
      unusedRoles: authFile.unusedRoles ?? [],
      allStreamsByDefault: authFile.allStreamsByDefault ?? false,
      allStreamsPrincipals: authFile.allStreamsPrincipals ?? 0,
    },
  };
}

function secondsOf(time: string): { seconds: bigint; nanos: number } {
  return { seconds: BigInt(Math.floor(Date.parse(time) / 1_000) || 0), nanos: 0 };
}
