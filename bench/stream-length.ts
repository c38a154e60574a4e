import { startClients } from './clients';
import { streamName, type Operation, type ReadRange } from './job';
import type { Row } from './measure';
import { prefill, type PlannedCommit } from './prefill';
import { calls, inWords, runTable, type Run, type Table } from './run';
import { durability, startBenchGateway, startBenchNats } from './servers';
import type { Sizes } from './settings';

const shortEvents = 10;
const tailEvents = 10;
/** The short streams to read. */
const short = { prefix: 'short', count: 64 };
const long = { prefix: 'long', count: 1 };

/** The same calls on a long and on a short stream: they must cost the same. */
export function streamLength(run: Run): Promise<Table | undefined> {
  const { settings, peaks } = run;
  const { longStreamEvents } = settings.sizes;
  const title = 'long and short streams';
  const about =
    `Durability: ${durability.interval}. Streams of ${inWords(longStreamEvents)} and of ${shortEvents} events in one store, ` +
    'written as single-event commits that alternate at the end of the log.';
  return runTable(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
    await using nats = await startBenchNats('interval');
    await using gateway = await startBenchGateway({ name: title, nats, peaks });
    await prefill(nats.url, storedBefore(longStreamEvents));
    await using clients = await startClients(settings.clients, gateway.address, nats.url);
    return await use({
      sides: [
        { label: 'long', clients, peer: 'generated' },
        { label: 'short', clients, peer: 'generated' },
      ],
      settle: gateway.caughtUp,
    });
  });
}

/** The short streams are next to the end of the long one, so that both are equally near to the end of the log. */
function* storedBefore(longEvents: number): Generator<PlannedCommit> {
  const shortInAll = shortEvents * short.count;
  for (let i = Math.min(0, longEvents - shortInAll); i < longEvents; i++) {
    if (i >= 0) yield { stream: streamName(long.prefix, 0, 0), events: 1 };
    const index = Math.floor((i - longEvents + shortInAll) / shortEvents);
    if (index >= 0) yield { stream: streamName(short.prefix, 0, index), events: 1 };
  }
}

function rows(sizes: Sizes): Row[] {
  const longEvents = sizes.longStreamEvents;
  const callsEach = calls(500, sizes);
  // Appends come last, because they change the versions that the other rows expect.
  return [
    {
      what: 'GetVersion',
      callers: 1,
      callsEach,
      events: 0,
      operations: [versionOf(long, longEvents), versionOf(short, shortEvents)],
    },
    tailRow(`last ${tailEvents} events, backward`, callsEach, { last: tailEvents }, { last: tailEvents }),
    tailRow(
      `last ${tailEvents} events, forward from their first version`,
      callsEach,
      { from: longEvents - tailEvents + 1 },
      { from: shortEvents - tailEvents + 1 },
    ),
    {
      what: 'append of 1 event',
      callers: 1,
      callsEach,
      events: 1,
      operations: [
        append(long.prefix, 1, Number.MAX_SAFE_INTEGER, longEvents),
        append('appended', 1, 1, shortEvents),
      ],
      // A new stream of that length for each call, written by the gateway, which therefore knows its version, as that of the long one.
      before: [undefined, append('appended', shortEvents, 1, 0)],
    },
  ];
}

function versionOf(streams: typeof long, version: number): Operation {
  return { kind: 'version', streams, version };
}

function append(streams: string, events: number, callsPerStream: number, version: number): Operation {
  return { kind: 'append', streams, events, callsPerStream, version };
}

function tailRow(what: string, callsEach: number, ofLong: ReadRange, ofShort: ReadRange): Row {
  const read = (streams: typeof long, range: ReadRange): Operation => {
    return { kind: 'read', streams, range, events: tailEvents };
  };
  return {
    what,
    callers: 1,
    callsEach,
    events: tailEvents,
    operations: [read(long, ofLong), read(short, ofShort)],
  };
}
