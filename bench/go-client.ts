import { hasGo, startGoClients } from './go-clients';
import { streamName, type Operation, type PeerName } from './job';
import type { Row } from './measure';
import { prefill, type PlannedCommit } from './prefill';
import { calls, plural, runTable, type Run, type Table } from './run';
import { durability, startBenchGateway, startBenchNats } from './servers';
import type { Sizes } from './settings';

const eventsPerCommit = 100;
const category = 'followed';

/** What the Go client costs: the same calls with it and with the stubs that it is made of. Only where Go is installed. */
export async function goClient(run: Run): Promise<Table | undefined> {
  const title = 'the Go client and its stubs';
  if (!(await hasGo(title, run.progress))) return undefined;
  const { settings, peaks } = run;
  const about =
    `Durability: ${durability.interval}. Client: that of clients/go, which makes commit ids, sends appends again, checks the ` +
    'ends of reads and asks for heartbeats. Stubs: grpc-go alone, with a commit id of the same kind. Both call the same gateway (bench/go).';
  return runTable(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
    await using nats = await startBenchNats('interval');
    await using gateway = await startBenchGateway({ name: title, nats, peaks });
    await prefill(nats.url, storedBefore(settings.sizes));
    await using clients = await startGoClients(settings.clients, gateway.address);
    return await use({
      sides: [
        { label: 'client', clients, peer: 'goClient' },
        { label: 'stubs', clients, peer: 'generatedV7' },
      ],
      settle: gateway.caughtUp,
    });
  });
}

/** Enough events to make the start of a call negligible. */
function storedEvents({ readEvents }: Sizes): number {
  return 5 * readEvents;
}

function* storedBefore(sizes: Sizes): Generator<PlannedCommit> {
  for (let i = 0; i < storedEvents(sizes); i += eventsPerCommit)
    yield { stream: streamName(category, 0, 0), events: eventsPerCommit };
}

function rows(sizes: Sizes): Row[] {
  const events = storedEvents(sizes);
  const catchUp: Operation = { kind: 'catchUp', pattern: `${category}.*`, events };
  const read: Operation = { kind: 'read', streams: { prefix: category, count: 1 }, range: 'all', events };
  const pages = { callers: 1, callsEach: calls(10, sizes), events };
  return [
    appendRow(1, calls(2_000, sizes)),
    appendRow(sizes.manyCallers, calls(400, sizes)),
    { what: `catch-up of ${plural(events, 'event')}`, ...pages, operations: [catchUp, catchUp] },
    { what: `ReadStream of ${plural(events, 'event')}`, ...pages, operations: [read, read] },
  ];
}

/** Each side has its own streams. */
function appendRow(callers: number, callsEach: number): Row {
  const by = (peer: PeerName): Operation => ({
    kind: 'append',
    streams: `${peer}-${callers}`,
    events: 1,
    callsPerStream: Number.MAX_SAFE_INTEGER,
    version: 0,
  });
  return {
    what: 'append of 1 event',
    callers,
    callsEach,
    events: 1,
    operations: [by('goClient'), by('generatedV7')],
  };
}
