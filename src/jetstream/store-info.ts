import type { ReplicaInfo, StoreInfo } from '../store/store-info';
import { position } from '../store/values';
import { eventBytesLimit } from './append-job';
import { streamInfo, type StreamInfo } from './api';
import { errCode, isRefused } from './errors';
import { logInfo } from './head';
import type { IndexStream } from './index-stream';
import type { RequestOptions } from './link';
import { lookForMirrors } from './mirrors';
import { disagreements, logConfig } from './open-stream';
import { endless, within, type StoreContext } from './store-context';

/** The store as the leader of the log knows it now. */
export async function storeInfo(
  store: StoreContext & IndexStream,
  { indexPosition, subscriptionsTrouble }: { indexPosition: bigint; subscriptionsTrouble: string },
): Promise<StoreInfo> {
  const { pool, log, prefix, limits, health } = store;
  const options = within(endless, limits.requestTimeoutMs);
  void lookForMirrors(store); // for the next time
  const [info, wrongInIndex] = await Promise.all([
    logInfo(store, pool.read(), endless),
    indexDisagreements(store, options),
  ]);
  const { config, state, cluster } = info;
  store.messageSize.take(config);
  await store.durability.through(BigInt(state.last_seq));
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
    indexPosition: position(indexPosition),
    consumerCount: state.consumer_count,
    replicaInfos: replicasOf(cluster),
    bytesMax: BigInt(store.space.bytesMax(state.bytes, config['max_bytes'])),
    fullBy: store.space.fullBy ?? '',
    wrongSettings: [...disagreements(config, wanted), ...wrongInIndex],
    log: {
      lostMessages: health.lostMessages,
      lostMessagesAccepted: health.acceptedLoss,
      mirrors: health.mirrors,
      unreadable: health.unreadable,
    },
    subscriptionsTrouble,
  };
}

/** An index that is gone is made anew. */
async function indexDisagreements(
  { pool, index, indexConfig }: IndexStream,
  options: RequestOptions,
): Promise<string[]> {
  const info = await streamInfo(pool.append(), index.name, undefined, options).catch((error: unknown) => {
    if (!isRefused(error, errCode.streamNotFound)) throw error;
  });
  return info === undefined
    ? []
    : disagreements(info.config, indexConfig).map((line) => `${index.name} ${line}`);
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
