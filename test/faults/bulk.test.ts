import { connect, nanos } from 'nats';
import { BulkLoad } from '../support/bulk';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';

/** The replica must be complete, also when the log is written faster than the replica. */

const duplicateWindowMs = 500;

test('after a bulk load every id finds all its events, and an old commit that is sent again is a replay', async () => {
  await using nats = await startNats({ maxPayloadBytes: 4_096 });
  const load = new BulkLoad(6_000);
  {
    await using writer = await startTestGateway([nats.url]);
    await load.write(writer.address);
  }
  const connection = await connect({ servers: nats.url });
  const { streams } = await connection.jetstreamManager();
  await streams.update('EVENTS', { duplicate_window: nanos(duplicateWindowMs) });
  await connection.close();
  await using reader = await startTestGateway([nats.url], [], { duplicateWindowMs });
  expect(await load.incompleteIds(reader.address, 2)).toEqual([]);
  expect(await load.storedAgain(reader.address, 6)).toEqual([]);
}, 240_000);
