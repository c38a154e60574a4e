import { randomUUID } from 'node:crypto';
import { connect as connectNats } from 'nats';
import { connect } from '../../src/client/client';
import { BulkLoad } from '../support/bulk';
import { startTestGateway } from '../support/gateway';
import { startNats, until } from '../support/nats-server';

const writers = 64;

test('writers whose commit ids have to be looked for do not keep the index from being made again', async () => {
  await using nats = await startNats();
  await using gateway = await startTestGateway([nats.url]);
  await new BulkLoad(100_000).write(gateway.address);
  using probe = connect(gateway.address);
  const lag = async (): Promise<bigint> => {
    const { index } = await probe.serverInfo();
    return index?.lag ?? 0n;
  };
  await until(async () => (await lag()) < 1_000n, 60_000);

  const connection = await connectNats({ servers: nats.url });
  const { streams } = await connection.jetstreamManager();
  await streams.purge('EVENTS_INDEX');
  await connection.close();
  const reasons = new Set<string>();
  let isOver = false;
  const write = async (stream: string): Promise<void> => {
    using sluice = connect(gateway.address, { appendAttemptsMax: 1 });
    while (!isOver)
      await sluice
        .append(stream, [{ type: 'T', data: 'x' }], { commitId: randomUUID() })
        .catch((error: unknown) => reasons.add(String((error as { code?: string }).code)));
  };
  const writing = Array.from({ length: writers }, (_, i) => write(`again.${i.toString()}`));
  try {
    await until(async () => (await lag()) > 50_000n);
    await until(async () => (await lag()) < 1_000n, 60_000);
  } finally {
    isOver = true;
    await Promise.all(writing);
  }
  // What those are told who have waited as long as may be.
  for (const reason of ['STORE_UNAVAILABLE', 'DEADLINE_EXCEEDED', 'OUTCOME_UNKNOWN']) reasons.delete(reason);
  expect([...reasons]).toEqual([]);
}, 240_000);
