import { join } from 'node:path';
import { connect } from 'nats';
import type { Timestamp } from '../../generated/google/protobuf/timestamp';
import type { RecordedEvent } from '../../generated/sluice/v1/event';
import { Direction } from '../../generated/sluice/v1/event_store_service';
import { folderBytes } from '../../src/replica/folder-bytes';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { makeReplicaDir } from '../support/replica-dir';
import type { RpcClient } from '../support/rpc-client';

/** With a small bound the replica has only the newest events; older ones come from NATS, and are the same. */

const bound = { segmentBytesMax: 128 << 10, replicaBytesMax: 1 << 20, tailBytesMax: 256 << 10 };
const commits = 1_500;
/** More than fits into one message. */
const partedEvents = 3;
const maxPayloadBytes = 8_192;
const eventCount = commits + (3 * commits * (partedEvents - 1)) / 50;
const eventBytes = 4_000;
const stream = 'bound.3';
const correlationId = 'bound-7';

async function fill(client: RpcClient): Promise<void> {
  for (let i = 0; i < commits; i += 50) {
    const appends = Array.from({ length: 50 }, (_, place) => ({
      stream: `bound.${place % 10}`,
      events: newEvents(place % 17 === 0 ? partedEvents : 1, eventBytes).map((event) => ({
        ...event,
        correlationId: `bound-${place % 25}`,
      })),
    }));
    await client.appendMulti({ appends: appends.slice(0, 10) });
    await Promise.all(appends.slice(10).map((append) => client.append(append)));
  }
}

async function subscribed(client: RpcClient): Promise<string[]> {
  const ids: string[] = [];
  for await (const { events, notice } of client.subscribe()) {
    ids.push(...events.map(({ id }) => id));
    if (notice?.$case === 'caughtUp') return ids;
  }
  return ids;
}

/** The result of each kind of read. */
async function everything(client: RpcClient, fromTime: Timestamp | undefined): Promise<string[][]> {
  const middle = BigInt(commits / 2);
  const reads = [
    client.readAll(),
    client.readAll({ direction: Direction.BACKWARD }),
    client.readAll({ afterPosition: middle }),
    client.readAll({ fromTime }),
    client.readAll({ afterPosition: middle, direction: Direction.BACKWARD, maxCount: 10n }),
    client.readAll({ patterns: [stream] }),
    client.readStream({ stream }),
    client.readStream({ stream, direction: Direction.BACKWARD }),
    client.readByCorrelation({ correlationId }),
  ];
  const events = await Promise.all(reads);
  return [...events.map((read) => read.events.map(({ id }) => id)), await subscribed(client)];
}

test('old events come from NATS, in chunks', async () => {
  await using nats = await startNats({ maxPayloadBytes });
  const folder = makeReplicaDir();
  await using bounded = await startTestGateway([nats.url], [`--replica-dir=${folder}`], bound);
  await using whole = await startTestGateway([nats.url]);
  await fill(whole.client);
  const { commitTime } = (await whole.client.readAll({ maxCount: 200n })).events.at(-1) as RecordedEvent;
  const expected = await everything(whole.client, commitTime);
  expect(expected[0]).toHaveLength(eventCount);
  expect(await everything(bounded.client, commitTime)).toEqual(expected);
  const bytes = await folderBytes(join(folder, 'segments'));
  expect(bytes).toBeLessThanOrEqual(bound.replicaBytesMax + bound.segmentBytesMax);

  const connection = await connect({ servers: nats.url });
  let consumers = 0;
  connection.subscribe('$JS.API.CONSUMER.CREATE.>', { callback: () => consumers++ });
  await connection.flush();
  expect((await bounded.client.readAll()).events).toHaveLength(eventCount);
  await connection.flush();
  await connection.close();
  // There are 7 MB.
  expect(consumers).toBeLessThanOrEqual(6);
}, 120_000);
