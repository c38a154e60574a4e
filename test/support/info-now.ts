import { setTimeout as sleep } from 'node:timers/promises';
import type { GetServerInfoResponse } from '../../generated/sluice/v1/event_store_service';
import { defaultLimits } from '../../src/limits';
import { until } from './nats-server';

interface Asked {
  serverInfo(): Promise<GetServerInfoResponse>;
}

/** What GetServerInfo reports about the store at the time of the call or later: not a cached answer from before. */
export async function infoNow(client: Asked): Promise<GetServerInfoResponse> {
  await sleep(defaultLimits.serverInfoAgeMaxMs + 50);
  return client.serverInfo();
}

/** Waits until the replica of a gateway has the whole log. */
export async function replicated(client: Asked, timeoutMs: number): Promise<void> {
  await infoNow(client);
  await until(async () => (await client.serverInfo()).replica?.lag === 0n, timeoutMs);
}
