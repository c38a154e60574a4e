import { connect, type NatsConnection } from 'nats';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { GroupMember } from '../support/group-member';
import { startNats, until, type TestNats } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import { wireFailureOf, type WireMessage } from '../support/wire-client';
import { groupsOf, isSettled } from './group-rows';

/** What is stored of consumer groups, edited or deleted by hand, and a log that is not the one that was consumed. */

let nats: TestNats;
let connection: NatsConnection;
beforeEach(async () => {
  nats = await startNats();
  connection = await connect({ servers: nats.url });
});
afterEach(async () => {
  await connection.close();
  await nats[Symbol.asyncDispose]();
});

const reason = (name: string): object => ({ details: [{ reason: name }] });

test('a record of a group that somebody has edited is a typed error, and a reset mends a lane', async () => {
  await using gateway = await startTestGateway([nats.url]);
  using wire = groupsOf(gateway.address);
  const jetstream = connection.jetstream();
  await wire.unary('CreateGroup', { group: 'good' });
  await wire.unary('CreateGroup', { group: 'bad' });
  await gateway.client.append({ stream: 'a', events: newEvents(3) });
  {
    using member = new GroupMember(gateway.address, { group: 'good' });
    await until(() => member.delivered.length === 1);
    await until(() => isSettled(wire, 'good'));
    expect(await member.leave()).toBeUndefined();
  }
  await jetstream.publish('EVENTS_STATE.group.bad', '{"v":1');
  expect(await wireFailureOf(wire.unary('GetGroup', { group: 'bad' }))).toMatchObject({
    code: 9,
    ...reason('GROUP_STATE_UNREADABLE'),
  });
  using refused = new GroupMember(gateway.address, { group: 'bad' });
  expect(await refused.ended).toMatchObject({ code: 9, ...reason('GROUP_STATE_UNREADABLE') });

  // One lane of 32 is enough: to go on without it would skip its events, or deliver all of them again.
  const lanes = await Promise.all(
    Array.from({ length: 32 }, (_, lane) =>
      jetstream.publish(`EVENTS_STATE.lane.good.${lane.toString()}`, 'garbage'),
    ),
  );
  expect(lanes).toHaveLength(32);
  using stopped = new GroupMember(gateway.address, { group: 'good' });
  expect(await stopped.ended).toMatchObject({ code: 9, ...reason('GROUP_STATE_UNREADABLE') });
  await wire.unary('ResetGroup', { group: 'good', to: {}, force: true });
  using member = new GroupMember(gateway.address, { group: 'good' });
  await until(() => member.delivered.length === 1);
  expect(member.delivered[0]?.versions).toEqual([1, 2, 3]);
}, 60_000);

test('without their stream the groups are gone, members learn it, and the events stay', async () => {
  await using gateway = await startTestGateway([nats.url]);
  using wire = groupsOf(gateway.address);
  await wire.unary('CreateGroup', { group: 'g' });
  await gateway.client.append({ stream: 'a', events: newEvents(3) });
  using member = new GroupMember(gateway.address, { group: 'g' });
  await until(() => member.delivered.length === 1);
  const manager = await connection.jetstreamManager();
  await manager.streams.delete('EVENTS_STATE');
  const failure = await member.ended;
  expect([5, 14]).toContain(failure?.code);
  await until(async () => (await wireFailureOf(wire.unary('GetGroup', { group: 'g' }))).code === 5, 30_000);
  await wire.unary('CreateGroup', { group: 'g' });
  using next = new GroupMember(gateway.address, { group: 'g' });
  await until(() => next.delivered.length === 1, 30_000);
}, 90_000);

test('a group that is ahead of its store delivers nothing until it is reset', async () => {
  const events = newEvents(1);
  {
    await using gateway = await startTestGateway([nats.url]);
    using wire = groupsOf(gateway.address);
    await wire.unary('CreateGroup', { group: 'g' });
    for (let i = 0; i < 20; i++) await gateway.client.append({ stream: 'a', events: newEvents(1) });
    using member = new GroupMember(gateway.address, { group: 'g' });
    await until(() => member.delivered.length === 20);
    await until(() => isSettled(wire, 'g'));
    await member.leave();
  }
  // As after a restore of an older backup.
  await (await connection.jetstreamManager()).streams.delete('EVENTS');
  await using gateway = await startTestGateway([nats.url], [`--replica-dir=${makeReplicaDir()}`]);
  using wire = groupsOf(gateway.address);
  for (let i = 0; i < 3; i++)
    await gateway.client.append({ stream: 'a', events: i === 0 ? events : newEvents(1) });
  using member = new GroupMember(gateway.address, { group: 'g' });
  expect(await member.ended).toMatchObject({ code: 9, ...reason('GROUP_AHEAD_OF_STORE') });
  await wire.unary('ResetGroup', { group: 'g', to: {}, force: true });
  using next = new GroupMember(gateway.address, { group: 'g' });
  await until(() => next.delivered.length === 3, 30_000);
  const { lanes } = await wire.unary('GetGroup', { group: 'g' });
  expect((lanes as WireMessage[]).length).toBe(32);
}, 90_000);

test('a group goes on with what is left of a log that was truncated under it', async () => {
  const settle = async (address: string, group: string, count: number): Promise<GroupMember> => {
    const member = new GroupMember(address, { group });
    await until(() => member.delivered.length === count, 30_000);
    await until(() => member.has('caught_up'), 30_000);
    return member;
  };
  {
    await using gateway = await startTestGateway([nats.url]);
    using wire = groupsOf(gateway.address);
    await wire.unary('CreateGroup', { group: 'begun' });
    for (let i = 0; i < 5; i++) await gateway.client.append({ stream: 'a', events: newEvents(1) });
    using member = await settle(gateway.address, 'begun', 5);
    await until(() => isSettled(wire, 'begun'));
    await member.leave();
    for (let i = 0; i < 15; i++) await gateway.client.append({ stream: 'a', events: newEvents(1) });
    await wire.unary('CreateGroup', { group: 'new' });
  }
  const manager = await connection.jetstreamManager();
  await manager.streams.update('EVENTS', { max_msgs_per_subject: 10 });
  await manager.streams.update('EVENTS', { max_msgs_per_subject: -1 });
  const flags = [`--replica-dir=${makeReplicaDir()}`, '--lost-messages-accepted=10'];
  await using gateway = await startTestGateway([nats.url], flags);
  using wire = groupsOf(gateway.address);
  const left = [11, 12, 13, 14, 15, 16, 17, 18, 19, 20];
  for (const group of ['begun', 'new']) {
    using member = await settle(gateway.address, group, 10);
    expect(member.delivered.flatMap(({ versions }) => versions)).toEqual(left);
    await until(() => isSettled(wire, group));
    expect(await member.leave()).toBeUndefined();
  }
}, 90_000);
