import type { Durability, GetServerInfoResponse } from '../client/client';
import { accessFindings, isLimited } from './access-findings';
import type { Finding } from './finding';
import { counted } from './counted';
import { atLeast, natsRecommendedReason, natsVersionRecommended } from '../versions';

/** 200 consumers that match every message were measured to make publishing 16 times slower. */
const consumersManyMin = 50;
/** Every read waits until the replica has caught up. */
const replicaLagMany = 10_000n;
const seeReplica = 'check the log of the gateway; docs/operations/running.md explains the replica';
const fullShareMany = 0.9;
// Not from the enum, whose module the console cannot load: the compiler compares them.
// eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the compiler compares the number with the enum
const fsyncAlways: Durability.FSYNC_ALWAYS = 1;
// eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the compiler compares the number with the enum
const fsyncInterval: Durability.FSYNC_INTERVAL = 2;

/** Checks what the gateway reports about itself and its store. */
export function findings(info: GetServerInfoResponse, ownVersion: string): Finding[] {
  const first = [gateway(info, ownVersion), ...accessFindings(info, Date.now())];
  if (isLimited(info)) return [...first, durability(info)];
  return [
    ...first,
    nats(info),
    settings(info),
    ...identity(info),
    ...log(info),
    ...removal(info),
    durability(info),
    ...replicas(info),
    size(info),
    consumers(info),
    subscriptions(info),
    replica(info),
  ];
}

type Info = GetServerInfoResponse;

function gateway({ version }: Info, ownVersion: string): Finding {
  const check = 'gateway';
  if (version === ownVersion) return { check, level: 'ok', message: `version ${version}` };
  const message = `the gateway has version ${version}, this program version ${ownVersion}`;
  return { check, level: 'warn', message, remedy: 'use the same version of both' };
}

function nats({ store }: Info): Finding {
  const check = 'nats';
  const version = store?.natsVersion ?? '';
  if (atLeast(version, natsVersionRecommended)) {
    const embedded = store?.embedded === true ? ', embedded in the gateway' : '';
    return { check, level: 'ok', message: `nats-server ${version}${embedded}` };
  }
  const message = `nats-server ${version} is older than the recommended ${natsVersionRecommended}`;
  return { check, level: 'warn', message, remedy: `upgrade it: ${natsRecommendedReason}` };
}

function settings({ store }: Info): Finding {
  const check = 'settings';
  const { name = '', prefix = '', wrongSettings = [] } = store ?? {};
  const stream = `the JetStream stream ${name} on ${prefix}.>`;
  if (wrongSettings.length === 0) return { check, level: 'ok', message: `${stream} has the right settings` };
  const message = `${stream} has wrong settings: ${wrongSettings.join('; ')}`;
  const remedy = 'restore them with the nats command line; until then events may be lost';
  return { check, level: 'fail', message, remedy };
}

function identity({ store }: Info): Finding[] {
  const { name = '', storeId = '' } = store ?? {};
  if (storeId !== '') return [];
  const message = 'the store has no id, so that it cannot refuse a position of another store';
  const remedy = `nats stream edit ${name} --metadata sluice-store-id=$(uuidgen)`;
  return [{ check: 'store id', level: 'warn', message, remedy }];
}

function log({ store }: Info): Finding[] {
  const check = 'log';
  const list: Finding[] = [];
  const { lostMessages = 0n, lostMessagesAccepted = 0n, mirrors = [] } = store?.log ?? {};
  const { unreadableCount = 0, unreadable: [first] = [] } = store?.log ?? {};
  if (lostMessages > 0n) {
    const level = lostMessages > lostMessagesAccepted ? 'fail' : 'warn';
    const message = `the log has lost ${lostMessages.toString()} messages, ${lostMessagesAccepted.toString()} of these losses are accepted`;
    list.push({ check, level, message, remedy: 'restore a backup; docs/storage.md has the alternatives' });
  }
  if (mirrors.length > 0) {
    const message = `mirrors of the log respond to Direct Gets instead of it, which misleads other readers: ${mirrors.join(', ')}`;
    const remedy = 'move them to another account, or use sources; see docs/storage.md';
    list.push({ check, level: 'warn', message, remedy });
  }
  if (first !== undefined) {
    const where = `position ${first.position.toString()} ${first.stream}: ${first.reason}`;
    const message = `${unreadableCount} messages of the log are not commits, the first at ${where}`;
    list.push({ check, level: 'fail', message, remedy: 'list them with `sluice unreadable`' });
  }
  return list.length > 0
    ? list
    : [{ check, level: 'ok', message: 'no messages are known to be missing or foreign' }];
}

function removal({ store }: Info): Finding[] {
  const check = 'removal';
  const removalTrouble = store?.log?.removalTrouble ?? '';
  if (store?.log?.immutable === true) {
    const message = 'the store is immutable: what is hidden stays in its log, and nothing can be erased';
    return [{ check, level: 'ok', message }];
  }
  if (removalTrouble === '') return [];
  const message = `what is hidden or erased is not removed from the log: ${removalTrouble}`;
  const remedy = 'docs/operations/security.md lists the permissions that the gateway needs for it';
  return [{ check, level: 'warn', message, remedy }];
}

function durability({ store }: Info): Finding {
  const check = 'durability';
  switch (store?.durability) {
    case fsyncAlways:
      return { check, level: 'ok', message: 'acknowledged appends are synced to disk' };
    case fsyncInterval: {
      const message = 'a power failure can lose the acknowledged appends of the last two minutes';
      return { check, level: 'warn', message, remedy: 'serve with --sync=always' };
    }
    default: {
      const message = 'the NATS servers decide when acknowledged appends are synced to disk';
      return { check, level: 'ok', message: `${message} (sync_interval in their configuration)` };
    }
  }
}

function replicas({ store }: Info): Finding[] {
  const check = 'replicas';
  const { replicas: wanted = 0, replicaInfos = [] } = store ?? {};
  const found = replicaInfos.length;
  const leader = replicaInfos.find((replica) => replica.leader);
  const list = replicaInfos.filter((replica) => !replica.leader).map(follower);
  if (leader === undefined) {
    const remedy = 'check that most of the NATS servers run';
    return [{ check, level: 'fail', message: 'the store has no leader', remedy }, ...list];
  }
  if (found < wanted) {
    const message = `${found} of ${wanted} servers keep the store`;
    list.unshift({ check, level: 'fail', message, remedy: 'check that all NATS servers run' });
  }
  const message = `${leader.name} leads; ${wanted === 1 ? 'only this server keeps the store' : `${wanted} servers keep the store`}`;
  return [{ check, level: 'ok', message }, ...list];
}

function follower({
  name,
  offline,
  current,
  lag,
}: NonNullable<Info['store']>['replicaInfos'][number]): Finding {
  const check = 'replicas';
  const behind = `${lag.toString()} operations behind`;
  if (offline) {
    const remedy = `start ${name}, or check its network`;
    return { check, level: 'fail', message: `${name} is offline, ${behind}`, remedy };
  }
  if (current) return { check, level: 'ok', message: `${name} is current, ${behind}` };
  const remedy = `wait until it has caught up; if it does not, check the log of ${name}`;
  return { check, level: 'fail', message: `${name} is not current, ${behind}`, remedy };
}

function size({ store }: Info): Finding {
  const check = 'size';
  const { bytes = 0n, bytesMax = 0n, messageCount = 0n, fullBy = '' } = store ?? {};
  const size = `${counted(Number(messageCount), 'message')}, ${bytes.toString()} bytes`;
  if (fullBy !== '') {
    const message = `${size}; appends are refused: ${fullBy}`;
    return { check, level: 'fail', message, remedy: 'make space; see docs/operations/runbook.md' };
  }
  if (bytesMax === 0n) return { check, level: 'ok', message: size };
  const message = `${size} of at most ${bytesMax.toString()}`;
  if (Number(bytes) / Number(bytesMax) < fullShareMany) return { check, level: 'ok', message };
  const space =
    store?.embedded === true
      ? 'make space on the disk or raise --store-bytes-max'
      : 'raise max_bytes of the JetStream stream';
  return { check, level: 'fail', message, remedy: `${space}: a full store refuses appends` };
}

function consumers({ store }: Info): Finding {
  const check = 'consumers';
  const { consumerCount = 0 } = store ?? {};
  const message = `the log has ${counted(consumerCount, 'consumer')}; each gateway has one`;
  if (consumerCount < consumersManyMin) return { check, level: 'ok', message };
  const remedy = 'find out with the nats command line who creates them: each one slows appends down';
  return { check, level: 'warn', message, remedy };
}

function subscriptions({ store }: Info): Finding {
  const check = 'subscribe';
  const trouble = store?.subscriptionsTrouble ?? '';
  if (trouble === '') return { check, level: 'ok', message: 'subscribers get new commits' };
  const message = `subscribers get no new commits: ${trouble}`;
  const remedy =
    'find out with the nats command line who paused or changed consumers of the JetStream stream';
  return { check, level: 'fail', message, remedy };
}

function replica({ store, replica: state }: Info): Finding {
  const check = 'replica';
  if (state === undefined)
    return { check, level: 'ok', message: 'the gateway is an older one and reports no replica' };
  const { lag, filled, bytes, trouble, position } = state;
  const reason = trouble === '' ? '' : `: ${trouble}`;
  if (!filled) {
    const progress = `it is at position ${position.toString()}, ${lag.toString()} are left`;
    const message = `the replica of the log is being filled: ${progress}${reason}`;
    const wait = 'wait; until then reads fail with REPLICA_FILLING';
    return { check, level: 'warn', message, remedy: trouble === '' ? wait : seeReplica };
  }
  const behind = `${lag.toString()} positions behind`;
  if (trouble === '' && lag < replicaLagMany) {
    const size = `${Math.ceil(Number(bytes) / 1e6).toString()} MB`;
    return { check, level: 'ok', message: `the replica of the log has ${size} and is ${behind}` };
  }
  const stalled = trouble !== '' && store?.subscriptionsTrouble === '' ? ' and stalled for a while' : '';
  const message = `the replica of the log is ${behind}${stalled}${reason}`;
  return { check, level: 'warn', message, remedy: seeReplica };
}
