import { ReadAllRequest, type ReadAllResponse } from '../../generated/sluice/v1/event_store_service';
import { newEvents } from '../support/attempts';
import { startTestGateway } from '../support/gateway';
import { startNats } from '../support/nats-server';

test('a read that begins within a large commit on the disk reports no position before it', async () => {
  await using nats = await startNats();
  let position = 0n;
  {
    await using gateway = await startTestGateway([nats.url]);
    for (let i = 0; i < 3; i++) await gateway.client.append({ stream: 'small.1', events: newEvents(1) });
    const events = newEvents(6).map((event) => ({ ...event, payload: text('x'.repeat(60_000)) }));
    ({ position } = await gateway.client.append({ stream: 'large.1', events }));
  }
  // This one has the commit on the disk only.
  await using gateway = await startTestGateway([nats.url]);
  const versions: bigint[] = [];
  for await (const message of gateway.client.raw.readAll(
    ReadAllRequest.fromPartial({ afterPosition: position, afterCount: 3n }),
  )) {
    const { events, position: reported } = message as ReadAllResponse;
    versions.push(...events.map(({ version }) => version));
    if (reported !== undefined) expect(reported).toBe(position);
  }
  expect(versions).toEqual([4n, 5n, 6n]);
});

function text(value: string): { $case: 'text'; value: string } {
  return { $case: 'text', value };
}
