import type { Logger } from 'pino';
import type { ReplicaInfo, StoreInfo } from '../../store/store-info';
import { position } from '../../store/values';
import type { StreamInfo } from '../nats/api';
import { disagreements, isImmutable, logConfig, storeIdOf } from '../nats/open-stream';
import { endless } from './bounded-call';
import type { CommitSizes } from './commit-sizes';
import type { LogAccess } from './log-access';
import { logInfo } from './log-info';
import { lookForMirrors } from './mirrors';
import type { Space } from './space';

/** The store as the leader of the log knows it now, without what the replica knows. */
export async function storeInfo(
  log: LogAccess,
  space: Space,
  sizes: CommitSizes,
  logger: Logger,
): Promise<Omit<StoreInfo, 'replica'>> {
  const { pool, stream, prefix, limits, health } = log;
  void lookForMirrors(log, logger); // for the next time
  const { info } = await logInfo(log, endless);
  const { config, state, cluster } = info;
  sizes.message.take(config);
  const wanted = logConfig({ ...stream, prefix }, limits);
  return {
    name: stream.name,
    storeId: storeIdOf(config),
    prefix,
    replicas: stream.replicas,
    natsVersion: pool.append().serverVersion,
    position: position(BigInt(state.last_seq)),
    messageCount: BigInt(state.messages),
    bytes: BigInt(state.bytes),
    eventBytesMax: sizes.eventBytesMax,
    consumerCount: state.consumer_count,
    replicaInfos: replicasOf(cluster),
    bytesMax: BigInt(space.bytesMax(state.bytes, config['max_bytes'])),
    fullBy: space.fullBy ?? '',
    wrongSettings: disagreements(config, wanted),
    log: {
      lostMessages: health.lostMessages,
      lostMessagesAccepted: health.acceptedLoss,
      mirrors: health.mirrors,
      unreadable: health.unreadable,
      immutable: isImmutable(config),
      removalTrouble: '',
    },
  };
}

function replicasOf({ leader, replicas = [] }: NonNullable<StreamInfo['cluster']> = {}): ReplicaInfo[] {
  const others = replicas.map(({ name, current, offline = false, lag = 0 }) => ({
    name,
    leader: false,
    current,
    offline,
    lag: BigInt(lag),
  }));
  others.sort((a, b) => (a.name < b.name ? -1 : 1));
  if (leader === undefined || leader === '') return others;
  return [{ name: leader, leader: true, current: true, offline: false, lag: 0n }, ...others];
}
