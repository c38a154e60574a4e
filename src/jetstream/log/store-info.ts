import type { ReplicaInfo, StoreInfo } from '../../store/store-info';
import { position } from '../../store/values';
import type { StreamInfo } from '../nats/api';
import { logInfo } from './log-info';
import { lookForMirrors } from './mirrors';
import { disagreements, logConfig } from '../nats/open-stream';
import { eventBytesLimit } from './size-limits';
import { endless, type StoreContext } from './store-context';

/** The store as the leader of the log knows it now, but for what the replica of it tells. */
export async function storeInfo(store: StoreContext): Promise<Omit<StoreInfo, 'replica'>> {
  const { pool, log, prefix, limits, health } = store;
  void lookForMirrors(store); // for the next time
  const { info } = await logInfo(store, endless);
  const { config, state, cluster } = info;
  store.messageSize.take(config);
  await store.durability.whenDurable(BigInt(state.last_seq));
  const wanted = logConfig({ name: log.name, prefix, replicas: log.replicas }, limits);
  return {
    name: log.name,
    prefix,
    replicas: log.replicas,
    natsVersion: pool.append().serverVersion,
    position: position(BigInt(state.last_seq)),
    messageCount: BigInt(state.messages),
    bytes: BigInt(state.bytes),
    eventBytesMax: eventBytesLimit(store),
    consumerCount: state.consumer_count,
    replicaInfos: replicasOf(cluster),
    bytesMax: BigInt(store.space.bytesMax(state.bytes, config['max_bytes'])),
    fullBy: store.space.fullBy ?? '',
    wrongSettings: disagreements(config, wanted),
    log: {
      lostMessages: health.lostMessages,
      lostMessagesAccepted: health.acceptedLoss,
      mirrors: health.mirrors,
      unreadable: health.unreadable,
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
