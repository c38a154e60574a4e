import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../src/client/client';
import { startGatewayProcess } from './gateway';
import { greedyProcess, inMegabytes } from './greedy';
import { followedStream, followers } from './greedy-calls';
import { startNats } from './nats-server';
import { residentBytes } from './resident-memory';

const eventsPerSecond = 2_000;
const sliceMs = 20;
const leaveMs = 60_000;
const leaveTurnMs = 3_000;
/** On top of the memory at the start: what waits for all subscribers, the tail, 20 KiB for each, and garbage. */
const peakGrowthMax = 300 << 20;
const growthMax = 150 << 20;

/** Appends while thousands subscribe, half of which never read. Resolves with the faults, in words. */
export async function subscriberSoak(seconds: number, say: (line: string) => void): Promise<string[]> {
  await using nats = await startNats();
  await using gateway = await startGatewayProcess([nats.url]);
  const { pid } = gateway.process;
  const startBytes = residentBytes(pid);
  let peakBytes = 0;
  const timer = setInterval(() => (peakBytes = Math.max(peakBytes, residentBytes(pid))), 500);
  const append = async (): Promise<number> => appendFor(gateway.address, seconds);
  const subscribers = Object.keys(followers).map((kind) =>
    greedyProcess(gateway.address, kind, (seconds + 5) * 1_000),
  );
  const [appended, ...received] = await Promise.all([append(), ...subscribers]);
  // Free memory is returned gradually, while the process works.
  for (const untilMs = Date.now() + leaveMs; Date.now() < untilMs;) {
    await appendFor(gateway.address, 1);
    await sleep(leaveTurnMs);
  }
  clearInterval(timer);
  const endBytes = residentBytes(pid);
  say(`${appended} events; subscribers: ${JSON.stringify(received)}`);
  say(
    `${inMegabytes(startBytes)} MB at first, ${inMegabytes(peakBytes)} at most, ${inMegabytes(endBytes)} after`,
  );
  const faults: string[] = [];
  if (peakBytes > startBytes + peakGrowthMax) faults.push('too much memory while they were there');
  if (endBytes > startBytes + growthMax) faults.push('too much memory after they were gone');
  return faults;
}

/** How many events were stored. */
async function appendFor(address: string, seconds: number): Promise<number> {
  using sluice = connect(address);
  const session = sluice.appendSession();
  const data = 'x'.repeat(300);
  const results: Promise<unknown>[] = [];
  const startedMs = Date.now();
  for (let now = startedMs; now < startedMs + seconds * 1_000; now = Date.now()) {
    while (results.length < ((now - startedMs) * eventsPerSecond) / 1_000) {
      await session.ready();
      results.push(session.append(followedStream(results.length), [{ type: 'Followed', data }]));
    }
    await sleep(sliceMs);
  }
  await Promise.all(results);
  await session.close();
  return results.length;
}
