import { startClients } from './clients';
import type { Operation, PeerName } from './job';
import type { Row } from './measure';
import { calls, runTable, type Run, type Table } from './run';
import { startBenchGateway, startBenchNats } from './servers';
import type { Sizes } from './settings';

/** Durable appends: a sync for all that wait, beside a sync for each. */
export function sharedSync(run: Run): Promise<Table | undefined> {
  const { settings, peaks } = run;
  const title = 'a sync for many appends';
  const about =
    'Durability: every append is on disk before it is answered, on both sides. Shared: a gateway with a nats-server of its ' +
    'own, as `npm start` runs it, which syncs the log once for all appends that wait (docs/adr/0010). Each: the same gateway ' +
    'on a nats-server with `sync_interval: always`, one publish and one sync for each append.';
  return runTable(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
    await using nats = await startBenchNats('always');
    await using shared = await startBenchGateway({ name: `${title}: shared`, peaks });
    await using each = await startBenchGateway({ name: `${title}: each`, nats, peaks });
    await using sharedClients = await startClients(settings.clients, shared.address, nats.url);
    await using eachClients = await startClients(settings.clients, each.address, nats.url);
    return await use({
      sides: [
        { label: 'shared', clients: sharedClients, peer: 'generated' },
        { label: 'each', clients: eachClients, peer: 'generated' },
      ],
      settle: async () => {
        await shared.caughtUp();
        await each.caughtUp();
      },
    });
  });
}

function rows(sizes: Sizes): Row[] {
  const { manyCallers } = sizes;
  return [
    row('append of 1 event', 'generated', 1, calls(1_500, sizes)),
    row('append of 1 event', 'generated', manyCallers, calls(100, sizes)),
    row('append of 1 event', 'generated', 4 * manyCallers, calls(30, sizes)),
    row('append of 1 event, AppendSession', 'session', manyCallers, calls(300, sizes)),
    row('append of 1 event, AppendSession', 'session', 4 * manyCallers, calls(100, sizes)),
  ];
}

/** Each caller has a stream of its own. */
function row(what: string, peer: PeerName, callers: number, callsEach: number): Row {
  const operation: Operation = {
    kind: 'append',
    streams: `synced-${peer}-${callers}`,
    events: 1,
    callsPerStream: Number.MAX_SAFE_INTEGER,
    version: 0,
  };
  return { what, callers, callsEach, events: 1, operations: [operation, operation], peers: [peer, peer] };
}
