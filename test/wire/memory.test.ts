import { startGatewayProcess } from '../support/gateway';
import { startNats } from '../support/nats-server';
import { residentBytes } from '../support/resident-memory';
import { connectWire, type WireClient } from '../support/wire-client';

const large = 'x'.repeat(20_000);

/** One call of each kind that fails. */
async function failInEveryWay(wire: WireClient, round: number): Promise<void> {
  const stream = `memory.${round}`;
  const cancelled = wire.open('ReadStream', { stream: 'memory.large' });
  const calls = [
    wire.unary('Append', {
      stream: 'memory.large',
      events: [{ type: 'T', text: large }],
      expected_version: '7',
    }),
    wire.unary('Append', { stream: `${stream} `, events: [{ type: '', text: large }] }),
    wire.unary('GetVersion', { stream: large }),
    wire.bytes('Append', Buffer.from(large)),
    wire.stream('ReadStream', { stream, direction: 9, event_types: ['', large] }),
    wire.stream('ReadStream', { stream: 'memory.large' }, { deadline: Date.now() + 1 }),
    wire.stream('ListStreams', { pattern: large }),
    cancelled.toArray(),
  ];
  setImmediate(() => {
    cancelled.cancel();
  });
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toEqual([]);
}

test('calls that fail leave nothing behind in memory', async () => {
  await using nats = await startNats();
  await using gateway = await startGatewayProcess([nats.url]);
  using wire = connectWire(gateway.address);
  const events = Array.from({ length: 10 }, () => ({ type: 'Large', text: large }));
  await wire.unary('Append', { stream: 'memory.large', events });
  const run = async (from: number, upTo: number): Promise<void> => {
    for (let round = from; round < upTo; round += 5) {
      await Promise.all([0, 1, 2, 3, 4].map((i) => failInEveryWay(wire, round + i)));
    }
  };
  await run(0, 60);
  const before = residentBytes(gateway.process.pid);
  await run(60, 400);
  const after = residentBytes(gateway.process.pid);
  expect(after).toBeLessThan(1.5 * before);
  expect(await wire.unary('GetVersion', { stream: 'memory.large' })).toMatchObject({ version: '10' });
});
