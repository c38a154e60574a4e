import type { Environment } from '../acceptance/environment';
import { startGatewayProcess } from '../support/gateway';
import { connectRpc } from '../support/rpc-client';
import { startWriters } from '../support/writers';

const appends = 1_500;

/** Writers that expect a version and writers that do not, on the same streams, over four channels to two gateways. */
export async function appendTogether({ urls, flags, client }: Environment): Promise<void> {
  await using other = await startGatewayProcess(urls, flags);
  using further = connectRpc(other.address);
  const writers = startWriters([client, other.client, further], {
    streams: ['together.a', 'together.b', 'together.c'],
    counts: [1, 2, 1, 9, 1, 14, 3],
    payloadBytes: 1_000,
  });
  await writers.more(appends);
  expect(await writers.faults(other.client)).toEqual([]);
  // There was something to decide, and nothing got lost on the way.
  expect(writers.count('refused')).toBeGreaterThan(appends / 20);
  expect(writers.count('unknown')).toBe(0);
}
