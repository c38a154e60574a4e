import { setTimeout as sleep } from 'node:timers/promises';
import { insist, newEvents } from '../support/attempts';
import { groupFaults, type ObservedDelivery } from '../support/group-history';
import { acknowledge, LoyalMember } from '../support/group-member';
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
      await nodes[0]?.kill();
      await nodes[0]?.start();
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
