import { setTimeout as sleep } from 'node:timers/promises';
import { defaultLimits } from '../src/limits';
import type { Clients } from './clients';
import { hasGo, startGoClients } from './go-clients';
import type { Row } from './measure';
import { calls, inWords, runTable, type Run, type Table } from './run';
import { durability, startBenchGateway, startBenchNats, type BenchGateway } from './servers';
import type { Sizes } from './settings';

/** One channel for each of this many services. */
const channels = 10;
const times = 4;
const floodSeconds = 30;
const title = 'overload';

/** What a gateway stores while it gets many more requests than it can serve. Only where Go is installed. */
export async function overload(run: Run): Promise<Table | undefined> {
  if (!(await hasGo(title, run.progress))) return undefined;
  const { settings, peaks } = run;
  const about =
    `Durability: ${durability.interval}. Peak: enough callers to keep the gateway busy. Overload: for ${floodSeconds} s ` +
    `${times} times as many callers, and ${times} times as many as the limit of concurrent appends of the gateway, over ` +
    `${channels} channels; a refused caller retries after the delay that the gateway gives, the others continue at once. Both ` +
    'are called from Go (bench/go). The memory table shows whether memory grows meanwhile.';
  return runTable(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
    await using nats = await startBenchNats('interval');
    await using gateway = await startBenchGateway({ name: title, nats, peaks });
    await using go = await startGoClients(channels, gateway.address);
    return await use({
      sides: [
        { label: 'peak', clients: go, peer: 'generated' },
        { label: 'overload', clients: watched(go, gateway, run), peer: 'generated' },
      ],
      settle: gateway.caughtUp,
    });
  });
}

function rows(sizes: Sizes): Row[] {
  const isFull = sizes.callsShare === 1;
  const seconds = isFull ? floodSeconds : 1;
  const callers = 4 * sizes.manyCallers;
  return [times * callers, times * (isFull ? defaultLimits.appendsMax : 2 * callers)].map((floodCallers) => ({
    what: `append of 1 event; overload: ${inWords(floodCallers)} callers`,
    callers,
    callsEach: calls(100, sizes),
    events: 1,
    operations: [
      {
        kind: 'append',
        streams: `peak-${floodCallers}`,
        events: 1,
        callsPerStream: Number.MAX_SAFE_INTEGER,
        version: 0,
      },
      { kind: 'flood', streams: `flood-${floodCallers}`, callers: floodCallers, seconds },
    ],
  }));
}

/** Records the memory of the gateway after a third of a flood, and at its end. */
function watched(clients: Clients, gateway: BenchGateway, { peaks }: Run): Clients {
  return {
    async run(job) {
      const { operation, firstCall } = job;
      if (operation.kind !== 'flood') return clients.run(job);
      const thirdMs = (operation.seconds * 1_000) / 3;
      const flood = clients.run(job);
      await Promise.race([flood, sleep(thirdMs)]);
      const early = gateway.residentBytes();
      await Promise.race([flood, sleep(2 * thirdMs)]);
      const late = gateway.residentBytes();
      if (firstCall > 0) {
        const name = `${title}, ${inWords(operation.callers)} callers`;
        peaks.push({ gateway: `${name}, after a third of the time`, residentBytesMax: early });
        peaks.push({ gateway: `${name}, at the end`, residentBytesMax: late });
      }
      return flood;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
