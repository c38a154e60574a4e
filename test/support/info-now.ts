import { setTimeout as sleep } from 'node:timers/promises';
import type { GetServerInfoResponse } from '../../generated/sluice/v1/event_store_service';
import { defaultLimits } from '../../src/limits';
import { until } from './nats-server';

interface Asked {
  serverInfo(): Promise<GetServerInfoResponse>;
}

/** What GetServerInfo tells of the store as it is at the call or later: an answer from before is too old to be told again. */
export async function infoNow(client: Asked): Promise<GetServerInfoResponse> {
  await sleep(defaultLimits.serverInfoAgeMaxMs + 50);
  return client.serverInfo();
}

/** Waits until the replica of a gateway has all that is stored. */
export async function replicated(client: Asked, timeoutMs: number): Promise<void> {
  await infoNow(client);
  await until(async () => (await client.serverInfo()).replica?.lag === 0n, timeoutMs);
}
