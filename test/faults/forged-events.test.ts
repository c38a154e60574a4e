import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { CommitRecord } from '../../generated/sluice/v1/event';
import { Direction, type SubscribeResponse } from '../../generated/sluice/v1/event_store_service';
import { newEvents } from '../support/attempts';
import { failureOf } from '../support/rpc-failure';
import { startWithStranger, type WithStranger } from '../support/stranger';

/**
 * Somebody with a login at NATS publishes what looks like a commit. Readers get no stream and no version that contradicts the
 * subject and the headers of the message.
 */

let setting: WithStranger;
beforeAll(async () => {
  setting = await startWithStranger();
});
afterAll(() => setting[Symbol.asyncDispose]());

interface Forged {
  readonly version: string;
  readonly count?: number;
  /** Of its events. */
  readonly events: readonly { readonly stream?: string; readonly version: bigint }[];
  /** Bytes that are appended to those of the last event. */
  readonly more?: readonly number[];
}

/** Publishes after a commit of one event; resolves with the position. */
async function forge(stream: string, { version, count, events, more = [] }: Forged): Promise<bigint> {
  const { position } = await setting.gateway.client.append({ stream, events: newEvents(1) });
  const fields = {
    'Nats-Msg-Id': randomUUID(),
    'Nats-Expected-Last-Subject-Sequence': position.toString(),
    'Sluice-Version': version,
    'Sluice-Count': (count ?? events.length).toString(),
  };
  const record = CommitRecord.fromPartial({
    events: events.map((event) => ({ id: randomUUID(), type: 'Forged', stream, ...event })),
  });
  const body = Buffer.from(CommitRecord.encode(record).finish());
  // The events are short: their length is one byte.
  const lengthAt = body.length - 1 - (body.length / events.length - 2);
  if (more.length > 0) body[lengthAt] = (body[lengthAt] as number) + more.length;
  return setting.publish(stream, Buffer.concat([body, Buffer.from(more)]), fields);
}

const forgeries: Readonly<Record<string, Forged>> = {
  'the name of another stream': { version: '2', events: [{ stream: 'victim.1', version: 2n }] },
  'no name': { version: '2', events: [{ stream: '', version: 2n }] },
  'another version': { version: '2', events: [{ version: 77n }] },
  'no version': { version: '2', events: [{ version: 0n }] },
  'a version twice': { version: '3', events: [{ version: 2n }, { version: 2n }] },
  'another version behind the right one': { version: '2', events: [{ version: 2n }], more: [3 << 3, 77] },
  'a version of 10^19': {
    version: '10000000000000000000',
    events: [{ version: 10_000_000_000_000_000_000n }],
  },
  'a version of 10^18': { version: '1000000000000000000', events: [{ version: 1_000_000_000_000_000_000n }] },
  'more events than the header says': { version: '2', count: 1, events: [{ version: 2n }, { version: 3n }] },
};

describe.each(Object.entries(forgeries))('%s', (name, forged) => {
  const stream = `forged.${name.replaceAll(/[^a-z0-9]/g, '-')}`;
  let position: bigint;
  beforeAll(async () => {
    position = await forge(stream, forged);
  });

  test('no reader gets it, and nothing is appended to it', async () => {
    const { client } = setting.gateway;
    const after = position - 2n;
    for (const call of [
      () => client.readStream({ stream }),
      () => client.readStream({ stream, direction: Direction.BACKWARD }),
      () => client.readAll({ patterns: [stream] }),
      () => client.readAll({ patterns: [stream], direction: Direction.BACKWARD }),
      () => client.readAll({ afterPosition: after, toPosition: position }),
      () => client.getVersion({ stream }),
      () => client.append({ stream, events: newEvents(1) }),
      () => client.append({ stream, events: newEvents(1), commitId: randomUUID() }),
      () => client.appendMulti({ appends: [{ stream, events: newEvents(1) }] }),
      () => follow(stream),
    ]) {
      const failure = await failureOf(call());
      expect({ code: failure.code, detail: failure.detail('sluice.v1.UnreadableCommit') }).toEqual({
        code: status.DATA_LOSS,
        detail: { stream, position },
      });
    }
  });
});

async function follow(stream: string): Promise<void> {
  for await (const { events } of setting.gateway.client.subscribe({ stream })) {
    const isForged = ({ type }: SubscribeResponse['events'][number]): boolean => type === 'Forged';
    if (events.some(isForged)) throw new Error('a forged event came');
  }
}

test('a live subscriber does not get it either', async () => {
  const stream = 'forged.live';
  const updates = setting.gateway.client.subscribe({ stream, fromNow: true });
  for (let isLive = false; !isLive;) {
    const { value } = await updates.next();
    isLive = (value as SubscribeResponse).notice?.$case === 'caughtUp';
  }
  const position = await forge(stream, { version: '2', events: [{ version: 77n }] });
  const versions: bigint[] = [];
  const failure = await failureOf(
    (async () => {
      for await (const { events } of updates) versions.push(...events.map(({ version }) => version));
    })(),
  );
  expect(failure.detail('sluice.v1.UnreadableCommit')).toEqual({ stream, position });
  expect(versions).toEqual([1n]);
});
