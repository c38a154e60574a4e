import { randomUUID } from 'node:crypto';
import { AppendConditionFailedError, connect, type SluiceClient } from '../../src/client/client';
import { BulkLoad } from './bulk';
import { startConditionalWriters } from './conditional-writers';
import { startGatewayProcess } from './gateway';
import { replicated } from './info-now';
import { startNats } from './nats-server';

type Say = (text: string) => void;

const fillTimeoutMs = 600_000;
const asksMax = 2_000;
const asksAtOnce = 64;
const decisionsMax = 10_000;

/**
 * Writes commits with tags by sessions, and then appends on conditions that look back over all of them, and by callers who read and
 * decide, through two gateways. Returns what is wrong.
 */
export async function conditionalBulkSoak(commits: number, streams: number, say: Say): Promise<string[]> {
  await using nats = await startNats();
  const load = new BulkLoad(commits, streams, undefined, true);
  await using writer = await startGatewayProcess([nats.url]);
  await using other = await startGatewayProcess([nats.url]);
  say(`${commits} commits with tags, ${await load.write(writer.address)}/s`);
  await replicated(other.client, fillTimeoutMs);
  const faults: string[] = [];
  for (const { address } of [writer, other]) {
    using client = connect(address);
    faults.push(...(await askedFaults(load, client, say)));
  }
  const startedMs = performance.now();
  const deciders = startConditionalWriters([writer.client, other.client], `decided-${randomUUID()}`);
  const decisions = Math.min(decisionsMax, Math.ceil(commits / 100));
  while (deciders.count('stored') < decisions) await deciders.more(Math.min(100, decisions));
  faults.push(...(await deciders.faults(other.client)));
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  const counts = (['stored', 'refused', 'unknown'] as const).map((kind) => `${deciders.count(kind)} ${kind}`);
  say(`decisions in ${seconds} s: ${counts.join(', ')}`);
  return faults;
}

/** Each of some tags rules an append out that has seen nothing, by the first commit with it, and not one that has seen the last one. */
async function askedFaults(load: BulkLoad, client: SluiceClient, say: Say): Promise<string[]> {
  const asks = Math.min(asksMax, load.ids);
  const every = Math.floor(load.ids / asks);
  const faults: string[] = [];
  const startedMs = performance.now();
  let next = 0;
  const askOn = async (): Promise<void> => {
    for (let ask = next++; ask < asks; ask = next++) {
      const id = ask * every;
      const fault = await askedFault(load, client, id);
      if (fault !== undefined) faults.push(fault);
    }
  };
  await Promise.all(Array.from({ length: asksAtOnce }, askOn));
  const rate = Math.round((2 * asks * 1_000) / (performance.now() - startedMs));
  say(`${2 * asks} appends on conditions over all of it: ${rate}/s, ${faults.length} of them wrong`);
  return faults;
}

async function askedFault(load: BulkLoad, client: SluiceClient, id: number): Promise<string | undefined> {
  const tag = load.idOf(id);
  const [first, last] = [load.positionsOf(id).at(0), load.positionsOf(id).at(-1)] as [bigint, bigint];
  const append = (after: bigint): Promise<unknown> => {
    const condition = { query: { items: [{ tags: [tag] }] }, after };
    return client.append(`asked.${id % 64}`, [{ type: 'Asked', tags: [`asked-${id}`] }], { condition });
  };
  const refusal: unknown = await append(0n).catch((error: unknown) => error);
  if (!(refusal instanceof AppendConditionFailedError) || refusal.position !== first)
    return `${tag} after 0: ${String(refusal)}, and its first commit is at ${first.toString()}`;
  await append(last);
  return undefined;
}
