import { startGatewayProcess } from '../support/gateway';
import { startNats } from '../support/nats-server';

/** More reads at once than NATS lets answers wait for one connection: 64 MiB, its `max_pending`. */
const readers = 128;
const commits = 10;
/** On a busy machine. */
const deadlineMs = 90_000;
const events = Array.from({ length: 5 }, () => ({
  type: 'Large',
  payload: { $case: 'binary' as const, value: Buffer.alloc(50_000) },
}));

test('many large reads at the same time are all complete', async () => {
  await using nats = await startNats();
  await using gateway = await startGatewayProcess([nats.url]);
  const { client } = gateway;
  for (let i = 0; i < commits; i++) await client.append({ stream: 'large.1', events });
  const deadline = Date.now() + deadlineMs;
  const reads = Array.from({ length: readers }, () => client.readStream({ stream: 'large.1' }, { deadline }));
  const outcomes = await Promise.allSettled(reads);
  const failures = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [String(outcome.reason)] : [],
  );
  expect(failures).toEqual([]);
  for (const read of reads) expect((await read).events).toHaveLength(commits * events.length);
}, 120_000);
