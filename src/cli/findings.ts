import { Durability, type GetServerInfoResponse } from '../client/client';
import { atLeast, natsRecommendedReason, natsVersionRecommended } from '../versions';

/** What doctor has to say of one thing. */
export interface Finding {
  readonly check: string;
  /** `fail`: something is wrong. `warn`: it works, and somebody should know. */
  readonly level: 'ok' | 'warn' | 'fail';
  readonly message: string;
  /** What to do; absent if there is nothing to do. */
  readonly remedy?: string;
}

/** 200 consumers that match every message were measured to make publishing 16 times slower. */
const consumersManyMin = 50;
/** What is not read yet is waited for by every read. */
const replicaLagMany = 10_000n;
const seeReplica = 'see the log of the gateway, and the replica in docs/operations/running.md';
const fullShareMany = 0.9;

/** Everything that the gateway tells of itself and its store, judged. */
export function findings(info: GetServerInfoResponse, ownVersion: string): Finding[] {
  return [
    gateway(info, ownVersion),
    nats(info),
    settings(info),
    ...log(info),
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
  const message = `version ${version}; this program has version ${ownVersion}`;
  return { check, level: 'warn', message, remedy: 'use the same version of both' };
}

function nats({ store }: Info): Finding {
  const check = 'nats';
  const version = store?.natsVersion ?? '';
  const where = store?.embedded === true ? ', run by the gateway' : '';
  const message = `nats-server ${version}${where}`;
  if (atLeast(version, natsVersionRecommended)) return { check, level: 'ok', message };
  const remedy = `upgrade it to ${natsVersionRecommended} or later: ${natsRecommendedReason}`;
  return { check, level: 'warn', message, remedy };
}

function settings({ store }: Info): Finding {
  const check = 'settings';
  const { name = '', prefix = '', wrongSettings = [] } = store ?? {};
  const what = `the JetStream stream ${name} on ${prefix}.>`;
  if (wrongSettings.length === 0) return { check, level: 'ok', message: `${what} is set as it must be` };
  const message = `${what} is not set as it must be: ${wrongSettings.join('; ')}`;
  const remedy = 'set it back with the nats command line; until then events may be lost';
  return { check, level: 'fail', message, remedy };
}

/** What is wrong with what the log holds. */
function log({ store }: Info): Finding[] {
  const check = 'log';
  const list: Finding[] = [];
  const { lostMessages = 0n, lostMessagesAccepted = 0n, mirrors = [] } = store?.log ?? {};
  const { unreadableCount = 0, unreadable: [first] = [] } = store?.log ?? {};
  if (lostMessages > 0n) {
    const level = lostMessages > lostMessagesAccepted ? 'fail' : 'warn';
    const message = `${lostMessages.toString()} messages of the log are gone, ${lostMessagesAccepted.toString()} are accepted to be`;
    list.push({ check, level, message, remedy: 'restore a backup; docs/storage.md says what else there is' });
  }
  if (mirrors.length > 0) {
    const message = `mirrors of the log answer Direct Gets in its place, which misleads other readers: ${mirrors.join(', ')}`;
    const remedy = 'keep them in another account, or use sources; see docs/storage.md';
    list.push({ check, level: 'warn', message, remedy });
  }
  if (first !== undefined) {
    const where = `position ${first.position.toString()} ${first.stream}: ${first.reason}`;
    const message = `${unreadableCount} messages of the log are not commits, the first at ${where}`;
    list.push({ check, level: 'fail', message, remedy: '`sluice unreadable` lists them all' });
  }
  return list.length > 0
    ? list
    : [{ check, level: 'ok', message: 'nothing is known to be missing or foreign' }];
}

function durability({ store }: Info): Finding {
  const check = 'durability';
  switch (store?.durability) {
    case Durability.FSYNC_ALWAYS:
      return { check, level: 'ok', message: 'an answered append is synced to disk' };
    case Durability.FSYNC_INTERVAL: {
      const message = 'an answered append may be lost with the power, for two minutes';
      return { check, level: 'warn', message, remedy: 'serve with --sync=always' };
    }
    default: {
      const message = 'when an answered append is synced to disk is for the NATS servers to say';
      return { check, level: 'ok', message: `${message} (sync_interval in their configuration)` };
    }
  }
}

function replicas({ store }: Info): Finding[] {
  const check = 'replicas';
  const { replicas: wanted = 0, replicaInfos = [] } = store ?? {};
  const found = replicaInfos.length;
  const leader = replicaInfos.find((replica) => replica.leader);
  const rest = replicaInfos.filter((replica) => !replica.leader);
  const list: Finding[] = rest.map(({ name, offline, current, lag }) => {
    const behind = `${lag.toString()} operations behind`;
    if (offline) {
      const message = `${name} is offline, ${behind}`;
      return { check, level: 'fail', message, remedy: `start ${name}, or see why it cannot be reached` };
    }
    if (current) return { check, level: 'ok', message: `${name} is current, ${behind}` };
    const remedy = `wait until it has caught up; if it does not, see the log of ${name}`;
    return { check, level: 'fail', message: `${name} is not current, ${behind}`, remedy };
  });
  if (leader === undefined) {
    const remedy = 'see whether most of the NATS servers run';
    return [{ check, level: 'fail', message: 'the store has no leader', remedy }, ...list];
  }
  if (found < wanted) {
    const message = `${found} of ${wanted} servers keep the store`;
    list.unshift({ check, level: 'fail', message, remedy: 'see whether all NATS servers run' });
  }
  const message = `${leader.name} leads; ${wanted === 1 ? 'it alone keeps the store' : `${wanted} servers keep the store`}`;
  return [{ check, level: 'ok', message }, ...list];
}

function size({ store }: Info): Finding {
  const check = 'size';
  const { bytes = 0n, bytesMax = 0n, messageCount = 0n, fullBy = '' } = store ?? {};
  const what = `${messageCount.toString()} messages, ${bytes.toString()} bytes`;
  if (fullBy !== '') {
    const message = `${what}; appends are refused: ${fullBy}`;
    return { check, level: 'fail', message, remedy: 'make room, see docs/operations/troubleshooting.md' };
  }
  if (bytesMax === 0n) return { check, level: 'ok', message: what };
  const message = `${what} of at most ${bytesMax.toString()}`;
  const isFull = Number(bytes) / Number(bytesMax) >= fullShareMany;
  if (!isFull) return { check, level: 'ok', message };
  const bound =
    store?.embedded === true
      ? 'make room on the disk or raise --store-bytes-max'
      : 'raise max_bytes of the stream';
  const remedy = `${bound}: appends are refused when the store is full`;
  return { check, level: 'fail', message, remedy };
}

function consumers({ store }: Info): Finding {
  const check = 'consumers';
  const { consumerCount = 0 } = store ?? {};
  const message = `${consumerCount} at the log; each gateway has one`;
  if (consumerCount < consumersManyMin) return { check, level: 'ok', message };
  const remedy = 'see with the nats command line who makes them: each one slows appends down';
  return { check, level: 'warn', message, remedy };
}

function subscriptions({ store }: Info): Finding {
  const check = 'subscribe';
  const trouble = store?.subscriptionsTrouble ?? '';
  if (trouble === '') return { check, level: 'ok', message: 'new commits come to the subscribers' };
  const message = `new commits do not come to the subscribers: ${trouble}`;
  const remedy = 'see with the nats command line who has paused or changed consumers of the JetStream stream';
  return { check, level: 'fail', message, remedy };
}

function replica({ store, replica: state }: Info): Finding {
  const check = 'replica';
  if (state === undefined)
    return { check, level: 'ok', message: 'the gateway tells of none: it is an older one' };
  const { lag, filled, bytes, trouble, position } = state;
  const size = `${Math.ceil(Number(bytes) / 1e6).toString()} MB`;
  const reason = trouble === '' ? '' : `: ${trouble}`;
  if (!filled) {
    const where = `it has come to position ${position.toString()}, ${lag.toString()} are left`;
    const message = `the replica of the log is being filled: ${where}${reason}`;
    const wait = 'wait: until then reads end with REPLICA_FILLING';
    return { check, level: 'warn', message, remedy: trouble === '' ? wait : seeReplica };
  }
  if (trouble === '' && lag < replicaLagMany)
    return {
      check,
      level: 'ok',
      message: `the replica of the log takes ${size} and is ${lag.toString()} positions behind`,
    };
  const goesOn =
    trouble !== '' && store?.subscriptionsTrouble === '' ? ', and did not go on for a while' : '';
  const message = `the replica of the log is ${lag.toString()} positions behind${goesOn}${reason}`;
  return { check, level: 'warn', message, remedy: seeReplica };
}
