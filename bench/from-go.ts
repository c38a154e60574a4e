import { startClients } from './clients';
import { hasGo, startGoClients } from './go-clients';
import { streamName, type Operation } from './job';
import type { Row } from './measure';
import { prefill, type PlannedCommit } from './prefill';
import { calls, plural, runTable, type Run, type Table } from './run';
import { durability, startBenchGateway, startBenchNats } from './servers';
import type { Sizes } from './settings';

const eventsPerCommit = 100;
const versionStreams = { prefix: 'version', count: 64 };
const readStream = 'batches';

/** One gateway, called from Go and from Node: the share of the caller in a call. Only where Go is installed. */
export async function fromGo(run: Run): Promise<Table | undefined> {
  const title = 'called from Go and from Node';
  if (!(await hasGo(title, run.progress))) return undefined;
  const { settings, peaks } = run;
  const about =
    `Durability: ${durability.interval}. Go: grpc-go and the stubs of protoc-gen-go-grpc, one process with as many ` +
    'channels as there are load processes in Node (bench/go). Node: the generated client. Both call the same gateway.';
  return runTable(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
    await using nats = await startBenchNats('interval');
    await using gateway = await startBenchGateway({ name: title, nats, peaks });
    await prefill(nats.url, storedBefore(settings.sizes));
    await using go = await startGoClients(settings.clients, gateway.address);
    await using node = await startClients(settings.clients, gateway.address, nats.url);
    return await use({
      sides: [
        { label: 'Go', clients: go, peer: 'generated' },
        { label: 'Node', clients: node, peer: 'generated' },
      ],
      settle: gateway.caughtUp,
    });
  });
}

function* storedBefore({ readEvents }: Sizes): Generator<PlannedCommit> {
  for (let i = 0; i < readEvents; i += eventsPerCommit)
    yield { stream: streamName(readStream, 0, 0), events: eventsPerCommit };
  for (let i = 0; i < versionStreams.count; i++)
    yield { stream: streamName(versionStreams.prefix, 0, i), events: 1 };
}

function rows(sizes: Sizes): Row[] {
  const { readEvents, manyCallers } = sizes;
  const version: Operation = { kind: 'version', streams: versionStreams, version: 1 };
  const read: Operation = {
    kind: 'read',
    streams: { prefix: readStream, count: 1 },
    range: 'all',
    events: readEvents,
  };
  const of = (callers: number, alone: number, together: number): { callers: number; callsEach: number } => {
    return { callers, callsEach: calls(callers === 1 ? alone : together, sizes) };
  };
  return [
    ...[1, manyCallers].flatMap((callers): Row[] => [
      appendRow(1, of(callers, 2_000, 200)),
      appendRow(100, of(callers, 300, 20)),
      { what: 'GetVersion', ...of(callers, 2_000, 250), events: 0, operations: [version, version] },
    ]),
    // Fewer at a time than of the others: each read requests 2 MiB ahead from NATS, over one connection.
    ...[1, Math.ceil(manyCallers / 4)].map((callers): Row => ({
      what: `ReadStream of ${plural(readEvents, 'event')}, ${eventsPerCommit}-event commits`,
      ...of(callers, 20, 3),
      events: readEvents,
      operations: [read, read],
    })),
  ];
}

/** Each side has its own streams. */
function appendRow(events: number, load: { readonly callers: number; readonly callsEach: number }): Row {
  const by = (side: string): Operation => ({
    kind: 'append',
    streams: `${side}-${events}-${load.callers}`,
    events,
    callsPerStream: Number.MAX_SAFE_INTEGER,
    version: 0,
  });
  return {
    what: `append of ${plural(events, 'event')}`,
    ...load,
    events,
    operations: [by('go'), by('node')],
  };
}
