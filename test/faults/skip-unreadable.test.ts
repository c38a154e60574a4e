import { setTimeout as sleep } from 'node:timers/promises';
import {
  Direction,
  type SubscribeResponse,
  type UnreadableMessage,
} from '../../generated/sluice/v1/event_store_service';
import { connect as connectClient } from '../../src/client/client';
import { runSluice } from '../cli/process';
import { newEvents } from '../support/attempts';
import { until } from '../support/nats-server';
import { failureOf } from '../support/rpc-failure';
import { startWithStranger, type WithStranger } from '../support/stranger';

/** A message that was published by hand stops no reader for ever, and every reader learns of it. */

let setting: WithStranger;
/** The data of the events, in order. */
const ids: string[] = [];
let foreign: bigint;
let outside: bigint;
beforeAll(async () => {
  setting = await startWithStranger();
  await append('good.1', 2);
  foreign = await setting.publish('good.2', 'by hand');
  await append('good.1', 1);
  outside = await setting.publish('odd.(round)', 'by hand');
  await append('good.3', 3);
});
afterAll(() => setting[Symbol.asyncDispose]());

async function append(stream: string, count: number): Promise<void> {
  const events = newEvents(count).map((event) => ({ ...event, correlationId: 'all' }));
  await setting.gateway.client.append({ stream, events });
  ids.push(...events.map(({ id }) => id));
}

const idsOf = (events: readonly { readonly id: string }[]): string[] => events.map(({ id }) => id);

test('a read ends there, and says how to continue', async () => {
  const { client } = setting.gateway;
  for (const direction of [Direction.FORWARD, Direction.BACKWARD]) {
    const failure = await failureOf(client.readAll({ direction }));
    expect(failure.detail('sluice.v1.UnreadableCommit')).toEqual({ stream: 'good.2', position: foreign });
    expect(failure.message).toContain(`set after_position to ${foreign.toString()}, or skip_unreadable`);
  }
  const rest = await client.readAll({ afterPosition: foreign });
  expect(idsOf(rest.events)).toEqual(ids.slice(2));
  const before = await client.readAll({ afterPosition: foreign, direction: Direction.BACKWARD });
  expect(idsOf(before.events)).toEqual(ids.slice(0, 2).reverse());
});

test('a message on a subject that is not a stream name is not part of the store', async () => {
  const { client } = setting.gateway;
  const odd = await client.readAll({ patterns: ['odd.>'] });
  expect(odd.events).toEqual([]);
  const around = await client.readAll({ afterPosition: outside - 1n });
  expect(idsOf(around.events)).toEqual(ids.slice(3));
  const notices: string[] = [];
  for await (const { notice } of client.subscribe({ afterPosition: outside - 1n })) {
    notices.push(notice?.$case ?? 'events');
    if (notice?.$case === 'caughtUp') break;
  }
  expect(notices).toContain('events');
});

test('a read that skips has everything else, and counts and names what it skipped', async () => {
  const { client } = setting.gateway;
  const found = [
    { position: foreign, stream: 'good.2', reason: 'its headers are not those of a commit' },
    { position: outside, stream: 'odd.(round)', reason: 'its subject is not the name of a stream' },
  ];
  for (const [direction, expectedIds, expected] of [
    [Direction.FORWARD, ids, found],
    [Direction.BACKWARD, ids.toReversed(), found.toReversed()],
  ] as const) {
    const { events, end } = await client.readAll({ direction, skipUnreadable: true });
    expect(idsOf(events)).toEqual(expectedIds);
    expect(end.unreadableSkipped).toBe(2n);
    const named: UnreadableMessage[] = [];
    const call = client.raw.readAll({ ...readAllDefaults, direction, skipUnreadable: true });
    for await (const message of call)
      named.push(...(message as { unreadable: UnreadableMessage[] }).unreadable);
    expect(named).toEqual(expected);
  }
});

const readAllDefaults = {
  storeId: '',
  patterns: [],
  permittedOnly: false,
  toPosition: 0n,
  maxCount: 0n,
  eventTypes: [],
  eventTypePrefixes: [],
  query: undefined,
  page: undefined,
  afterPosition: undefined,
  fromTime: undefined,
  toTime: undefined,
};

test.each([{}, { patterns: ['good.*'] }])(
  'a subscription that ends there has reported no position after it: %j',
  async (filter) => {
    let position: bigint | undefined;
    const failure = await failureOf(
      (async () => {
        for await (const message of setting.gateway.client.subscribe(filter)) position = message.position;
      })(),
    );
    expect(failure.detail('sluice.v1.UnreadableCommit')).toEqual({ stream: 'good.2', position: foreign });
    expect(position).toBe(foreign - 1n);
  },
);

test('a subscription that skips continues, through stored and live events', async () => {
  const { client } = setting.gateway;
  const seen: string[] = [];
  const named: bigint[] = [];
  const updates = client.subscribe({ skipUnreadable: true });
  const take = ({ events, unreadable }: SubscribeResponse): void => {
    seen.push(...idsOf(events));
    named.push(...unreadable.map(({ position }) => position));
  };
  for await (const message of client.subscribe({ skipUnreadable: true })) {
    take(message);
    if (message.notice?.$case === 'caughtUp') break;
  }
  expect({ seen, named }).toEqual({ seen: ids, named: [foreign, outside] });
  [seen.length, named.length] = [0, 0];
  void (async () => {
    for await (const message of updates) take(message);
  })().catch(() => undefined);
  await until(() => seen.length === ids.length);
  const live = [
    await setting.publish('good.1.live', 'by hand'),
    await setting.publish('odd.)live(', 'by hand'),
  ];
  await append('good.4', 1);
  await until(() => seen.length === ids.length);
  expect({ seen, named }).toEqual({ seen: ids, named: [foreign, outside, ...live] });
});

describe('what was skipped is named before any position after it', () => {
  interface Message {
    readonly events: readonly { readonly position: bigint }[];
    readonly position?: bigint | undefined;
    readonly unreadable: readonly UnreadableMessage[];
  }
  /** A reader takes the events of a message, what it names, and then its position. */
  async function expectNamedInTime(
    messages: AsyncIterable<Message>,
    isAfter: (at: bigint) => boolean,
  ): Promise<void> {
    const before: bigint[] = [];
    for await (const { events, position, unreadable } of messages) {
      before.push(...events.map((event) => event.position));
      if (unreadable.some((skipped) => skipped.position === foreign)) break;
      if (position !== undefined) before.push(position);
    }
    expect(before.length).toBeGreaterThan(0);
    expect(before.filter(isAfter)).toEqual([]);
  }
  const page = { eventsMax: 1, bytesMax: 0 };

  test.each([
    ['forward', Direction.FORWARD, (at: bigint) => at >= foreign],
    ['backward', Direction.BACKWARD, (at: bigint) => at <= foreign],
  ] as const)('by a read %s', async (_name, direction, isAfter) => {
    const request = { ...readAllDefaults, direction, skipUnreadable: true, page };
    await expectNamedInTime(setting.gateway.client.raw.readAll(request) as AsyncIterable<Message>, isAfter);
  });

  test.each([{}, { patterns: ['good.*'] }])('by a subscription to %j', async (filter) => {
    const request = { ...filter, skipUnreadable: true, page };
    await expectNamedInTime(setting.gateway.client.subscribe(request), (at) => at >= foreign);
  });
});

test('the loop of the TypeScript client waits for onUnreadable', async () => {
  using client = connectClient(setting.gateway.address);
  const calls: string[] = [];
  const onUnreadable = async ({ stream }: { readonly stream: string }): Promise<void> => {
    calls.push(`${stream} begins`);
    await sleep(20);
    calls.push(`${stream} ends`);
  };
  const read = client.readAll({ onUnreadable, toPosition: outside });
  for await (const { stream } of read) expect(stream).toBe('good.1');
  expect(calls).toEqual(
    ['good.2', 'odd.(round)'].flatMap((stream) => [`${stream} begins`, `${stream} ends`]),
  );
  calls.length = 0;
  const controller = new AbortController();
  const onCaughtUp = (): void => {
    calls.push('caught up');
    controller.abort();
  };
  const subscription = client.subscribe({ after: 0, onUnreadable, onCaughtUp, signal: controller.signal });
  await (async () => {
    for await (const { stream } of subscription) expect(stream).toMatch(/^good\./);
  })().catch(() => undefined);
  expect(calls.indexOf('caught up')).toBe(calls.length - 1);
  expect(calls.slice(0, 4)).toEqual(
    ['good.2', 'odd.(round)'].flatMap((stream) => [`${stream} begins`, `${stream} ends`]),
  );
});

test('the commands: tail and export stop with the reason, or continue; unreadable lists; doctor fails', async () => {
  const address = `--address=${setting.gateway.address}`;
  const stopped = await runSluice(['export', address]);
  expect(stopped.code).toBe(1);
  expect(stopped.stderr).toContain(`set after_position to ${foreign.toString()}, or skip_unreadable`);
  const exported = await runSluice(['export', address, '--skip-unreadable']);
  expect(exported.code).toBe(0);
  expect(exported.stderr).toContain(`sluice: skipped position ${foreign.toString()} of good.2: `);
  expect(exported.stderr).toMatch(/exported \d+ events in \d+ commits; skipped \d unreadable messages/);
  const tail = ['tail', address, '--from=0', `--max-count=${ids.length.toString()}`];
  expect((await runSluice(tail)).code).toBe(1);
  const followed = await runSluice([...tail, '--skip-unreadable']);
  expect(followed.code).toBe(0);
  await setting.gateway.client.append({ stream: 'good.2.more', events: newEvents(1) });
  const hinted = await runSluice([
    'tail',
    address,
    'good.2',
    'good.1',
    '--from=0',
    '--max-count=1',
    '--skip-unreadable',
  ]);
  expect(hinted).toMatchObject({ code: 0, stdout: expect.stringContaining('good.1') as string });
  await setting.gateway.client.append({
    stream: 'rare.1',
    events: [{ ...newEvents(1)[0], type: 'sluice.none' }],
  });
  const listed = await runSluice(['unreadable', address]);
  expect(listed.code).toBe(1);
  expect(listed.stdout).toMatch(/^ +\d+ {2}good\.2 {2}its headers are not those of a commit\n/);
  expect(listed.stdout).toContain('odd.(round)  its subject is not the name of a stream\n');
  expect((await runSluice(['unreadable', address, 'good.1'])).code).toBe(0);
  const doctor = await runSluice(['doctor', address]);
  expect(doctor.code).toBe(1);
  expect(doctor.stdout).toContain('messages of the log are not commits');
}, 180_000);
