import { startClients, type Clients } from './clients';
import { hasGo, startGoClients } from './go-clients';
import type { Operation, PeerName } from './job';
import type { Row } from './measure';
import { calls, runTable, type Run, type Table } from './run';
import { startBenchGateway, startBenchNats } from './servers';
import type { Sizes } from './settings';

type StartClients = (address: string, natsUrl: string) => Promise<Clients>;

/** Durable appends: one sync for all appends that wait, compared with a sync for each. */
export function sharedSync(run: Run): Promise<Table | undefined> {
  const { clients, sizes } = run.settings;
  const start: StartClients = (address, natsUrl) => startClients(clients, address, natsUrl);
  const { manyCallers } = sizes;
  const rows = [
    ...unaryRows(sizes),
    row('append of 1 event, AppendSession', 'session', manyCallers, calls(300, sizes)),
    row('append of 1 event, AppendSession', 'session', 4 * manyCallers, calls(100, sizes)),
  ];
  return measure(run, { title: 'a sync for many appends', note: '', rows }, start);
}

/** The same with cheaper callers. Only where Go is installed. */
export async function sharedSyncFromGo(run: Run): Promise<Table | undefined> {
  const title = 'a sync for many appends, called from Go';
  if (!(await hasGo(title, run.progress))) return undefined;
  const { clients, sizes } = run.settings;
  const start: StartClients = (address) => startGoClients(clients, address);
  const note = ' The load is that of bench/go.';
  return measure(run, { title, note, rows: unaryRows(sizes) }, start);
}

function measure(
  run: Run,
  { title, note, rows }: { readonly title: string; readonly note: string; readonly rows: readonly Row[] },
  start: StartClients,
): Promise<Table | undefined> {
  const { peaks } = run;
  const about =
    'Durability: every append is on disk before it is acknowledged, on both sides. Shared: a gateway with the embedded ' +
    'nats-server, as `npm start` runs it, which syncs the log once for all appends that wait (docs/adr/0010). Each: the same ' +
    `gateway on a nats-server with \`sync_interval: always\`, one publish and one sync for each append.${note}`;
  return runTable(run, { title, about, rows }, async (use) => {
    await using nats = await startBenchNats('always');
    await using shared = await startBenchGateway({ name: `${title}: shared`, peaks });
    await using each = await startBenchGateway({ name: `${title}: each`, nats, peaks });
    await using sharedClients = await start(shared.address, nats.url);
    await using eachClients = await start(each.address, nats.url);
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

function unaryRows(sizes: Sizes): Row[] {
  const { manyCallers } = sizes;
  return [
    row('append of 1 event', 'generated', 1, calls(1_500, sizes)),
    row('append of 1 event', 'generated', manyCallers, calls(100, sizes)),
    row('append of 1 event', 'generated', 4 * manyCallers, calls(30, sizes)),
  ];
}

/** Each caller has its own stream. */
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
