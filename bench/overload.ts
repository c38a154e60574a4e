import { setTimeout as sleep } from 'node:timers/promises';
import { defaultLimits } from '../src/limits';
import type { Clients } from './clients';
import { hasGo, startGoClients, type GoClients } from './go-clients';
import { calls, inWords, runTable, type Run, type Table } from './run';
import { durability, startBenchGateway, startBenchNats, type BenchGateway } from './servers';

/** As of so many services: more appends can be under way over them than the gateway takes. */
const channels = 10;
const times = 4;
const floodSeconds = 30;
const title = 'overload';

/** What a gateway stores while much more is asked of it than it can do. Only where Go is. */
export async function overload(run: Run): Promise<Table | undefined> {
  if (!(await hasGo())) {
    run.progress(`${title}: left out, since there is no Go here`);
    return undefined;
  }
  const { sizes } = run.settings;
  const isFull = sizes.callsShare === 1;
  const flood = {
    callers: isFull ? times * defaultLimits.appendsMax : 100,
    seconds: isFull ? floodSeconds : 1,
  };
  const about =
    `Durability: ${durability.interval}. Peak: as many callers as keep the gateway busy. Overload: ` +
    `${inWords(flood.callers)} callers over ${channels} channels for ${flood.seconds} s, ${times} times as many as the gateway lets ` +
    'have an append under way. Each calls again at once, or when it is told to if it was refused. Both are called from Go ' +
    '(bench/go). The memory below shows whether it grows meanwhile.';
  const operation = {
    kind: 'append',
    streams: 'peak',
    events: 1,
    callsPerStream: Number.MAX_SAFE_INTEGER,
    version: 0,
  } as const;
  const row = {
    what: 'append of 1 event',
    callers: 4 * sizes.manyCallers,
    callsEach: calls(100, sizes),
    events: 1,
    operations: [operation, operation],
  } as const;
  return runTable(run, { title, about, rows: [row] }, async (use) => {
    await using nats = await startBenchNats('interval');
    await using gateway = await startBenchGateway({ name: title, nats, peaks: run.peaks });
    await using go = await startGoClients(channels, gateway.address);
    return await use({
      sides: [
        { label: 'peak', clients: go, peer: 'generated' },
        { label: 'overload', clients: flooding(go, gateway, run, flood), peer: 'generated' },
      ],
      settle: gateway.caughtUp,
    });
  });
}

/** Notes the memory after a third of the time, and at the end. */
function flooding(
  go: GoClients,
  gateway: BenchGateway,
  { peaks, progress }: Run,
  load: { readonly callers: number; readonly seconds: number },
): Clients {
  let round = 0;
  return {
    async run({ firstCall }) {
      const thirdMs = (load.seconds * 1_000) / 3;
      const flood = go.flood({ streams: 'flood', ...load, firstCall });
      await Promise.race([flood, sleep(thirdMs)]);
      const early = gateway.residentBytes();
      await Promise.race([flood, sleep(2 * thirdMs)]);
      const late = gateway.residentBytes();
      const { slot, failures } = await flood;
      progress(`${title}: not stored: ${JSON.stringify(failures)}`);
      if (round > 0) {
        const name = `${title}, round ${round}`;
        peaks.push({ gateway: `${name}, after ${load.seconds / 3} s`, residentBytesMax: early });
        peaks.push({ gateway: `${name}, at the end`, residentBytesMax: late });
      }
      round++;
      return slot;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
