import { join } from 'node:path';
import { startClients } from './clients';
import type { Operation } from './job';
import type { Row } from './measure';
import { calls, plural, runTable, type Run, type Table } from './run';
import { durability, startBenchGateway, startBenchNats } from './servers';
import type { Sizes } from './settings';

/** Appends with and without the index. */
export function indexCost(run: Run): Promise<Table | undefined> {
  const { settings, peaks } = run;
  const title = 'index on and off';
  const about =
    `Durability: ${durability.interval}. Two gateways with a store each on one server; off: what notes and writes the ` +
    'index is replaced by what does nothing (bench/without-index.ts). Every commit has a correlation id of its own.';
  return runTable(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
    await using nats = await startBenchNats('interval');
    await using on = await startBenchGateway({ name: `${title}: on`, nats, peaks });
    await using off = await startBenchGateway({
      name: `${title}: off`,
      nats,
      peaks,
      args: ['--store-name=UNINDEXED', '--store-prefix=unindexed'],
      preload: join(__dirname, 'without-index.js'),
    });
    await using onClients = await startClients(settings.clients, on.address, nats.url);
    await using offClients = await startClients(settings.clients, off.address, nats.url);
    const table = await use({
      sides: [
        { label: 'on', clients: onClients, peer: 'generated' },
        { label: 'off', clients: offClients, peer: 'generated' },
      ],
      settle: on.caughtUp,
    });
    if ((await off.indexPosition()) !== 0n) throw new Error('the index was written although it was off');
    return table;
  });
}

function rows(sizes: Sizes): Row[] {
  return [1, 10].map((events) => {
    const operation: Operation = {
      kind: 'append',
      streams: `indexed-${events}`,
      events,
      callsPerStream: Number.MAX_SAFE_INTEGER,
      version: 0,
    };
    // Long slots, since the index is written about once a second.
    return {
      what: `append of ${plural(events, 'event')}`,
      callers: sizes.manyCallers,
      callsEach: calls(600, sizes),
      events,
      operations: [operation, operation],
    };
  });
}
