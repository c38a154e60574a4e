import { setTimeout as sleep } from 'node:timers/promises';
import { insist, newEvents } from '../support/attempts';
import { groupFaults, type ObservedDelivery } from '../support/group-history';
import { acknowledge, GroupMember, LoyalMember } from '../support/group-member';
import { leaderOf } from '../support/monitor';
import { until } from '../support/nats-server';
import { startRestartable } from '../support/restartable-gateway';
import type { RpcClient } from '../support/rpc-client';
import { connectWire, type WireClient, type WireMessage } from '../support/wire-client';
import type { Environment } from './environment';

/** The rows of consumer groups that must hold on a single server and on three. Each throws if it does not. */

export function groupsOf(address: string): WireClient {
  return connectWire(address, { service: 'sluice.v1.ConsumerGroupService' });
}

/** The versions of each stream that begins with a prefix. */
export async function logOf(client: RpcClient, prefix: string): Promise<Map<string, number[]>> {
  const log = new Map<string, number[]>();
  const { events } = await client.readAll({ patterns: [`${prefix}.>`] });
  for (const { stream, version } of events) log.set(stream, [...(log.get(stream) ?? []), Number(version)]);
  return log;
}

/** Whether everything in the log was acknowledged. */
export function isAllDone(
  log: ReadonlyMap<string, readonly number[]>,
  observed: readonly ObservedDelivery[],
): boolean {
  const done = new Set(
    observed
      .filter(({ outcome }) => outcome === 'acknowledged')
      .flatMap(({ stream, versions }) => versions.map((version) => `${stream} ${version.toString()}`)),
  );
  let count = 0;
  for (const versions of log.values()) count += versions.length;
  return done.size >= count;
}

/** Whether the group has settled everything up to a position. */
export async function isSettled(wire: WireClient, group: string): Promise<boolean> {
  const { lanes, head_position: head } = await wire.unary('GetGroup', { group });
  return (lanes as WireMessage[]).every(({ floor_position: floor }) => floor === head);
}

const groupTimeoutMs = 120_000;

/**
 * Each event acknowledged, in order for each stream, with none skipped, while members come and go, the gateways of members are
 * killed, and servers are killed and started again.
 */
export async function groupThroughFailures(environment: Environment, rounds: number): Promise<void> {
  const { nodes, urls, flags, client } = environment;
  const args = [`--nats-url=${urls.join(',')}`, ...flags];
  await using first = await startRestartable(args);
  await using second = await startRestartable(args);
  using wire = groupsOf(second.address);
  const settings = { patterns: ['mail.>'], lanes: 16 };
  await wire.unary('CreateGroup', { group: 'mail', settings });
  const handle = async (delivery: { readonly id: string }): Promise<WireMessage> => {
    await sleep(Math.random() * 5);
    return acknowledge(delivery);
  };
  const addresses = [first.address, second.address];
  const members = [0, 1, 2, 3].map((start) => new LoyalMember(addresses, { group: 'mail' }, handle, start));
  const blows: (() => Promise<unknown>)[] = [
    () => first.restart('SIGKILL'),
    async () => {
      const leader = nodes.length === 1 ? nodes[0] : await leaderOf(nodes);
      await leader?.kill();
      await leader?.start();
      await environment.settled();
    },
    async () => {
      await members[0]?.stop();
      members.push(new LoyalMember(addresses, { group: 'mail' }, handle, 1));
    },
    () => second.restart('SIGKILL'),
    () => first.restart('SIGTERM'),
  ];
  let blow = Promise.resolve<unknown>(undefined);
  for (let round = 0; round < rounds; round++) {
    const due = blows[Math.floor((round * blows.length) / rounds)];
    if (due !== undefined && round % Math.ceil(rounds / blows.length) === 2) blow = blow.then(due);
    await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        insist([client], { stream: `mail.${i.toString()}`, events: newEvents(2) }),
      ),
    );
    await sleep(50);
  }
  await blow;
  const log = await logOf(client, 'mail');
  const observed = (): ObservedDelivery[] => members.flatMap((member) => member.observed);
  await until(() => isAllDone(log, observed()), groupTimeoutMs);
  await until(() => isSettled(wire, 'mail'), 30_000);
  await Promise.all(members.map((member) => member.stop()));
  const history = { log, deliveries: observed(), parked: new Set<string>(), isComplete: true };
  expect(groupFaults(history)).toEqual([]);
}

/**
 * A gateway that is stopped for 20 s believes to have its lanes, and another one has them meanwhile: the floor only rises, and what
 * the stopped one's member says of its deliveries changes nothing.
 */
export async function groupWithPausedGateway({ urls, flags, client }: Environment): Promise<void> {
  const args = [`--nats-url=${urls.join(',')}`, ...flags];
  await using first = await startRestartable(args);
  await using second = await startRestartable(args);
  using wire = groupsOf(second.address);
  await wire.unary('CreateGroup', { group: 'pause', settings: { patterns: ['pause.>'], lanes: 8 } });
  const write = (): Promise<unknown> =>
    Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        client.append({ stream: `pause.${i.toString()}`, events: newEvents(1) }),
      ),
    );
  let isPaused = false;
  const held: string[] = [];
  using paused = new GroupMember(first.address, { group: 'pause' }, (delivery) => {
    if (!isPaused) return acknowledge(delivery);
    held.push(delivery.id);
    return undefined;
  });
  await until(() => paused.has('caught_up'));
  using other = new GroupMember(second.address, { group: 'pause' });
  await until(() => other.lanes.length > 0 && paused.lanes.length > 0);
  await write();
  isPaused = true;
  await write();
  await until(() => held.length > 0);
  process.kill(first.pid, 'SIGSTOP');
  // What was on its way has come long before the lease ends.
  await sleep(1_000);
  paused.loseAll();
  const floors = async (): Promise<bigint[]> => {
    const { lanes } = await wire.unary('GetGroup', { group: 'pause' });
    return (lanes as WireMessage[]).map((lane) =>
      BigInt((lane['floor_position'] as string | undefined) ?? 0),
    );
  };
  let before = await floors();
  const rises = async (): Promise<void> => {
    const now = await floors();
    expect(now.every((floor, lane) => floor >= (before[lane] as bigint))).toBe(true);
    before = now;
  };
  for (let second = 0; second < 20; second++) {
    await write();
    await rises();
    await sleep(1_000);
  }
  process.kill(first.pid, 'SIGCONT');
  paused.say({ ack: { deliveries: held } });
  for (let second = 0; second < 5; second++) {
    await rises();
    await sleep(500);
  }
  const log = await logOf(client, 'pause');
  const observed = (): ObservedDelivery[] => [...paused.observed, ...other.observed];
  isPaused = false;
  await until(() => isAllDone(log, observed()), 60_000);
  await until(() => isSettled(wire, 'pause'), 30_000);
  expect(groupFaults({ log, deliveries: observed(), parked: new Set(), isComplete: true })).toEqual([]);
}
