import { startClients } from './clients';
import { streamName, type Operation, type PeerName } from './job';
import type { Row } from './measure';
import { prefill, type PlannedCommit } from './prefill';
import { calls, inWords, plural, runTable, type Run, type Table } from './run';
import { durability, startBenchGateway, startBenchNats, type Sync } from './servers';
import type { Sizes } from './settings';

/** The gateway and the raw client, which does the same work by hand on the same server. */
export function againstRaw(run: Run, sync: Sync): Promise<Table | undefined> {
  const { settings, peaks } = run;
  const title = sync === 'always' ? 'fsync on every write' : 'fsync at intervals';
  const about =
    `Durability: ${durability[sync]}. Raw: hand-written code with the \`nats\` package. Append is \`js.publish\` of an encoded ` +
    'CommitRecord with the expected last sequence of the subject; read is a batched Direct Get that decodes the events ' +
    '(an ordered consumer is not faster); version is a Direct Get of the last message; AppendMulti is a concurrent publish for ' +
    'each stream, which is not atomic. At the wire: a plain HTTP/2 client that does not decode the events ' +
    '(bench/wire-peer.ts), because the generated client reaches its limit before the gateway does.';
  return runTable(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
    await using nats = await startBenchNats(sync);
    await using gateway = await startBenchGateway({ name: title, nats, peaks });
    await prefill(nats.url, storedBefore(settings.sizes));
    await using clients = await startClients(settings.clients, gateway.address, nats.url);
    return await use({
      sides: [
        { label: 'gateway', clients, peer: 'generated' },
        { label: 'raw', clients, peer: 'raw' },
      ],
      settle: gateway.caughtUp,
    });
  });
}

const eventsPerCommit = 100;
/** The streams of the GetVersion calls. */
const versionStreams = { prefix: 'version', count: 64 };

function* storedBefore({ readEvents }: Sizes): Generator<PlannedCommit> {
  for (let i = 0; i < readEvents; i++) yield { stream: streamName('singles', 0, 0), events: 1 };
  for (let i = 0; i < readEvents; i += eventsPerCommit)
    yield { stream: streamName('batches', 0, 0), events: eventsPerCommit };
  for (let i = 0; i < versionStreams.count; i++)
    yield { stream: streamName(versionStreams.prefix, 0, i), events: 1 };
}

function rows(sizes: Sizes): Row[] {
  const { readEvents, sequentialAppends, manyCallers } = sizes;
  const appendRows = [
    { events: 1, alone: 2_000, together: 200 },
    { events: 10, alone: 1_000, together: 100 },
    { events: 100, alone: 300, together: 20 },
    { events: 1_000, alone: 50, together: 3 },
  ].flatMap(({ events, alone, together }) => [
    appendRow(events, 1, calls(alone, sizes)),
    appendRow(events, manyCallers, calls(together, sizes)),
  ]);
  const single = { kind: 'append', events: 1, version: 0 } as const;
  const all = (prefix: string): Operation => {
    return { kind: 'read', streams: { prefix, count: 1 }, range: 'all', events: readEvents };
  };
  const ofRead = `ReadStream of ${plural(readEvents, 'event')}`;
  const ofHundreds = `${ofRead}, ${eventsPerCommit}-event commits`;
  const hundreds = (what: string): Row =>
    both({ what, callers: 1, callsEach: calls(20, sizes), events: readEvents }, all('batches'));
  const sequential = (streams: string, what = ''): Row => {
    const operation: Operation = { ...single, streams, callsPerStream: sequentialAppends };
    const row = `${inWords(sequentialAppends)} appends of 1 event to one stream${what}`;
    return both({ what: row, callers: 1, callsEach: sequentialAppends, events: 1 }, operation);
  };
  return [
    ...appendRows,
    sessionRow(4 * manyCallers, calls(200, sizes)),
    sessionRow(16 * manyCallers, calls(100, sizes)),
    multiRow(1, calls(400, sizes)),
    multiRow(manyCallers, calls(5, sizes)),
    both(
      {
        what: 'first append of 1 event to a new stream',
        callers: 1,
        callsEach: calls(1_000, sizes),
        events: 1,
      },
      { ...single, streams: 'new', callsPerStream: 1 },
    ),
    sequential('sequential'),
    by('wire', sequential('sequential-wire', ', at the wire')),
    both(
      {
        what: `${ofRead}, single-event commits`,
        callers: 1,
        callsEach: calls(10, sizes),
        events: readEvents,
      },
      all('singles'),
    ),
    hundreds(ofHundreds),
    by('typescript', hundreds(`${ofHundreds}, TypeScript client`)),
    by('wire', hundreds(`${ofHundreds}, at the wire`)),
    both(
      {
        what: 'ReadStream of a stream that does not exist',
        callers: 1,
        callsEach: calls(2_000, sizes),
        events: 0,
      },
      { kind: 'read', streams: { prefix: 'nothing', count: 1 }, range: 'all', events: 0 },
    ),
    versionRow(1, calls(2_000, sizes)),
    versionRow(manyCallers, calls(250, sizes)),
    by('wire', versionRow(manyCallers, calls(250, sizes), ', at the wire')),
  ];
}

/** Each caller has its own stream and continues with it from slot to slot. */
function appendRow(events: number, callers: number, callsEach: number): Row {
  return both(
    { what: `append of ${plural(events, 'event')}`, callers, callsEach, events },
    {
      kind: 'append',
      streams: `append-${events}-${callers}`,
      events,
      callsPerStream: Number.MAX_SAFE_INTEGER,
      version: 0,
    },
  );
}

/** Many callers with one pending append each, in one session per load process. */
function sessionRow(callers: number, callsEach: number): Row {
  const row = appendRow(1, callers, callsEach);
  return { ...by('session', row), what: `${row.what}, AppendSession` };
}

/** The raw peer publishes the same messages concurrently, but not atomically. */
function multiRow(callers: number, callsEach: number): Row {
  const width = 3;
  return both(
    { what: `AppendMulti of ${width} streams`, callers, callsEach, events: width },
    { kind: 'multi', streams: `multi-${callers}`, width },
  );
}

function versionRow(callers: number, callsEach: number, what = ''): Row {
  return both(
    { what: `GetVersion${what}`, callers, callsEach, events: 0 },
    { kind: 'version', streams: versionStreams, version: 1 },
  );
}

/** The row with another client of the gateway. */
function by(peer: PeerName, row: Row): Row {
  return { ...row, peers: [peer, 'raw'] };
}

/** A row with the same operation on both sides. */
function both(row: Omit<Row, 'operations'>, operation: Operation): Row {
  return { ...row, operations: [operation, operation] };
}
