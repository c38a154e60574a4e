import { startGatewayProcess } from '../support/gateway';
import { startNats, until } from '../support/nats-server';
import { connectWire } from '../support/wire-client';

const subscribers = 1_100;
const perConnection = 220;
/** Of somewhat more than a kilobyte: 32 MiB divided among all subscribers; one alone gets 64 KiB, of which half make a message. */
const eventsMax = 25;

test('the more subscribers there are, the less waits for each', async () => {
  await using nats = await startNats();
  await using gateway = await startGatewayProcess([nats.url]);
  const payload = { $case: 'text' as const, value: 'x'.repeat(1_000) };
  for (let i = 0; i < 20; i++) {
    const events = Array.from({ length: 10 }, () => ({ type: 'T', payload }));
    await gateway.client.append({ stream: 'slow', events });
  }
  const wires = Array.from({ length: subscribers / perConnection }, () => connectWire(gateway.address));
  try {
    let begun = 0;
    for (const wire of wires)
      for (let i = 0; i < perConnection; i++) {
        const call = wire.open('Subscribe', { stream: 'idle' });
        call.on('error', () => undefined);
        call.once('data', () => begun++);
      }
    await until(() => begun === subscribers, 60_000);
    let largest = 0;
    let events = 0;
    for await (const message of gateway.client.subscribe({ stream: 'slow' })) {
      largest = Math.max(largest, message.events.length);
      events += message.events.length;
      if (message.notice?.$case === 'caughtUp') break;
    }
    expect(events).toBe(200);
    expect(largest).toBeLessThanOrEqual(eventsMax);
  } finally {
    for (const wire of wires) wire[Symbol.dispose]();
  }
});
